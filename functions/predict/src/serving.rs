//! The champion, the counts and the corrections that requests are forecast from.

use std::{panic::resume_unwind, sync::Arc};

use forecasting::{
    counts::{CounterKey, Counts, parse_hour},
    features::{CategoryCodes, FeatureMatrix, FrameRow, HISTORY_DAYS, History, last_forecast_day},
    time::{Day, Hour},
};
use runtime::Error;
use rustc_hash::FxHashMap;
use shared::{Timestamp, registry::Version};

use crate::{
    Champion, Predict,
    api::Record,
    recent::{Adjustments, Published, recent_observations},
};

/// The state that requests share. It does not change; a refresh replaces it.
pub(crate) struct ServingState {
    champion: Champion,
    history: History,
    /// The codes of the counters of the history in the champion.
    codes: CategoryCodes,
    /// The positions of the counters by their names. Other spellings are folded, which takes as
    /// long as a forecast.
    by_name: FxHashMap<String, usize>,
    by_id: FxHashMap<String, usize>,
    /// For each counter, `true` if it has a count in the last [`HISTORY_DAYS`] days.
    is_counted: Vec<bool>,
    adjustments: Adjustments,
    last_hour: Hour,
    last_day: Day,
    /// The first hour after the last day that can be forecast.
    end: Hour,
}

impl ServingState {
    fn new(champion: Champion, counts: &Counts, last_hour: Hour) -> Result<Self, Error> {
        let history = History::new(&[counts]);
        let last_day = last_forecast_day(last_hour);
        let observations = recent_observations(&champion, &history, last_day)?;
        let counters = history.counters().len();
        let is_counted = |counter| {
            (0..24 * HISTORY_DAYS)
                .any(|hours| !history.count(counter, last_hour.plus(-hours)).is_nan())
        };
        let (mut by_name, mut by_id) = (FxHashMap::default(), FxHashMap::default());
        for (position, counter) in history.counters().iter().enumerate() {
            by_name.insert(counter.name.clone(), position);
            if let Some(id) = &counter.id {
                by_id.entry(id.clone()).or_insert(position);
            }
        }
        Ok(Self {
            codes: champion.model.features().codes_of(&history),
            champion,
            by_name,
            by_id,
            is_counted: (0..counters).map(is_counted).collect(),
            adjustments: Adjustments::new(counters, &observations, last_day),
            history,
            last_hour,
            last_day,
            end: last_day.plus(1).first_hour(),
        })
    }

    /// Returns the version of the champion.
    pub(crate) fn model_version(&self) -> Version {
        self.champion.version
    }

    /// Returns the position of the counter of a record, or the reason why it cannot be forecast.
    pub(crate) fn counter<S: AsRef<str>>(&self, record: &Record<S>) -> Result<u32, String> {
        let found = match (&record.nom_du_compteur, &record.identifiant_du_compteur) {
            (Some(name), _) => {
                let name: &str = name.as_ref();
                let other_spelling = || self.history.position(&CounterKey::of_name(name));
                self.by_name.get(name).copied().or_else(other_spelling)
            }
            (None, Some(id)) => self.by_id.get::<str>(id.as_ref()).copied(),
            (None, None) => {
                return Err(
                    "the record has no counter: set nom_du_compteur or identifiant_du_compteur"
                        .to_owned(),
                );
            }
        };
        found
            .filter(|counter| self.is_counted[*counter])
            .and_then(|counter| u32::try_from(counter).ok())
            .ok_or_else(|| format!("the counter has no counts in the last {HISTORY_DAYS} days"))
    }

    /// Parses an hour, or returns the reason why it cannot be forecast.
    pub(crate) fn hour(&self, text: &str) -> Result<Hour, String> {
        let hour = parse_hour(text).map_err(|reason| reason.to_string())?;
        if hour >= self.end {
            return Err(format!(
                "{hour} is beyond the forecast horizon: the last count is of {}, so the last day to forecast is {}",
                self.last_hour, self.last_day
            ));
        }
        Ok(hour)
    }

    /// Forecasts rows, and passes each forecast with the number of its row to `publish`, ordered by
    /// hour.
    pub(crate) fn forecast(
        &self,
        mut rows: Vec<(usize, FrameRow)>,
        mut publish: impl FnMut(usize, Published),
    ) -> Result<(), Error> {
        // The rows of an hour share its features and its adjustment.
        rows.sort_unstable_by_key(|(number, row)| (row.hour, *number));
        let keys: Vec<_> = rows.iter().map(|(_, row)| *row).collect();
        let matrix = FeatureMatrix::new(&self.codes, &self.history, &keys);
        let forecasts = self.champion.model.predict_matrix(&matrix)?;
        let mut forecasts = forecasts.into_iter().zip(matrix.silent());
        for rows in rows.chunk_by(|(_, row), (_, next)| row.hour == next.hour) {
            let [(_, first), ..] = rows else { continue };
            let adjustment = self.adjustments.of_hour(first.hour);
            for ((number, row), (forecast, silent)) in rows.iter().zip(&mut forecasts) {
                let row = adjustment.publish(row.counter as usize, forecast.into(), *silent);
                publish(*number, row);
            }
        }
        Ok(())
    }
}

impl Predict {
    /// Returns the state to forecast from, and reads it again when it is ten minutes old.
    pub(crate) async fn serving_state(&self) -> Result<Arc<ServingState>, Error> {
        let now = self.clock.now();
        self.serving_state
            .get(now, self.read_serving_state(now))
            .await
    }

    async fn read_serving_state(&self, now: Timestamp) -> Result<ServingState, Error> {
        let champion = self.champion().await?;
        let today = Day::of(now);
        let counts = self.latest_counts(today).await?;
        let Some((_, last_hour)) = counts.period() else {
            return Err(Error::transient(format!(
                "there are no counts in the {HISTORY_DAYS} days before {today}; run `bike-traffic ingest --from {}`",
                today.plus(-HISTORY_DAYS)
            )));
        };
        // The forecasts of 28 days take long enough to delay other requests.
        let compute = move || ServingState::new(champion, &counts, last_hour);
        match tokio::task::spawn_blocking(compute).await {
            Ok(computed) => computed,
            // The task is never cancelled, so it panicked.
            Err(error) => resume_unwind(error.into_panic()),
        }
    }

    /// Returns the counts up to the last day with a table. They start as early as those that the
    /// stored forecasts of the next day were computed from, so that both are equal.
    async fn latest_counts(&self, today: Day) -> Result<Counts, Error> {
        let first = today.plus(-HISTORY_DAYS);
        let tables = self.warehouse.table_versions(first, today).await?;
        match tables.keys().next_back() {
            Some(last) => self.counts(*last).await,
            None => Ok(Counts::default()),
        }
    }
}
