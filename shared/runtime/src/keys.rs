//! The public keys of whoever issues tokens, fetched when one is needed and kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet},
};
use reqwest::{Client, Url};
use tokio::sync::{Mutex, OnceCell};

use super::Error;

/// How long keys are kept. Issuers publish a key long before they sign with it and withdraw it long after.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long not to ask again after an answer or a failure, whatever is needed: key ids are invented easily.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// A set of keys behind an address.
pub(super) struct Keys {
    url: Url,
    /// Made when it is needed first: where no token is asked for, it never is. A connection that is stale when the next set
    /// is due is not used again.
    http: OnceCell<Client>,
    known: RwLock<Known>,
    turn: Mutex<()>,
}

/// Why there is no key of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer does not publish it.
    Unknown,
    /// The issuer could not be asked; the log says why.
    Unavailable,
}

impl Keys {
    pub(super) fn at(url: Url) -> Self {
        Self {
            url,
            http: OnceCell::new(),
            known: RwLock::default(),
            turn: Mutex::default(),
        }
    }

    /// Returns the key of an id. If it is not known, one delivery at a time asks the issuer; those whose keys are known
    /// do not wait for it.
    pub(super) async fn get(&self, id: &str, now: Timestamp) -> Result<Arc<DecodingKey>, NoKey> {
        if let Some(answer) = self.look_up(id, now) {
            return answer;
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have fetched it.
        if let Some(answer) = self.look_up(id, now) {
            return answer;
        }
        let fetched = self.fetch().await;
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .learn(fetched, now);
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
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .look_up(id, now)
    }
}

/// What the issuer has answered.
#[derive(Default)]
struct Known {
    keys: BTreeMap<String, Arc<DecodingKey>>,
    /// When these keys were fetched.
    fetched: Option<Timestamp>,
    /// When the issuer could not be asked, if that was later.
    failed: Option<Timestamp>,
}

impl Known {
    /// Returns `None` if the issuer has to be asked.
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
        if is_within(self.failed, PAUSE) {
            return Some(Err(NoKey::Unavailable));
        }
        is_within(self.fetched, PAUSE).then_some(Err(NoKey::Unknown))
    }

    fn learn(&mut self, fetched: Result<JwkSet, Error>, now: Timestamp) {
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
                tracing::warn!(error = %error.chain(), "cannot fetch the keys that tokens are signed with");
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
    async fn one_client_fetches_all_sets_of_keys() {
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
            let now = start + PAUSE * (2 * number);
            assert_eq!(keys.get("unknown", now).await.err(), Some(NoKey::Unknown));
            // The connection is free again a moment after the answer has been read.
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
