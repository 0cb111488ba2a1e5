//! Authentication of deliveries: tokens in the format of Google's push tokens, from a test issuer.

mod cloud_run;
mod issuer;

use std::sync::Arc;

use axum::http::StatusCode;
use jiff::SignedDuration;
use reqwest::Url;
use runtime::{PushAuthentication, ServiceSettings};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;

use self::issuer::{Issuer, Key, encode};
use super::{DAYS, Service, wrapped};

const AUDIENCE: &str = "https://ingest.example/";
const EMAIL: &str = "push@a-project.iam.gserviceaccount.com";

#[tokio::test]
async fn push_with_valid_token_is_handled() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    for issuer_name in ["https://accounts.google.com", "accounts.google.com"] {
        let token = issuer
            .key
            .sign(&with(&claims(&service), "iss", issuer_name));
        assert_eq!(
            push(&service, &token).await,
            StatusCode::NO_CONTENT,
            "{issuer_name}"
        );
    }
    service.assert_handled(2).await;
}

/// Returns tokens with claims that must be rejected, each with its fault.
fn tokens_with_invalid_claims(key: &Key, good: &Value, now: i64) -> Vec<(&'static str, String)> {
    vec![
        (
            "another audience",
            key.sign(&with(good, "aud", "https://predict.example/")),
        ),
        (
            "the audience without its slash",
            key.sign(&with(good, "aud", "https://ingest.example")),
        ),
        ("no audience", key.sign(&without(good, "aud"))),
        (
            "another account",
            key.sign(&with(
                good,
                "email",
                "else@a-project.iam.gserviceaccount.com",
            )),
        ),
        ("no account", key.sign(&without(good, "email"))),
        (
            "an address that is not verified",
            key.sign(&with(good, "email_verified", false)),
        ),
        (
            "an address without email_verified",
            key.sign(&without(good, "email_verified")),
        ),
        ("expired", key.sign(&with(good, "exp", now - 11))),
        ("not valid yet", key.sign(&with(good, "nbf", now + 11))),
        ("valid from a text", key.sign(&with(good, "nbf", "soon"))),
        ("never expires", key.sign(&without(good, "exp"))),
        (
            "another issuer",
            key.sign(&with(good, "iss", "https://accounts.example")),
        ),
        ("no issuer", key.sign(&without(good, "iss"))),
    ]
}

/// Returns texts that are no token, and tokens with signatures that must be rejected, each with its
/// fault.
fn tokens_with_invalid_signatures(key: &Key, good: &Value) -> Vec<(&'static str, String)> {
    let signed = key.sign(good);
    let [header, payload, signature] = parts(&signed);
    let forged = encode(&with(
        good,
        "email",
        "else@a-project.iam.gserviceaccount.com",
    ));
    vec![
        ("no token", String::new()),
        ("garbage", "garbage".to_owned()),
        ("garbage in three parts", "a.b.c".to_owned()),
        (
            "a different key with the same id",
            Key::named(&key.id).sign(good),
        ),
        (
            "a key that is not published",
            Key::named("other").sign(good),
        ),
        (
            "no key named",
            key.sign_with_header(&json!({ "alg": "RS256" }), good),
        ),
        (
            "claims changed after signing",
            [header, &forged, signature].join("."),
        ),
        ("no signature", format!("{header}.{payload}.")),
        (
            "the signature that Cloud Run removed",
            format!("{header}.{payload}.SIGNATURE_REMOVED_BY_GOOGLE"),
        ),
        (
            "algorithm none",
            format!(
                "{}.{payload}.",
                encode(&json!({ "alg": "none", "kid": key.id }))
            ),
        ),
        (
            "the public key as the secret of HS256",
            key.sign_with_secret(&key.public_der(), good),
        ),
        (
            "the modulus as the secret of HS256",
            key.sign_with_secret(&key.modulus(), good),
        ),
    ]
}

#[tokio::test]
async fn invalid_tokens_are_rejected_without_effect() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    let (good, now) = (claims(&service), service.clock.now().as_second());
    let mut cases = tokens_with_invalid_claims(&issuer.key, &good, now);
    cases.extend(tokens_with_invalid_signatures(&issuer.key, &good));
    let mut accepted = Vec::new();
    for (case, token) in cases {
        let status = push(&service, &token).await;
        accepted.extend((status != StatusCode::UNAUTHORIZED).then_some((case, status)));
    }
    assert_eq!(accepted, [], "tokens not rejected");
    assert_eq!(
        service
            .post(
                wrapped(DAYS).to_string(),
                &[("authorization", "Basic dTpw")]
            )
            .await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(service.push("no event").await, StatusCode::UNAUTHORIZED);
    assert_untouched(&service).await;
}

