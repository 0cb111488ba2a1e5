//! `POST /v1/predict`: forecasts of the records in a request.

use std::{borrow::Cow, collections::HashMap, fmt, marker::PhantomData, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, FromRequest, State, rejection::JsonRejection},
    http::{StatusCode, header::CONTENT_TYPE},
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

/// The length in JSON of a prediction whose numbers have 17 digits, rounded up.
const BYTES_PER_PREDICTION: usize = 288;

pub(crate) fn routes(function: Arc<Predict>) -> Router {
    Router::new()
        .route("/v1/predict", post(predict))
        .with_state(function)
}

/// A request whose texts have the type `S`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
struct Request<S> {
    #[serde(deserialize_with = "limited")]
    records: Vec<Record<S>>,
}

/// Reads a list of at most [`MAXIMUM_RECORDS`] records, and stops at the next one: a body of the
/// maximum size may have hundreds of thousands.
fn limited<'de, S, D>(deserializer: D) -> Result<Vec<Record<S>>, D::Error>
where
    S: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(RecordsVisitor(PhantomData))
}

struct RecordsVisitor<S>(PhantomData<S>);

impl<'de, S: Deserialize<'de>> Visitor<'de> for RecordsVisitor<S> {
    type Value = Vec<Record<S>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = list.next_element()? {
            records.push(record);
            if records.len() > MAXIMUM_RECORDS {
                let number = format!("more than {MAXIMUM_RECORDS}");
                return Err(A::Error::custom(wrong_number(&number)));
            }
        }
        Ok(records)
    }
}

fn wrong_number(records: &str) -> String {
    format!("cannot forecast {records} records; send from 1 to {MAXIMUM_RECORDS} records at once")
}

#[derive(Deserialize)]
pub(crate) struct Record<S> {
    pub(crate) nom_du_compteur: Option<S>,
    pub(crate) identifiant_du_compteur: Option<S>,
    date_et_heure_de_comptage: S,
}

/// A text of a body. Texts with escapes are owned.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize)]
struct Reply {
    model_version: Version,
    /// All are known once the records are forecast.
    predictions: Vec<Option<Prediction>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Prediction {
    Published(Published),
    Error { error: String },
}

async fn predict(State(function): State<Arc<Predict>>, request: extract::Request) -> Response {
    let response = read_and_forecast(&function, request).await;
    response.unwrap_or_else(|rejection| error_response(rejection.status(), rejection.body_text()))
}

/// Reads a request, and responds with the forecasts of its records.
///
/// axum copies each text and tracks the path of each field, so it reads only bodies that are
/// invalid or have another content type. All rejections are axum's.
async fn read_and_forecast(
    function: &Predict,
    request: extract::Request,
) -> Result<Response, JsonRejection> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_json = content_type.is_some_and(|content_type| content_type == "application/json");
    if !is_json {
        let Json(request) = Json::<Request<String>>::from_request(request, &()).await?;
        return Ok(forecast(function, &request.records).await);
    }
    let body = Bytes::from_request(request, &()).await?;
    if let Ok(request) = serde_json::from_slice::<Request<Text<'_>>>(&body) {
        return Ok(forecast(function, &request.records).await);
    }
    let Json(request) = Json::<Request<String>>::from_bytes(&body)?;
    Ok(forecast(function, &request.records).await)
}

async fn forecast<S: AsRef<str>>(function: &Predict, records: &[Record<S>]) -> Response {
    if records.is_empty() {
        return error_response(StatusCode::UNPROCESSABLE_ENTITY, wrong_number("0"));
    }
    match forecast_records(function, records).await {
        Ok(reply) => reply.into_response(),
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

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        // The buffer of `Json` starts with 128 bytes and is copied each time that it grows.
        let mut body: Vec<u8> =
            Vec::with_capacity(BYTES_PER_PREDICTION * (self.predictions.len() + 1));
        match serde_json::to_writer(&mut body, &self) {
            Ok(()) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => error_response(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

fn error_response(status: StatusCode, error: String) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

async fn forecast_records<S: AsRef<str>>(
    function: &Predict,
    records: &[Record<S>],
) -> Result<Reply, Error> {
    let state = function.serving_state().await?;
    let mut rows = Vec::with_capacity(records.len());
    let mut predictions = Vec::with_capacity(records.len());
    let mut hours = HashMap::new();
    for (position, record) in records.iter().enumerate() {
        let text: &str = record.date_et_heure_de_comptage.as_ref();
        let row = state.counter(record).and_then(|counter| {
            let hour = hours.entry(text).or_insert_with(|| state.hour(text));
            hour.clone().map(|hour| FrameRow { counter, hour })
        });
        predictions.push(match row {
            Ok(row) => {
                rows.push((position, row));
                None
            }
            Err(error) => Some(Prediction::Error { error }),
        });
    }
    state.forecast(rows, |position, row| {
        predictions[position] = Some(Prediction::Published(row));
    })?;
    Ok(Reply {
        model_version: state.model_version(),
        predictions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that cannot be read in this way is read by axum, so responses do not show it.
    #[test]
    fn texts_without_escapes_are_borrowed_and_others_owned() {
        let body = br#"{"records":[{
            "nom_du_compteur": "Caf\u00e9",
            "identifiant_du_compteur": null,
            "date_et_heure_de_comptage": "2021-07-20"
        }]}"#;
        let request: Request<Text<'_>> = serde_json::from_slice(body).unwrap();
        let record = request.records.into_iter().next().unwrap();
        let Record {
            nom_du_compteur: Some(Text(Cow::Owned(name))),
            identifiant_du_compteur: None,
            date_et_heure_de_comptage: Text(Cow::Borrowed(hour)),
        } = record
        else {
            panic!("a text is owned or borrowed unexpectedly");
        };
        assert_eq!((name.as_str(), hour), ("Café", "2021-07-20"));
    }
}
