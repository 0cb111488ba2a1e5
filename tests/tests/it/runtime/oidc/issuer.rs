//! An issuer of tokens: its keys, and the server that publishes them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use axum::{Json, Router, http::StatusCode, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A server that publishes keys. Dropping it closes the port.
pub(super) struct Issuer {
    pub(super) key: Key,
    pub(super) keys_url: Url,
    published: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Issuer {
    /// Starts an issuer with one published key.
    pub(super) async fn start() -> Self {
        let (published, fetches) = (
            Arc::new(Mutex::new(None::<Value>)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (keys, counter) = (Arc::clone(&published), Arc::clone(&fetches));
        let respond = async move || {
            counter.fetch_add(1, Ordering::SeqCst);
            keys.lock()
                .unwrap()
                .clone()
                .map(Json)
                .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys_url = format!("http://{}/keys", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = Router::new().route("/keys", get(respond));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let issuer = Self {
            key: Key::named("first"),
            keys_url,
            published,
            fetches,
            server,
        };
        issuer.publish(&[&issuer.key]);
        issuer
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.published()).collect();
        *self.published.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    /// Returns status 500 from now on.
    pub(super) fn fail(&self) {
        *self.published.lock().unwrap() = None;
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A key that signs tokens, generated for one test.
pub(super) struct Key {
    pub(super) id: String,
    pair: KeyPair,
}

impl Key {
    pub(super) fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: KeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    /// Returns the public key as a JSON Web Key (RFC 7517).
    fn published(&self) -> Value {
        let exponent = self
            .pair
            .public_key()
            .exponent()
            .big_endian_without_leading_zero();
        let [modulus, exponent] =
            [&self.modulus()[..], exponent].map(|number| BASE64_URL_SAFE_NO_PAD.encode(number));
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": modulus, "e": exponent })
    }

    pub(super) fn modulus(&self) -> Vec<u8> {
        self.pair
            .public_key()
            .modulus()
            .big_endian_without_leading_zero()
            .to_vec()
    }

    pub(super) fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// Returns a token signed with RS256 (RFC 7515 and RFC 7518).
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(
            &json!({ "alg": "RS256", "kid": self.id, "typ": "JWT" }),
            claims,
        )
    }

    pub(super) fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns a token signed with HS256 and a secret that is public, as in a key confusion attack.
    pub(super) fn sign_with_secret(&self, secret: &[u8], claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(&json!({ "alg": "HS256", "kid": self.id })),
            encode(claims)
        );
        let signature = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            message.as_bytes(),
        );
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
