#![doc = include_str!("../README.md")]

mod api;
mod cached;
mod forecast;
mod recent;
mod serving;

use std::sync::Arc;

use axum::Router;
use forecasting::{counts::Counts, features::History, time::Day};
use model::{Model, Threads};
use report::publish::Pages;
use runtime::{Context, Error, Handler, Outcome, check_store, check_warehouse};
use serde_json::{Value, json};
use shared::{
    Timestamp,
    audit::AuditEntry,
    clock::Clock,
    event::{DayIngested, EventId, Function, Topic},
    ledger,
    ports::Ports,
    registry,
    registry::{Registry, Version},
    settings::{SettingsError, Variables},
    store::Store,
    warehouse::{Forecast, Warehouse},
};
use tokio::sync::Mutex;

use self::{cached::Cached, forecast::Summary, serving::ServingState};

pub use forecast::{forecast_day, settle};

/// The local hour by which a day should be forecast.
const DUE_HOUR: i8 = 8;

/// The handler of ingested days, and the HTTP API of the forecasts.
pub struct Predict {
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    champion: Mutex<Option<Champion>>,
    serving_state: Cached<ServingState>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// The champion, loaded into memory.
#[derive(Clone)]
pub struct Champion {
    /// The version in the registry.
    pub version: Version,
    /// The loaded model.
    pub model: Arc<Model>,
}

/// Creates the handler, which has no variables of its own. It writes the on-call page.
///
/// # Errors
/// Never returns an error; the signature is that of every function.
pub fn build(_variables: &dyn Variables, ports: &Ports) -> Result<Predict, SettingsError> {
    Ok(Predict::new(ports).with_pages(ports))
}

impl Predict {
    /// Creates the handler. The first event or request loads the champion.
    pub fn new(ports: &Ports) -> Self {
        Self {
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            registry: Arc::clone(&ports.registry),
            clock: Arc::clone(&ports.clock),
            champion: Mutex::default(),
            serving_state: Cached::default(),
            pages: None,
        }
    }

    /// Writes the on-call page after each event.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::of(ports)),
            ..self
        }
    }

    /// Returns the champion, and loads it only if the alias has moved.
    async fn champion(&self) -> Result<Champion, Error> {
        let version = registry::champion(&*self.registry).await?;
        let mut known = self.champion.lock().await;
        if let Some(champion) = known
            .as_ref()
            .filter(|champion| champion.version == version)
        {
            return Ok(champion.clone());
        }
        let model =
            Model::load_version(&self.store, &*self.registry, version, Threads::One).await?;
        tracing::info!(%version, "champion loaded");
        Ok(known
            .insert(Champion {
                version,
                model: Arc::new(model),
            })
            .clone())
    }

    /// Returns the counts that the published forecasts of the day after `last` are computed from.
    async fn counts(&self, last: Day) -> Result<Counts, Error> {
        let first = last.plus(1 - recent::COUNT_DAYS);
        Ok(self.warehouse.counts(first, last).await?)
    }
}

impl Predict {
    /// Settles the forecasts of the ingested day, and reports the stored forecasts of the next day.
    /// These are not empty.
    ///
    /// `first_at` is that of [`Predict::first_forecast_at`]. The lateness is logged last, so that a
    /// delivery that fails and is retried does not count the day as well.
    async fn complete(
        &self,
        day: Day,
        history: &History,
        forecasts: &[Forecast],
        first_at: Option<Timestamp>,
        context: &Context,
    ) -> Result<Outcome, Error> {
        let settled = self.settle_days(day, history, context).await?;
        self.serving_state.clear().await;
        let (target, number) = (day.plus(1), forecasts.len());
        if let Some(at) = first_at {
            let forecast_lateness_hours = lateness_hours(target, at);
            tracing::info!(day = %target, forecast_lateness_hours, "first forecast of a day");
        }
        let version = forecasts.first().map(|forecast| forecast.model_version);
        let by = version.map_or_else(String::new, |version| format!(" by version {version}"));
        Ok(Outcome::new(AuditEntry {
            champion_version: version,
            detail: detail(day, forecasts, settled),
            ..AuditEntry::new("forecast", format!("{number} forecasts of {target}{by}"))
        }))
    }

    /// Returns the time of the first forecast of the day after an ingested day, or `None` if the
    /// event is not the one that makes it.
    ///
    /// A delivery may end between its forecasts and its line in the log. The next delivery of the
    /// event finds these forecasts, and reports their time. Forecasts of an event that repeats
    /// the ingest of the day are not the first: another event about the day is complete.
    async fn first_forecast_at(
        &self,
        day: Day,
        stored: &[Forecast],
        context: &Context,
    ) -> Result<Option<Timestamp>, Error> {
        if stored.is_empty() {
            return Ok(Some(context.now));
        }
        if !is_forecast_by(stored, context) {
            return Ok(None);
        }
        let events = EventId::of(Function::Ingest, day);
        let other = ledger::last_completed(&*self.store, Function::Predict, &events).await?;
        let made_at = stored.iter().map(|forecast| forecast.predicted_at).min();
        Ok(made_at.filter(|_| other.is_none()))
    }

