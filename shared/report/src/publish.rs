//! The pages as objects of the store: their paths and addresses, and writing them.

mod pages;

use std::error::Error;

use forecasting::time::Week;
use serde::Serialize;
use shared::{
    address::{ObjectPath, web_address},
    ports::Ports,
    store::{Condition, Store, StoreError},
    week_report,
};

pub use crate::state::{FOLDER, week_of};
pub use pages::Pages;

use crate::{
    index::{self, ChampionSource, IndexPage},
    month::{self, Month, MonthPage},
    week::{self, WeekPage},
};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The on-call page, with the links to all others.
    Index,
    /// The page of a week.
    Week(Week),
    /// The page of a month.
    Month(Month),
}

impl Page {
    /// Returns the path of the page in the store.
    pub fn path(self) -> ObjectPath {
        match self {
            Self::Index => index::path(),
            Self::Week(week) => week::path(week),
            Self::Month(month) => month::path(month),
        }
    }

    /// Returns the page at a path, or `None` if pages do not have this path.
    pub fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix(FOLDER)?.strip_suffix(".html")?;
        match name.split_once('/') {
            None if name == "index" => Some(Self::Index),
            Some(("week", week)) => week.parse().ok().map(Self::Week),
            Some(("month", month)) => month.parse().ok().map(Self::Month),
            _ => None,
        }
    }

    /// Makes the page from the stored objects and tables.
    ///
    /// # Errors
    /// Returns an error if an object or a table cannot be read.
    pub async fn make(self, ports: &Ports) -> Result<String, PageError> {
        self.make_from(ports, ChampionSource::Registry).await
    }

    /// Makes the page. `source` is that of the on-call page; the others read the registry.
    async fn make_from(self, ports: &Ports, source: ChampionSource) -> Result<String, PageError> {
        let made: Result<String, Box<dyn Error + Send + Sync>> = match self {
            Self::Index => IndexPage::gather_from(ports, source)
                .await
                .map(|page| index::render(&page)),
            Self::Week(week) => WeekPage::gather(ports, week)
                .await
                .map(|page| week::render(&page))
                .map_err(Into::into),
            Self::Month(month) => MonthPage::gather(ports, month)
                .await
                .map(|page| month::render(&page)),
        };
        made.map_err(|source| self.error("make", source))
    }

    /// Writes the page to its path.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn write(self, store: &dyn Store, html: String) -> Result<(), PageError> {
        store
            .write(&self.path(), html.into(), Condition::Always)
            .await
            .map(|_| ())
            .map_err(|source| self.error("write", source.into()))
    }

    fn error(self, verb: &'static str, source: Box<dyn Error + Send + Sync>) -> PageError {
        PageError {
            verb,
            path: self.path(),
            source,
        }
    }
}

/// The error returned when a page cannot be made or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} the page {path}")]
pub struct PageError {
    verb: &'static str,
    path: ObjectPath,
    source: Box<dyn Error + Send + Sync>,
}

/// The address of a page, for people and for the detail of audit rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageAddress {
    /// The address of the object, for example `gs://bucket/reports/week/2021-W31.html`.
    pub address: String,
    /// The address for a browser.
    pub url: String,
}

impl PageAddress {
    /// Returns the address of a page in a store.
    pub fn of(store: &dyn Store, page: Page) -> Self {
        let address = store.address_of(&page.path());
        Self {
            url: web_address(&address),
            address,
        }
    }

    /// Returns the address of the page of a week.
    pub fn of_week(store: &dyn Store, week: Week) -> Self {
        Self::of(store, Page::Week(week))
    }
}

/// Returns the weeks that were judged and have no page, oldest first: those of earlier program
/// versions, and those whose page could not be written.
///
/// # Errors
/// Returns an error if the store cannot be listed.
pub async fn missing_weeks(store: &dyn Store) -> Result<Vec<Week>, StoreError> {
    let pages = store.list("reports/week/").await?;
    let reports = store.list(week_report::FOLDER).await?;
    let week = |path: &ObjectPath| -> Option<Week> {
        let name = path.as_str().strip_prefix(week_report::FOLDER)?;
        name.strip_suffix(".json")?.parse().ok()
    };
    let judged = reports.iter().filter_map(week);
    Ok(judged
        .filter(|week| !pages.contains(&week::path(*week)))
        .collect())
}

/// Writes the pages that a decision changes: that of its week and of the week's month, if it is
/// about a week, and the on-call page. Returns the failures; one page does not keep the others from
/// being written.
///
/// `check` runs before each write, and an error of it ends the writing: the caller may no longer
/// write then.
///
/// Two processes may write the on-call page at the same time. Each makes it from the stored
/// objects, and the last writer wins. Its page may lack the other's decision until the next one.
pub async fn publish<C, F, E>(ports: &Ports, week: Option<Week>, check: C) -> Vec<PageError>
where
    C: Fn() -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    publish_from(ports, ChampionSource::Registry, week, check).await
}

/// Writes pages as [`publish`] does, with the champion of the on-call page from a source.
async fn publish_from<C, F, E>(
    ports: &Ports,
    source: ChampionSource,
    week: Option<Week>,
    check: C,
) -> Vec<PageError>
where
    C: Fn() -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut pages = Vec::new();
    if let Some(week) = week {
        // A challenger may be requested for a week that was not judged.
        let report = ports.store.generation(&week_report::path(week)).await;
        if !matches!(report, Ok(None)) {
            pages.push(Page::Week(week));
        }
        pages.push(Page::Month(Month::of(week.last_day())));
    }
    // The last one, because it links the others.
    pages.push(Page::Index);
    let mut failures = Vec::new();
    for page in pages {
        let html = match page.make_from(ports, source).await {
            Ok(html) => html,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        if let Err(error) = check().await {
            failures.push(page.error("write", error.into()));
            return failures;
        }
        failures.extend(page.write(&*ports.store, html).await.err());
    }
    failures
}

#[cfg(test)]
mod tests;
