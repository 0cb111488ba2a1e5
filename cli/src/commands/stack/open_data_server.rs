//! Serves a file of counts in the format of the open data API, so that the local stack uses the
//! production client.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use forecasting::{
    counts::{Counts, parse_hour},
    time::Hour,
};
use google_cloud::export_path;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::task::JoinSet;

/// A server of counts on 127.0.0.1. Dropping it stops the server.
pub struct OpenDataServer {
    base: reqwest::Url,
    _server: JoinSet<()>,
}

impl OpenDataServer {
    /// Starts a server of counts. It omits hours that are not over by `clock`.
    ///
    /// # Errors
    /// Returns an error if no port is free.
    pub async fn start(counts: Counts, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let published = Arc::new(Published { counts, clock });
        let router = Router::new()
            .route(&export_path(), get(export))
            .with_state(published);
        let mut server = JoinSet::new();
        let address: SocketAddr = super::serve(&mut server, router).await?;
        let base = format!("http://{address}")
            .parse()
            .context("cannot build the URL of the local open data server")?;
        Ok(Self {
            base,
            _server: server,
        })
    }

    /// Returns the base URL for a client.
    pub fn base(&self) -> &reqwest::Url {
        &self.base
    }
}

struct Published {
    counts: Counts,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Export {
    #[serde(rename = "where")]
    condition: String,
}

async fn export(State(published): State<Arc<Published>>, Query(query): Query<Export>) -> Response {
    let Some((from, to)) = read_condition(&query.condition) else {
        let error = json!({ "error_code": "ODSQLError", "message": format!("cannot parse `{}`", query.condition) });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let to = to.min(Hour::containing(published.clock.now()));
    Json(records(&published.counts, from, to)).into_response()
}

/// Parses the condition that the client uses: `date >= date'FROM' and date < date'TO'`. Returns
/// `None` for any other condition.
fn read_condition(condition: &str) -> Option<(Hour, Hour)> {
    let (from, to) = condition
        .strip_prefix("date >= date'")?
        .split_once("' and date < date'")?;
    Some((
        parse_hour(from).ok()?,
        parse_hour(to.strip_suffix('\'')?).ok()?,
    ))
}

fn records(counts: &Counts, from: Hour, to: Hour) -> Vec<Value> {
    // The rows are sorted by hour.
    let first = counts.rows().partition_point(|row| row.hour < from);
    let rows = counts.rows()[first..]
        .iter()
        .take_while(|row| row.hour < to);
    let record = |row: &forecasting::counts::Count| {
        let counter = counts.counter(row.counter);
        let coordinates = counter
            .coordinates
            .map(|point| json!({ "lon": point.longitude, "lat": point.latitude }));
        json!({
            "id_compteur": counter.id,
            "nom_compteur": counter.name,
            "sum_counts": row.count,
            "date": row.hour.timestamp().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
            "coordinates": coordinates,
        })
    };
    rows.map(record).collect()
}

#[cfg(test)]
mod tests {
    use forecasting::{
        counts::{Coordinates, Counter},
        time::Day,
    };
    use google_cloud::ExploreClient;
    use shared::{
        clock::SimulatedClock,
        open_data::{OpenData, OpenDataError, parse_response},
    };

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn counts() -> Counts {
        let mut counts = Counts::default();
        let coordinates = Coordinates::new(48.85, 2.35);
        let quai = counts.intern(Counter {
            id: Some("7".to_owned()),
            name: "Quai".to_owned(),
            coordinates,
        });
        day("2021-07-18")
            .through(day("2021-07-20"))
            .flat_map(Day::hours)
            .for_each(|hour| counts.push(quai, hour, 3));
        counts
    }

    #[tokio::test]
    async fn production_client_reads_only_past_hours() {
        let counts = counts();
        let clock = SimulatedClock::new(day("2021-07-20").at(6));
        let server = OpenDataServer::start(counts.clone(), Arc::new(clock))
            .await
            .unwrap();
        let client = ExploreClient::new(server.base().clone());
        let mut rejects = Vec::new();
        let mut fetch = async |text: &str| {
            let reply = client.day(day(text)).await.unwrap();
            let response = parse_response(&reply, day(text), &mut rejects);
            response.unwrap().counts
        };
        let read = fetch("2021-07-19").await;
        assert_eq!(
            (read.rows(), read.counters()),
            (
                counts.days(day("2021-07-19"), day("2021-07-19")).rows(),
                counts.counters()
            )
        );
        let today = fetch("2021-07-20").await;
        assert_eq!(today.len(), 6, "only the six past hours are served");
        assert!(rejects.is_empty());
    }

    #[tokio::test]
    async fn unreachable_service_is_unavailable_and_unknown_condition_is_rejected() {
        let unreachable = ExploreClient::new("http://127.0.0.1:1".parse().unwrap());
        assert!(matches!(
            unreachable.day(day("2021-07-19")).await,
            Err(OpenDataError::Unavailable { .. })
        ));
        assert_eq!(read_condition("date > yesterday"), None);
    }
}