    /// Settles the forecasts of an ingested day, and returns their number.
    ///
    /// Also settles those of the next day if it has counts: its event may have been handled before
    /// there were forecasts to settle.
    async fn settle_days(
        &self,
        day: Day,
        history: &History,
        context: &Context,
    ) -> Result<usize, Error> {
        context.fence.check().await?;
        let settled = settle(&*self.warehouse, history, day).await?;
        let next = day.plus(1);
        if next < Day::of(context.now) {
            let counts = self.warehouse.counts(next, next).await?;
            if !counts.is_empty() {
                context.fence.check().await?;
                settle(&*self.warehouse, &History::new(&[&counts]), next).await?;
            }
        }
        Ok(settled)
    }

    /// Settles the forecasts of a day that was ingested late or again.
    ///
    /// The next day is over and its forecasts stay unchanged: the live error must reflect the
    /// knowledge of the day before.
    async fn settle_only(
        &self,
        day: Day,
        history: &History,
        context: &Context,
    ) -> Result<Outcome, Error> {
        let settled = self.settle_days(day, history, context).await?;
        self.serving_state.clear().await;
        let reason = format!(
            "{settled} forecasts of {day} settled; the forecasts of {} are unchanged because that day is over",
            day.plus(1)
        );
        Ok(Outcome::new(AuditEntry {
            detail: json!({ "settled_day": day, "settled_forecasts": settled }),
            ..AuditEntry::new("settled", reason)
        }))
    }
}

/// Returns the hours from 8 o'clock local time on a day to an instant: negative or 0 if a forecast
/// of the day at this instant is in time. `infra/quality.tf` counts the late days.
fn lateness_hours(day: Day, at: Timestamp) -> f64 {
    at.duration_since(day.at(DUE_HOUR)).as_secs_f64() / 3_600.0
}

/// Returns `true` if an earlier delivery of the event made these forecasts.
///
/// They are not older than its first delivery then, so the event must not be judged late, although
/// the day of the forecasts may be over by now. Tables store microseconds.
fn is_forecast_by(stored: &[Forecast], context: &Context) -> bool {
    let first = context.first_started_at.as_microsecond();
    let is_later = |forecast: &Forecast| forecast.predicted_at.as_microsecond() >= first;
    !stored.is_empty() && stored.iter().all(is_later)
}

impl Handler for Predict {
    const FUNCTION: Function = Function::Predict;
    const PUBLISHES: &'static [Topic] = &[];
    type Event = DayIngested;

    async fn handle(&self, event: DayIngested, context: &Context) -> Result<Outcome, Error> {
        let champion = self.champion().await?;
        let history = History::new(&[&self.counts(event.day).await?]);
        let target = event.day.plus(1);
        let stored = self.warehouse.forecasts(target, target).await?;
        let first_at = self.first_forecast_at(event.day, &stored, context).await?;
        if target < Day::of(context.now) {
            if is_forecast_by(&stored, context) {
                return self
                    .complete(event.day, &history, &stored, first_at, context)
                    .await;
            }
            if !stored.is_empty() {
                return self.settle_only(event.day, &history, context).await;
            }
        }
        let forecasts = forecast_day(&champion, &history, event.day, target, context.now)?;
        if forecasts.is_empty() {
            let advice = format!("run `bike-traffic ingest --from {0} --to {0}`", event.day);
            return Err(Error::permanent(format!(
                "cannot forecast {target}: {} has no counts; {advice}",
                event.day
            )));
        }
        context.fence.check().await?;
        self.warehouse.replace_forecasts(target, &forecasts).await?;
        self.complete(event.day, &history, &forecasts, first_at, context)
            .await
    }

    async fn show(&self, context: &Context, _entry: &AuditEntry) {
        let Some(pages) = &self.pages else { return };
        let fence = &context.fence;
        pages.update(None, move || fence.check()).await;
    }

    /// Checks that store, warehouse and registry answer, and that the champion can be loaded.
    async fn ready(&self) -> Result<(), Error> {
        check_store(&*self.store).await?;
        check_warehouse(&*self.warehouse).await?;
        self.champion().await?;
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Router {
        api::routes(self)
    }
}

/// Returns the details of the audit entry.
fn detail(day: Day, forecasts: &[Forecast], settled: usize) -> Value {
    let Summary {
        silent_counter_names,
        median_correction,
        mean_width_80,
        mean_width_95,
    } = Summary::of(forecasts);
    json!({
        "day": day.plus(1),
        "forecasts": forecasts.len(),
        "settled_day": day,
        "settled_forecasts": settled,
        "silent_counters": silent_counter_names.len(),
        "silent_counter_names": silent_counter_names,
        "median_correction": median_correction,
        "mean_width_80": mean_width_80,
        "mean_width_95": mean_width_95,
    })
}

#[cfg(test)]
mod tests;
