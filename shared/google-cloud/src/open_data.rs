//! A client for Opendatasoft's Explore API v2.1.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use forecasting::time::Day;
use reqwest::{
    Response, StatusCode, Url,
    header::LOCATION,
    redirect::{Action, Attempt, Policy},
};
use shared::open_data::{OpenData, OpenDataError, shortened};

/// The id of the dataset of hourly counts.
pub const DATASET: &str = "comptage-velo-donnees-compteurs";

const FIELDS: &str = "id_compteur,nom_compteur,sum_counts,date,coordinates";
/// The limit of a reply after decompression. A day of 100 counters is about 500 kB.
const MAXIMUM_REPLY_BYTES: usize = 16 * 1024 * 1024;
/// The limit of the part of an error page that is read.
const MAXIMUM_ERROR_BYTES: usize = 4 * 1024;
/// The maximum number of characters of an error page or a location in an error.
const MAXIMUM_ERROR_CHARACTERS: usize = 300;
const MAXIMUM_REDIRECTS: usize = 5;
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
    /// Requests time out after two minutes. Redirects are followed only within the service. A
    /// failed request is not retried here; the next delivery retries it.
    pub fn new(base: Url) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::custom(redirect))
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
        let mut url = self.base.clone();
        let folder = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{folder}{}", export_path()));
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
        if let Some(location) = refused_location(&response) {
            return Err(OpenDataError::Redirected {
                url: url.to_string(),
                status: status.as_u16(),
                location,
            });
        }
        let is_success = status.is_success();
        let limit = if is_success {
            MAXIMUM_REPLY_BYTES
        } else {
            MAXIMUM_ERROR_BYTES
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() <= limit {
                body.extend_from_slice(&chunk);
                continue;
            }
            if is_success {
                return Err(OpenDataError::TooLarge {
                    url: url.to_string(),
                    limit_bytes: limit,
                });
            }
            body.extend_from_slice(&chunk[..limit - body.len()]);
            break;
        }
        if !is_success {
            return Err(OpenDataError::Refused {
                url: url.to_string(),
                status: status.as_u16(),
                answer: shortened(&String::from_utf8_lossy(&body), MAXIMUM_ERROR_CHARACTERS),
            });
        }
        Ok(body.freeze())
    }
}

/// Follows a redirect within the service. A redirect to another host remains the response.
fn redirect(attempt: Attempt<'_>) -> Action {
    let is_same = attempt
        .previous()
        .last()
        .is_some_and(|from| is_same_service(from, attempt.url()));
    if !is_same {
        attempt.stop()
    } else if attempt.previous().len() > MAXIMUM_REDIRECTS {
        attempt.error(format!(
            "the service redirected more than {MAXIMUM_REDIRECTS} times"
        ))
    } else {
        attempt.follow()
    }
}

/// Returns `true` if both URLs have the same host and port, or if one is the HTTPS version of the
/// other.
fn is_same_service(from: &Url, to: &Url) -> bool {
    let upgrades = from.scheme() == "http"
        && to.scheme() == "https"
        && from.port().is_none()
        && to.port().is_none();
    from.host_str() == to.host_str() && (from.origin() == to.origin() || upgrades)
}

/// Returns the target of a redirect that was not followed.
fn refused_location(response: &Response) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    Some(shortened(
        &String::from_utf8_lossy(location.as_bytes()),
        MAXIMUM_ERROR_CHARACTERS,
    ))
}

/// Returns `true` if a later request may get the counts. A success other than 200 is no whole
/// reply: a proxy passes on a part of it (206), or has not asked the service yet (202).
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || status.is_success() && status != StatusCode::OK
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, routing::get};
    use shared::retryability::{Classify, Retryability};
    use tokio::net::TcpListener;

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
    fn url_keeps_the_path_of_the_base() {
        for base in [
            "http://localhost/mirror/paris",
            "http://localhost/mirror/paris/",
        ] {
            let client = ExploreClient::new(base.parse().unwrap());
            let url = client.url("2021-03-28".parse().unwrap());
            assert_eq!(url.path(), format!("/mirror/paris{}", export_path()));
        }
    }

    #[test]
    fn server_errors_429_408_and_partial_replies_are_transient() {
        let codes = [
            (500, true),
            (503, true),
            (429, true),
            (408, true),
            (202, true),
            (204, true),
            (206, true),
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

    /// Serves `router` on a free port and returns its base URL.
    async fn serve(router: Router) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        base.parse().unwrap()
    }

    async fn fetch(base: Url) -> Result<Bytes, OpenDataError> {
        let day = "2021-07-19".parse().unwrap();
        ExploreClient::new(base).day(day).await
    }

    #[tokio::test]
    async fn redirect_to_another_host_is_not_followed() {
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        let inside = move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            "[]"
        };
        let other = serve(Router::new().route("/secret", get(inside))).await;
        let target = format!("{other}secret");
        for (status, retryability) in [
            (StatusCode::FOUND, Retryability::Transient),
            (StatusCode::MOVED_PERMANENTLY, Retryability::Permanent),
        ] {
            let location = target.clone();
            let moved = move || async move { (status, [(LOCATION, location)]) };
            let base = serve(Router::new().route(&export_path(), get(moved))).await;
            let error = fetch(base).await.unwrap_err();
            assert_eq!(error.retryability(), retryability, "{error}");
            assert!(error.to_string().contains(&target), "{error}");
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn redirect_within_the_service_is_followed_up_to_a_limit() {
        let moved = || async { (StatusCode::FOUND, [(LOCATION, "/here")]) };
        let router = Router::new()
            .route(&export_path(), get(moved))
            .route("/here", get(|| async { "[]" }));
        assert_eq!(fetch(serve(router).await).await.unwrap(), "[]");
        let circle = || async { (StatusCode::FOUND, [(LOCATION, export_path())]) };
        let router = Router::new().route(&export_path(), get(circle));
        let error = fetch(serve(router).await).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Transient, "{error}");
    }

    #[tokio::test]
    async fn reply_over_the_limit_and_long_error_page_are_cut() {
        let large = || async { vec![b' '; MAXIMUM_REPLY_BYTES + 1] };
        let base = serve(Router::new().route(&export_path(), get(large))).await;
        let error = fetch(base).await.unwrap_err();
        assert!(matches!(error, OpenDataError::TooLarge { .. }), "{error}");
        let page = || async { (StatusCode::NOT_FOUND, "\u{1b}x".repeat(100_000)) };
        let base = serve(Router::new().route(&export_path(), get(page))).await;
        match fetch(base).await.unwrap_err() {
            OpenDataError::Refused { status, answer, .. } => {
                assert_eq!((status, answer.len()), (404, MAXIMUM_ERROR_CHARACTERS));
                assert!(!answer.contains('\u{1b}'), "{answer}");
            }
            error => panic!("unexpected error: {error}"),
        }
    }
}
