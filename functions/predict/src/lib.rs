#![doc = include_str!("../README.md")]

mod api;
mod forecast;

use std::sync::Arc;

use axum::Router;
use forecasting::{
    features::{HISTORY_DAYS, History},
    time::Day,
};
use model::{Model, Threads};
use runtime::{Context, Error, Handler, Outcome};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::Clock,
    event::{DayIngested, Function, Topic},
    ports::Ports,
    registry,
    registry::{Registry, Version},
    settings::{SettingsError, Variables},
    store::Store,
    warehouse::Warehouse,
};
use tokio::sync::Mutex;

pub use forecast::{forecast_day, settle};

/// The handler of ingested days, and the HTTP API of the forecasts.
pub struct Predict {
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    champion: Mutex<Option<Champion>>,
    serving_state: Mutex<Option<api::ServingState>>,
}

/// The champion, loaded into memory.
#[derive(Clone)]
pub struct Champion {
    /// The version in the registry.
    pub version: Version,
    /// The loaded model.
    pub model: Arc<Model>,
}

/// Creates the handler, which has no variables of its own.
///
/// # Errors
/// Never returns an error; the signature is that of every function.
pub fn build(_variables: &dyn Variables, ports: &Ports) -> Result<Predict, SettingsError> {
    Ok(Predict::new(ports))
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
            serving_state: Mutex::default(),
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

    /// Returns the counts that the features of the day after `last` are computed from.
    async fn history(&self, last: Day) -> Result<History, Error> {
        let counts = self
            .warehouse
            .counts(last.plus(1 - HISTORY_DAYS), last)
            .await?;
        Ok(History::new(&[&counts]))
    }
}

impl Predict {
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
        *self.serving_state.lock().await = None;
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

impl Handler for Predict {
    const FUNCTION: Function = Function::Predict;
    const PUBLISHES: &'static [Topic] = &[];
    type Event = DayIngested;

    async fn handle(&self, event: DayIngested, context: &Context) -> Result<Outcome, Error> {
        let champion = self.champion().await?;
        let history = self.history(event.day).await?;
        let target = event.day.plus(1);
        if target < Day::of(context.now)
            && !self.warehouse.forecasts(target, target).await?.is_empty()
        {
            return self.settle_only(event.day, &history, context).await;
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
        let settled = self.settle_days(event.day, &history, context).await?;
        *self.serving_state.lock().await = None;
        let forecast_count = forecasts.len();
        let reason = format!(
            "{forecast_count} forecasts of {target} by version {}",
            champion.version
        );
        Ok(Outcome::new(AuditEntry {
            champion_version: Some(champion.version),
            detail: json!({ "day": target, "forecasts": forecast_count, "settled_day": event.day, "settled_forecasts": settled }),
            ..AuditEntry::new("forecast", reason)
        }))
    }

    /// Checks that the registry answers and has a champion.
    async fn ready(&self) -> Result<(), Error> {
        registry::champion(&*self.registry).await?;
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Router {
        api::routes(self)
    }
}

#[cfg(test)]
mod tests;
