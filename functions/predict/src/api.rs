//! `POST /v1/predict`: forecasts of the records in a request.

use std::{collections::HashMap, fmt, sync::Arc};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use forecasting::features::FrameRow;
use runtime::Error;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::json;
use shared::{registry::Version, retryability::Retryability};

use crate::{Predict, recent::Published};

const MAXIMUM_RECORDS: usize = 1000;

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
pub(crate) struct Record {
    pub(crate) nom_du_compteur: Option<String>,
    pub(crate) identifiant_du_compteur: Option<String>,
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
    let state = function.serving_state().await?;
    let mut rows = Vec::with_capacity(records.len());
    let mut predictions = Vec::with_capacity(records.len());
    let mut hours = HashMap::new();
    for (position, record) in records.iter().enumerate() {
        let text = record.date_et_heure_de_comptage.as_str();
        let row = state.counter(record).and_then(|counter| {
            let hour = hours.entry(text).or_insert_with(|| state.hour(text));
            hour.clone().map(|hour| FrameRow { counter, hour })
        });
        match row {
            Ok(row) => rows.push((position, row)),
            Err(error) => predictions.push((position, Prediction::Error { error })),
        }
    }
    let published = state.forecast(rows)?.into_iter();
    predictions.extend(published.map(|(position, row)| (position, Prediction::Published(row))));
    predictions.sort_unstable_by_key(|(position, _)| *position);
    Ok(Reply {
        model_version: state.model_version(),
        predictions: predictions.into_iter().map(|(_, row)| row).collect(),
    })
}
