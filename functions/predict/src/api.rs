//! `POST /v1/predict`: forecasts of the records in a request.

use std::{fmt, sync::Arc};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use forecasting::{
    counts::{CounterKey, Counts, parse_hour},
    features::{Frame, HISTORY_DAYS, History, last_forecast_day},
    time::{Day, Hour},
};
use runtime::Error;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::json;
use shared::{Timestamp, registry::Version, retryability::Retryability};

use crate::{
    Champion, Predict,
    recent::{Adjustments, Published, recent_observations},
};

const MAXIMUM_RECORDS: usize = 1000;
/// The maximum age of the cached counts and champion.
const MAXIMUM_AGE_SECONDS: i64 = 600;

/// The champion, the counts and the corrections that requests are forecast from.
#[derive(Clone)]
pub(crate) struct ServingState {
    champion: Champion,
    history: Arc<History>,
    /// For each counter, `true` if it has a count in the last [`HISTORY_DAYS`] days.
    is_counted: Arc<[bool]>,
    adjustments: Arc<Adjustments>,
    last_hour: Hour,
    read_at: Timestamp,
}

pub(crate) fn routes(function: Arc<Predict>) -> Router {
    Router::new()
        .route("/v1/predict", post(predict))
        .with_state(function)
}

#[derive(Deserialize)]
struct Request {
    #[serde(deserialize_with = "limited")]
    records: Vec<Record>,
}

/// Reads a list of at most [`MAXIMUM_RECORDS`] records, and stops at the next one: a body of the
/// maximum size may have hundreds of thousands.
fn limited<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Record>, D::Error> {
    deserializer.deserialize_seq(RecordsVisitor)
}

struct RecordsVisitor;

impl fmt::Display for RecordsVisitor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "send from 1 to {MAXIMUM_RECORDS} records at once"
        )
    }
}

impl<'de> Visitor<'de> for RecordsVisitor {
    type Value = Vec<Record>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Record>, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = list.next_element()? {
            records.push(record);
            if records.len() > MAXIMUM_RECORDS {
                return Err(A::Error::custom(format_args!(
                    "cannot forecast more than {MAXIMUM_RECORDS} records; {self}"
                )));
            }
        }
        Ok(records)
    }
}

#[derive(Deserialize)]
struct Record {
    nom_du_compteur: Option<String>,
    identifiant_du_compteur: Option<String>,
    date_et_heure_de_comptage: String,
}

#[derive(Serialize)]
struct Reply {
    model_version: Version,
    predictions: Vec<Prediction>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Prediction {
    Published(Published),
    Error { error: String },
}

async fn predict(
    State(function): State<Arc<Predict>>,
    request: Result<Json<Request>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(rejection) => return error_response(rejection.status(), rejection.body_text()),
    };
    if request.records.is_empty() {
        let text = format!("cannot forecast 0 records; {RecordsVisitor}");
        return error_response(StatusCode::UNPROCESSABLE_ENTITY, text);
    }
    match forecast_records(&function, &request.records).await {
        Ok(reply) => Json(reply).into_response(),
        Err(error) => {
            tracing::error!(error = %error.chain(), "cannot forecast records");
            let status = match error.retryability() {
                Retryability::Transient => StatusCode::SERVICE_UNAVAILABLE,
                Retryability::Permanent => StatusCode::INTERNAL_SERVER_ERROR,
            };
            error_response(status, error.to_string())
        }
    }
}

fn error_response(status: StatusCode, error: String) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

async fn forecast_records(function: &Predict, records: &[Record]) -> Result<Reply, Error> {
    let serving_state = function.serving_state().await?;
    let found: Vec<_> = records
        .iter()
        .map(|record| serving_state.find(record))
        .collect();
    let rows = found.iter().filter_map(|row| row.as_ref().ok().copied());
    let frame = Frame::from_rows(
        serving_state.champion.model.features(),
        &serving_state.history,
        rows,
    );
    let forecasts = serving_state.champion.model.predict(&frame)?;
    // The model returns one forecast for each record whose row was found, in the same order.
    let mut forecasts = forecasts.into_iter().zip(frame.silent());
    let prediction = |row: Result<_, String>| match row {
        Ok(row) => {
            let (forecast, silent) = forecasts.next().unwrap_or((0.0, &false));
            let adjustments = &serving_state.adjustments;
            Prediction::Published(adjustments.publish(row, f64::from(forecast), *silent))
        }
        Err(error) => Prediction::Error { error },
    };
    let predictions = found.into_iter().map(prediction).collect();
    Ok(Reply {
        model_version: serving_state.champion.version,
        predictions,
    })
}

impl ServingState {
    /// Returns the counter position and the hour of a record, or the reason why it cannot be
    /// forecast.
    fn find(&self, record: &Record) -> Result<(usize, Hour), String> {
        let counter = self.counter(record)?;
        let hour =
            parse_hour(&record.date_et_heure_de_comptage).map_err(|reason| reason.to_string())?;
        let last_day = last_forecast_day(self.last_hour);
        if hour.day() > last_day {
            return Err(format!(
                "{hour} is beyond the forecast horizon: the last count is of {}, so the last day to forecast is {last_day}",
                self.last_hour
            ));
        }
        Ok((counter, hour))
    }

    fn counter(&self, record: &Record) -> Result<usize, String> {
        let by_id = |id: &String| {
            self.history
                .counters()
                .iter()
                .position(|counter| counter.id.as_ref() == Some(id))
        };
        let found = match (&record.nom_du_compteur, &record.identifiant_du_compteur) {
            (Some(name), _) => self.history.position(&CounterKey::of_name(name)),
            (None, Some(id)) => by_id(id),
            (None, None) => {
                return Err(
                    "the record has no counter: set nom_du_compteur or identifiant_du_compteur"
                        .to_owned(),
                );
            }
        };
        found
            .filter(|counter| self.is_counted[*counter])
            .ok_or_else(|| format!("the counter has no counts in the last {HISTORY_DAYS} days"))
    }
}

impl Predict {
    /// Returns the champion, the counts and the corrections, and reads them again when they are ten
    /// minutes old.
    async fn serving_state(&self) -> Result<ServingState, Error> {
        let now = self.clock.now();
        let mut serving_state = self.serving_state.lock().await;
        let is_fresh = |serving_state: &&ServingState| {
            (0..MAXIMUM_AGE_SECONDS)
                .contains(&(now.as_second() - serving_state.read_at.as_second()))
        };
        if let Some(serving_state) = serving_state.as_ref().filter(is_fresh) {
            return Ok(serving_state.clone());
        }
        let champion = self.champion().await?;
        let today = Day::of(now);
        let counts = self.latest_counts(today).await?;
        let Some((_, last_hour)) = counts.period() else {
            return Err(Error::transient(format!(
                "there are no counts in the {HISTORY_DAYS} days before {today}; run `bike-traffic ingest --from {}`",
                today.plus(-HISTORY_DAYS)
            )));
        };
        let history = History::new(&[&counts]);
        let target = last_forecast_day(last_hour);
        let observations = recent_observations(&champion, &history, target)?;
        let counters = history.counters().len();
        let is_counted = |counter| {
            (0..24 * HISTORY_DAYS)
                .any(|hours| !history.count(counter, last_hour.plus(-hours)).is_nan())
        };
        Ok(serving_state
            .insert(ServingState {
                champion,
                is_counted: (0..counters).map(is_counted).collect(),
                adjustments: Arc::new(Adjustments::new(counters, &observations, target)),
                history: Arc::new(history),
                last_hour,
                read_at: now,
            })
            .clone())
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