#[tokio::test]
async fn expired_token_is_accepted_within_the_leeway() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    let expired_for = |seconds: i64| {
        with(
            &claims(&service),
            "exp",
            service.clock.now().as_second() - seconds,
        )
    };
    assert_eq!(
        push(&service, &issuer.key.sign(&expired_for(11))).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        push(&service, &issuer.key.sign(&expired_for(10))).await,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn token_is_accepted_shortly_before_it_is_valid() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    let begin = service.clock.now().as_second() + 10;
    let token = issuer.key.sign(&with(&claims(&service), "nbf", begin));
    assert_eq!(push(&service, &token).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn routes_of_the_handler_need_a_token() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    assert_eq!(service.get("/runs").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(service.get("/elsewhere").await.0, StatusCode::NOT_FOUND);
    let request = service
        .http
        .get(service.url("/runs"))
        .bearer_auth(issuer.key.sign(&claims(&service)));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn health_endpoints_need_no_token() {
    let service = service(&Issuer::start().await.keys_url).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(service.get(path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_concurrent_deliveries() {
    let issuer = Issuer::start().await;
    let service = Arc::new(service(&issuer.keys_url).await);
    let token = issuer.key.sign(&claims(&service));
    let mut pushes = tokio::task::JoinSet::new();
    for day in 1..=20 {
        let (service, bearer) = (Arc::clone(&service), format!("Bearer {token}"));
        let body = wrapped(format!(
            r#"{{"type":"ingest-requested","from":"2021-06-{day:02}"}}"#
        ))
        .to_string();
        pushes.spawn(async move { service.post(body, &[("authorization", &bearer)]).await });
    }
    assert_eq!(pushes.join_all().await, [StatusCode::NO_CONTENT; 20]);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn new_key_is_fetched_but_not_for_every_unknown_id() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::NO_CONTENT
    );
    for number in 0..20 {
        let header = json!({ "alg": "RS256", "kid": format!("invented-{number}") });
        let token = issuer.key.sign_with_header(&header, &claims(&service));
        assert_eq!(push(&service, &token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(issuer.fetches(), 1);

    let new = Key::named("new");
    issuer.publish(&[&issuer.key, &new]);
    pass(&service, 11);
    assert_eq!(
        push(&service, &new.sign(&claims(&service))).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn withdrawn_key_is_rejected() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::NO_CONTENT
    );
    issuer.publish(&[&Key::named("new")]);
    pass(&service, 3_600);
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn deliveries_are_retried_while_keys_cannot_be_fetched() {
    let issuer = Issuer::start().await;
    let service = service(&issuer.keys_url).await;
    issuer.fail();
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let fetches = issuer.fetches();
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        issuer.fetches(),
        fetches,
        "the keys were fetched again at once"
    );
    assert_untouched(&service).await;

    issuer.publish(&[&issuer.key]);
    pass(&service, 11);
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::NO_CONTENT
    );
    issuer.fail();
    pass(&service, 11);
    assert_eq!(
        push(&service, &issuer.key.sign(&claims(&service))).await,
        StatusCode::NO_CONTENT,
        "the cached key is still valid"
    );
    service.assert_handled(2).await;
}

#[tokio::test]
async fn deliveries_are_retried_while_the_key_server_is_down() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let service = service(&format!("http://{closed}/keys").parse().unwrap()).await;
    let token = Key::named("some").sign(&claims(&service));
    assert_eq!(
        push(&service, &token).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_untouched(&service).await;
}

async fn service(keys: &Url) -> Service {
    let push = PushAuthentication::Required {
        audience: AUDIENCE.to_owned(),
        email: EMAIL.to_owned(),
        keys: keys.clone(),
    };
    Service::with_settings(
        &[],
        ServiceSettings {
            push,
            ..ServiceSettings::default()
        },
    )
    .await
}

/// Delivers [`DAYS`] with a token.
async fn push(service: &Service, token: &str) -> StatusCode {
    service
        .post(
            wrapped(DAYS).to_string(),
            &[("authorization", &format!("Bearer {token}"))],
        )
        .await
}

fn pass(service: &Service, seconds: i64) {
    service
        .clock
        .set(service.clock.now() + SignedDuration::from_secs(seconds));
}

/// Asserts that no delivery reached the handler, the store or the audit log.
async fn assert_untouched(service: &Service) {
    assert_eq!(service.probe.runs(), 0);
    assert!(service.ports.store.list("").await.unwrap().is_empty());
    assert!(service.audit_log().await.is_empty());
}

/// Returns the claims of a valid push token.
fn claims(service: &Service) -> Value {
    let now = service.clock.now().as_second();
    json!({
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "email": EMAIL,
        "email_verified": true,
        "exp": now + 3_600,
        "iat": now,
        "iss": "https://accounts.google.com",
        "sub": "113774264463038321964",
    })
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}
