//! Cloud Run's check of callers: the metadata server that issues ID tokens, and the rules for their
//! acceptance.
//!
//! Tokens are signed with a secret that only this program knows, instead of Google's keys.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::place;

/// The path below which a metadata server issues ID tokens, see
/// <https://cloud.google.com/run/docs/securing/service-identity>.
const IDENTITY: &str = "/computeMetadata/v1/instance/service-accounts/default/identity";

/// The metadata server of one account. Dropping it closes the port.
pub(crate) struct MetadataServer {
    address: SocketAddr,
    issuer: Arc<Issuer>,
    task: JoinHandle<()>,
}

/// The issuer of the tokens.
pub(crate) struct Issuer {
    account: String,
    lifetime: Duration,
    secret: Mutex<hmac::Key>,
    issued: AtomicUsize,
}

impl MetadataServer {
    /// Starts a server whose tokens last for a time.
    pub(crate) async fn start(account: &str, lifetime: Duration) -> Self {
        let issuer = Arc::new(Issuer {
            account: account.to_owned(),
            lifetime,
            secret: Mutex::new(new_secret()),
            issued: AtomicUsize::new(0),
        });
        let state = Arc::clone(&issuer);
        let identity = get(async move |request: Request| {
            let flavor = request.headers().get("metadata-flavor");
            if flavor.is_none_or(|flavor| flavor != "Google") {
                return (StatusCode::FORBIDDEN, String::new());
            }
            let url: Url = format!("http://metadata{}", request.uri()).parse().unwrap();
            let query = |name: &str| {
                let value = url.query_pairs().find(|(key, _)| key == name);
                value.map(|(_, value)| value.into_owned())
            };
            // Without it, Cloud Run's tokens do not name the account.
            assert_eq!(query("format").as_deref(), Some("full"));
            (StatusCode::OK, state.issue(&query("audience").unwrap()))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(IDENTITY, identity);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            issuer,
            task,
        }
    }

    /// Returns the variables with which a process sends the tokens of this server. The addresses of
    /// tests are those of this machine, to which no token is sent without `MLFLOW_ID_TOKEN`.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("GCE_METADATA_HOST", self.address.to_string()),
            ("MLFLOW_ID_TOKEN", "on".to_owned()),
        ]
    }

    /// Returns the issuer.
    pub(crate) fn issuer(&self) -> Arc<Issuer> {
        Arc::clone(&self.issuer)
    }
}

impl Drop for MetadataServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Issuer {
    /// Issues a token. Each is different.
    pub(crate) fn issue(&self, audience: &str) -> String {
        let now = seconds_since_1970();
        let claims = json!({
            "aud": audience,
            "email": self.account,
            "email_verified": true,
            "exp": now + self.lifetime.as_secs(),
            "iat": now,
            "iss": "https://accounts.google.com",
            "number": self.issued.fetch_add(1, Ordering::SeqCst),
            "sub": "113774264463038321964",
        });
        let [header, payload] =
            [json!({ "alg": "HS256", "typ": "JWT" }), claims].map(|part| encode(part.to_string()));
        let message = format!("{header}.{payload}");
        let signature = hmac::sign(&self.secret.lock().unwrap(), message.as_bytes());
        format!("{message}.{}", encode(signature))
    }

    /// Makes all tokens so far invalid.
    pub(crate) fn revoke(&self) {
        *self.secret.lock().unwrap() = new_secret();
    }

    /// Returns the response of Cloud Run to a caller that it does not admit, or `None` if `invoker`
    /// calls with a valid token for this host.
    pub(crate) fn refusal(&self, headers: &HeaderMap, invoker: &str) -> Option<StatusCode> {
        let Some(claims) = self.claims(headers) else {
            return Some(StatusCode::UNAUTHORIZED);
        };
        let host = headers[header::HOST].to_str().unwrap();
        let is_valid = claims["aud"] == format!("http://{host}")
            && claims["exp"].as_u64().unwrap() >= seconds_since_1970();
        if !is_valid {
            return Some(StatusCode::UNAUTHORIZED);
        }
        (claims["email"] != invoker).then_some(StatusCode::FORBIDDEN)
    }

    /// Returns the claims of a request's token, if it is signed with the secret.
    fn claims(&self, headers: &HeaderMap) -> Option<Value> {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (message, signature) = header.strip_prefix("Bearer ")?.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let secret = self.secret.lock().unwrap();
        hmac::verify(&secret, message.as_bytes(), &signature).ok()?;
        let (_, payload) = message.split_once('.')?;
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

fn new_secret() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, place::unique("secret").as_bytes())
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn seconds_since_1970() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}
