#![doc = include_str!("../README.md")]

mod coverage;
mod day;
mod reason;
mod reply;

use std::sync::Arc;

use forecasting::time::Day;
use google_cloud::ExploreClient;
use report::publish::Pages;
use runtime::{Context, Error, Handler, Outcome, check_is_past, check_store, check_warehouse};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::Clock,
    event::{DayIngested, Function, IngestRequested, Topic},
    open_data::OpenData,
    ports::Ports,
    retryability::Retryability,
    settings::{SettingsError, Variables, required},
    store::Store,
    warehouse::Warehouse,
};

use day::Ingestion;

pub use coverage::{CounterHours, CounterLoss, Coverage, Loss};
pub use day::DayReport;

/// The largest number of days in a request. A larger request could exceed the request timeout of
/// Cloud Run.
const MAXIMUM_DAYS: i32 = 31;
/// The first year of counts. Counts of earlier years are rejected as implausible.
const FIRST_YEAR: i16 = 2010;

/// The maximum number of failed days whose errors are quoted.
const NAMED_FAILURES: usize = 3;

/// The decision if the counts of a day were replaced.
const INGESTED: &str = "ingested";

/// The handler of ingestion requests.
pub struct Ingest {
    open_data: Arc<dyn OpenData>,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    clock: Arc<dyn Clock>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// Creates the handler from the variable `OPEN_DATA_URL`. It writes the on-call page.
///
/// # Errors
/// Returns an error if `OPEN_DATA_URL` is missing or is not a valid URL.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<Ingest, SettingsError> {
    let base: reqwest::Url = required(variables, "OPEN_DATA_URL")?;
    Ok(Ingest::new(Arc::new(ExploreClient::new(base)), ports).with_pages(ports))
}

impl Ingest {
    /// Creates the handler with a source of counts and the ports it uses.
    pub fn new(open_data: Arc<dyn OpenData>, ports: &Ports) -> Self {
        Self {
            open_data,
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            clock: Arc::clone(&ports.clock),
            pages: None,
        }
    }

    /// Writes the on-call page after each event that brings no counts: a dead letter, or a reply
    /// that was not accepted. An ingested day leads to forecasts, after which `predict` writes the
    /// page.
    ///
    /// In the cloud, `ingest` reaches the internet and not the registry.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::without_registry(ports)),
            ..self
        }
    }
}

impl Handler for Ingest {
    const FUNCTION: Function = Function::Ingest;
    const PUBLISHES: &'static [Topic] = &[Topic::DayIngested];
    type Event = IngestRequested;

    async fn handle(&self, event: IngestRequested, context: &Context) -> Result<Outcome, Error> {
        let (first, last) =
            check_range(event.days(context.published_at), Day::of(self.clock.now()))?;
        let attempt = format!("cannot ingest {first} to {last} again");
        let command = format!("ingest --from {first} --to {last}");
        check_is_past(("again", event.again), context.now, &attempt, &command)?;
        let ingestion = Ingestion {
            open_data: &*self.open_data,
            store: &*self.store,
            warehouse: &*self.warehouse,
            event_id: &context.event_id,
            fence: &context.fence,
            force: event.force,
            now: context.now,
        };
        let (mut reports, mut failures) = (Vec::new(), Vec::new());
        for day in first.through(last) {
            match ingestion.ingest(day).await {
                Ok(report) => reports.push(report),
                Err(error) if error.retryability() == Retryability::Transient => return Err(error),
                // The other days do not depend on this one.
                Err(error) => failures.push(error),
            }
        }
        let ingested = |report: &DayReport| {
            report.is_replaced().then(|| DayIngested {
                event_id: event.id_of_day(report.day),
                day: report.day,
                rows: report.rows,
            })
        };
        let events = reports.iter().filter_map(ingested);
        if let Some(error) = failure(failures, &reports) {
            return Err(events.fold(error, |error, event| error.publish(&event)));
        }
        let decision = if reports.iter().any(DayReport::is_replaced) {
            INGESTED
        } else {
            "kept"
        };
        let entry = AuditEntry {
            detail: json!({ "days": reports }),
            ..AuditEntry::new(decision, reason::of(&reports))
        };
        let outcome = Outcome::new(entry);
        Ok(events.fold(outcome, |outcome, event| outcome.publish(&event)))
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let Some(pages) = self.pages.as_ref().filter(|_| entry.decision != INGESTED) else {
            return;
        };
        let fence = &context.fence;
        pages.update(None, move || fence.check()).await;
    }

    /// Checks that store and warehouse answer. The open data service is not ours, and may be late.
    async fn ready(&self) -> Result<(), Error> {
        check_store(&*self.store).await?;
        check_warehouse(&*self.warehouse).await
    }
}

/// Returns the error of a request with days that failed permanently; `None` without such days. It
/// names the other days, whose counts are stored.
fn failure(mut failures: Vec<Error>, reports: &[DayReport]) -> Option<Error> {
    if failures.is_empty() || failures.len() == 1 && reports.is_empty() {
        return failures.pop();
    }
    let named = failures.iter().take(NAMED_FAILURES);
    let mut parts: Vec<_> = named.map(Error::chain).collect();
    let others = failures.len() - parts.len();
    if others > 0 {
        parts.push(format!("{others} more days failed"));
    }
    if !reports.is_empty() {
        parts.push(format!("the other days: {}", reason::of(reports)));
    }
    Some(Error::permanent(parts.join("; ")))
}

/// Returns the range if it is in order, not too long and in the past.
fn check_range((first, last): (Day, Day), today: Day) -> Result<(Day, Day), Error> {
    if last < first {
        return Err(Error::permanent(format!(
            "cannot ingest {first} to {last}: the last day precedes the first"
        )));
    }
    if first.date().year() < FIRST_YEAR {
        return Err(Error::permanent(format!(
            "cannot ingest {first}: there are no counts before {FIRST_YEAR}"
        )));
    }
    if first.days_until(last) >= MAXIMUM_DAYS {
        let advice = format!("request at most {MAXIMUM_DAYS} days at once");
        return Err(Error::permanent(format!(
            "cannot ingest {first} to {last}: {advice}"
        )));
    }
    if last >= today {
        return Err(Error::permanent(format!(
            "cannot ingest {last}: the day is not over; request days before {today}"
        )));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests;
