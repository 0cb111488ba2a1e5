//! A client for Opendatasoft's Explore API v2.1.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use forecasting::time::Day;
use reqwest::{StatusCode, Url};
use shared::open_data::{OpenData, OpenDataError};

/// The id of the dataset of hourly counts.
pub const DATASET: &str = "comptage-velo-donnees-compteurs";

const FIELDS: &str = "id_compteur,nom_compteur,sum_counts,date,coordinates";
/// A day of 100 counters is about 500 kB.
const MAXIMUM_REPLY_BYTES: usize = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the path of the JSON export. Unlike `records`, an export has no row limit.
pub fn export_path() -> String {
    format!("/api/explore/v2.1/catalog/datasets/{DATASET}/exports/json")
}

/// A client for the service at a base URL, for example `https://opendata.paris.fr`. A path of the
/// URL, as of a proxy, precedes the path of each request.
#[derive(Clone, Debug)]
pub struct ExploreClient {
    http: reqwest::Client,
    base: Url,
}

impl ExploreClient {
    /// Creates a client.
    ///
    /// Requests time out after two minutes. A failed request is not retried here; the next delivery
    /// retries it.
    pub fn new(base: Url) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        Self {
            http: http.unwrap_or_default(),
            base,
        }
    }

    /// Returns the URL of the hours from local midnight to local midnight, in UTC to avoid
    /// ambiguity at clock changes.
    fn url(&self, day: Day) -> Url {
        let (from, to) = (day.first_hour(), day.plus(1).first_hour());
        let (mut url, path) = (self.base.clone(), export_path());
        // The service may be reached below a path of a proxy. Only URLs that cannot be a base, such
        // as `mailto:`, have no path segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(path.trim_start_matches('/').split('/'));
        }
        url.query_pairs_mut()
            .append_pair(
                "where",
                &format!("date >= date'{from}' and date < date'{to}'"),
            )
            .append_pair("select", FIELDS)
            .append_pair("order_by", "date,nom_compteur")
            .append_pair("timezone", "UTC");
        url
    }
}

#[async_trait]
impl OpenData for ExploreClient {
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError> {
        let url = self.url(day);
        let unavailable = |source: reqwest::Error| OpenDataError::Unavailable {
            url: url.to_string(),
            source: source.without_url().into(),
        };
        let mut response = self
            .http
            .get(url.clone())
            .send()
            .await
            .map_err(unavailable)?;
        let status = response.status();
        if is_transient(status) {
            let source = format!("the service responded with {status}").into();
            return Err(OpenDataError::Unavailable {
                url: url.to_string(),
                source,
            });
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > MAXIMUM_REPLY_BYTES {
                return Err(OpenDataError::TooLarge {
                    url: url.to_string(),
                    limit_bytes: MAXIMUM_REPLY_BYTES,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let answer = String::from_utf8_lossy(&body).chars().take(300).collect();
            return Err(OpenDataError::Refused {
                url: url.to_string(),
                status: status.as_u16(),
                answer,
            });
        }
        Ok(body.freeze())
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_spans_local_midnight_to_local_midnight() {
        let client = ExploreClient::new("https://opendata.paris.fr".parse().unwrap());
        let url = client.url("2021-03-28".parse().unwrap());
        let query: Vec<_> = url
            .query_pairs()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            query[0],
            "where=date >= date'2021-03-27T23:00:00Z' and date < date'2021-03-28T22:00:00Z'"
        );
        assert_eq!(
            url.path(),
            "/api/explore/v2.1/catalog/datasets/comptage-velo-donnees-compteurs/exports/json"
        );
    }

    #[test]
    fn path_of_the_base_url_is_kept() {
        for (base, expected) in [
            ("http://127.0.0.1:18911/mirror/paris", "/mirror/paris"),
            ("http://127.0.0.1:18911/mirror/paris/", "/mirror/paris"),
            ("http://127.0.0.1:18911/", ""),
        ] {
            let url = ExploreClient::new(base.parse().unwrap()).url("2021-07-19".parse().unwrap());
            assert_eq!(url.path(), format!("{expected}{}", export_path()), "{base}");
        }
    }

    #[test]
    fn only_server_errors_429_and_408_are_transient() {
        let codes = [
            (500, true),
            (503, true),
            (429, true),
            (408, true),
            (400, false),
            (404, false),
            (200, false),
        ];
        for (code, expected) in codes {
            assert_eq!(
                is_transient(StatusCode::from_u16(code).unwrap()),
                expected,
                "{code}"
            );
        }
    }
}
