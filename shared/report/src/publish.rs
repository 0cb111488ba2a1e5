//! The pages as objects of the store: their paths and addresses, and writing them.

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

use crate::{
    index::{self, IndexPage},
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
        let made: Result<String, Box<dyn Error + Send + Sync>> = match self {
            Self::Index => IndexPage::gather(ports)
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

/// Writes the pages that a decision about a week changes: that of the week, that of its month, and
/// the on-call page. Returns the failures; one page does not keep the others from being written.
///
/// `check` runs before each write, and an error of it ends the writing: the caller may no longer
/// write then.
pub async fn publish<C, F, E>(ports: &Ports, week: Option<Week>, check: C) -> Vec<PageError>
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
        let html = match page.make(ports).await {
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
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use shared::clock::SimulatedClock;

    use super::*;

    fn ports() -> Ports {
        let now = "2021-08-09T06:00:00Z".parse().unwrap();
        Ports::in_memory(Arc::new(SimulatedClock::new(now)))
    }

    #[test]
    fn paths_and_pages_match() {
        for (page, path) in [
            (Page::Index, "reports/index.html"),
            (
                Page::Week("2021-W31".parse().unwrap()),
                "reports/week/2021-W31.html",
            ),
            (
                Page::Month("2021-08".parse().unwrap()),
                "reports/month/2021-08.html",
            ),
        ] {
            assert_eq!(page.path().as_str(), path);
            assert_eq!(Page::at(path), Some(page));
        }
        for path in [
            "index.html",
            "reports/drift-check/2021-W31.json",
            "reports/week/2021-W60.html",
            "reports/month/2021-13.html",
            "reports/week/index.html",
        ] {
            assert_eq!(Page::at(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn pages_are_written_without_the_page_of_a_week_that_is_not_judged() {
        let ports = ports();
        let checks = AtomicUsize::new(0);
        let check = || async {
            checks.fetch_add(1, Ordering::SeqCst);
            Ok::<(), StoreError>(())
        };
        let failures = publish(&ports, "2021-W31".parse().ok(), check).await;
        assert!(failures.is_empty(), "{failures:?}");
        let paths = ports.store.list(FOLDER).await.unwrap();
        let names: Vec<_> = paths.iter().map(ObjectPath::as_str).collect();
        assert_eq!(names, ["reports/index.html", "reports/month/2021-08.html"]);
        assert_eq!(checks.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn lost_lease_ends_the_writing() {
        let ports = ports();
        let lost = || async { Err::<(), _>("the lease is lost") };
        let failures = publish(&ports, "2021-W31".parse().ok(), lost).await;
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(ports.store.list(FOLDER).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn broken_report_keeps_no_other_page_from_being_written() {
        let ports = ports();
        let week: Week = "2021-W31".parse().unwrap();
        let path = week_report::path(week);
        ports
            .store
            .write(&path, "{".into(), Condition::Always)
            .await
            .unwrap();
        let check = || async { Ok::<(), StoreError>(()) };
        let failures = publish(&ports, Some(week), check).await;
        let [failure] = &failures[..] else {
            panic!("{failures:?}")
        };
        assert_eq!(
            failure.to_string(),
            "cannot make the page reports/week/2021-W31.html"
        );
        assert_eq!(ports.store.list("reports/month/").await.unwrap().len(), 1);
        assert_eq!(missing_weeks(&*ports.store).await.unwrap(), [week]);
    }
}
