//! A cache of the issuer's public keys, fetched on demand.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet},
};
use parking_lot::RwLock;
use reqwest::{Client, Url};
use tokio::sync::{Mutex, OnceCell};

use super::Error;

/// The lifetime of cached keys. Issuers publish a key long before its first use and withdraw it
/// long after its last.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The minimum interval between two fetches, successful or not. It bounds the load that made-up key
/// ids can cause.
const MIN_FETCH_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// The key set at a URL.
pub(super) struct Keys {
    url: Url,
    /// The HTTP client, created on first use because it is not needed when authentication is off.
    /// Reuses connections between fetches.
    http: OnceCell<Client>,
    known: RwLock<Known>,
    fetching: Mutex<()>,
}

/// The reason why a key is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer does not publish it.
    Unknown,
    /// The keys could not be fetched; the log has the cause.
    Unavailable,
}

impl Keys {
    pub(super) fn at(url: Url) -> Self {
        Self {
            url,
            http: OnceCell::new(),
            known: RwLock::default(),
            fetching: Mutex::default(),
        }
    }

    /// Returns the key with this id.
    ///
    /// If the key is not cached, one delivery at a time fetches the key set. Deliveries whose keys
    /// are cached do not wait.
    pub(super) async fn get(&self, id: &str, now: Timestamp) -> Result<Arc<DecodingKey>, NoKey> {
        if let Some(answer) = self.look_up(id, now) {
            return answer;
        }
        let _guard = self.fetching.lock().await;
        // The previous holder of the mutex may have fetched the key.
        if let Some(answer) = self.look_up(id, now) {
            return answer;
        }
        let fetched = self.fetch().await;
        self.known.write().update(fetched, now);
        self.look_up(id, now).unwrap_or(Err(NoKey::Unavailable))
    }

    async fn fetch(&self) -> Result<JwkSet, Error> {
        let attempt = || Error::transient(format!("cannot fetch {}", self.url));
        let http = self
            .http
            .get_or_try_init(|| async { google_cloud::http_client() })
            .await;
        let request = http
            .map_err(|error| attempt().caused_by(error))?
            .get(self.url.clone());
        let response = google_cloud::send(request)
            .await
            .map_err(|error| attempt().caused_by(error))?;
        response
            .json()
            .await
            .map_err(|error| attempt().caused_by(error))
    }

    fn look_up(&self, id: &str, now: Timestamp) -> Option<Result<Arc<DecodingKey>, NoKey>> {
        self.known.read().look_up(id, now)
    }
}

/// The cached keys and the times of the last fetches.
#[derive(Default)]
struct Known {
    keys: BTreeMap<String, Arc<DecodingKey>>,
    /// The time of the last successful fetch.
    fetched: Option<Timestamp>,
    /// The time of the last failed fetch, if it is later than `fetched`.
    failed: Option<Timestamp>,
}

impl Known {
    /// Returns the cached result, or `None` if the keys must be fetched.
    fn look_up(&self, id: &str, now: Timestamp) -> Option<Result<Arc<DecodingKey>, NoKey>> {
        let is_within = |time: Option<Timestamp>, span| {
            time.is_some_and(|time| now.duration_since(time) < span)
        };
        let key = self
            .keys
            .get(id)
            .filter(|_| is_within(self.fetched, LIFETIME));
        if let Some(key) = key {
            return Some(Ok(Arc::clone(key)));
        }
        if is_within(self.failed, MIN_FETCH_INTERVAL) {
            return Some(Err(NoKey::Unavailable));
        }
        is_within(self.fetched, MIN_FETCH_INTERVAL).then_some(Err(NoKey::Unknown))
    }

    fn update(&mut self, fetched: Result<JwkSet, Error>, now: Timestamp) {
        match fetched {
            Ok(set) => {
                let keys = set.keys.iter().filter_map(|key| {
                    let is_rsa = matches!(key.algorithm, AlgorithmParameters::RSA(_));
                    let decoding = DecodingKey::from_jwk(key).ok().filter(|_| is_rsa)?;
                    Some((key.common.key_id.clone()?, Arc::new(decoding)))
                });
                *self = Self {
                    keys: keys.collect(),
                    fetched: Some(now),
                    failed: None,
                };
            }
            Err(error) => {
                tracing::warn!(error = %error.chain(), "cannot fetch public keys");
                self.failed = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use axum::{Router, routing::get, serve::ListenerExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn fetches_reuse_one_connection() {
        let (connections, fetches) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (connected, fetched) = (Arc::clone(&connections), Arc::clone(&fetches));
        let answer = get(move || async move {
            fetched.fetch_add(1, Ordering::SeqCst);
            r#"{"keys":[]}"#
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys = Keys::at(
            format!("http://{}/", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
        );
        let listener = listener.tap_io(move |_| {
            connected.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", answer)).await });
        let start: Timestamp = "2021-08-02T05:00:00Z".parse().unwrap();
        for number in 0..3 {
            let now = start + MIN_FETCH_INTERVAL * (2 * number);
            assert_eq!(keys.get("unknown", now).await.err(), Some(NoKey::Unknown));
            // The connection returns to the pool shortly after the response is read.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            (
                fetches.load(Ordering::SeqCst),
                connections.load(Ordering::SeqCst)
            ),
            (3, 1)
        );
    }
}
