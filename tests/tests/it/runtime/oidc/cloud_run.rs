//! Deliveries behind Cloud Run's check of callers, which removes the signature of each token.

use axum::http::StatusCode;
use runtime::{PushAuthentication, ServiceSettings};
use serde_json::{Value, json};

use super::{
    AUDIENCE, DAYS, EMAIL, Service, assert_untouched, claims,
    issuer::{Key, encode},
    push, with, without, wrapped,
};

/// A caller of `POST /v1/predict`, which Cloud Run admits as well.
const CALLER: &str = "city-map@another.iam.gserviceaccount.com";

#[tokio::test]
async fn push_account_is_admitted() {
    for audience in [None, Some(AUDIENCE)] {
        let service = service(audience).await;
        let token = forwarded(&claims(&service));
        assert_eq!(push(&service, &token).await, StatusCode::NO_CONTENT);
        service.assert_handled(1).await;
    }
}

#[tokio::test]
async fn other_callers_are_forbidden_without_effect() {
    let service = service(Some(AUDIENCE)).await;
    let good = claims(&service);
    let signed = Key::named("any").sign(&good);
    let unsigned = forwarded(&good);
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    let cases = [
        ("no token", String::new()),
        ("garbage", "garbage".to_owned()),
        (
            "garbage without a signature",
            "a.b.SIGNATURE_REMOVED_BY_GOOGLE".to_owned(),
        ),
        ("no payload", "SIGNATURE_REMOVED_BY_GOOGLE".to_owned()),
        ("a part too many", format!("a.{}", forwarded(&good))),
        ("claims that are a text", forwarded(&json!("text"))),
        ("another account", forwarded(&with(&good, "email", CALLER))),
        ("no account", forwarded(&without(&good, "email"))),
        (
            "an account with the name of the push account",
            forwarded(&with(&good, "email", format!("{EMAIL}.example"))),
        ),
        (
            "an address that is not verified",
            forwarded(&with(&good, "email_verified", false)),
        ),
        (
            "an address without email_verified",
            forwarded(&without(&good, "email_verified")),
        ),
        (
            "another audience",
            forwarded(&with(&good, "aud", "https://predict.example/")),
        ),
        ("no audience", forwarded(&without(&good, "aud"))),
        ("a signature that Cloud Run has not verified", signed),
        ("an empty signature", format!("{unsigned}.")),
    ];
    let mut accepted = Vec::new();
    for (case, token) in cases {
        let status = push(&service, &token).await;
        accepted.extend((status != StatusCode::FORBIDDEN).then_some((case, status)));
    }
    assert_eq!(accepted, [], "tokens not rejected");
    assert_eq!(service.push(DAYS).await, StatusCode::FORBIDDEN, "no header");
    assert_untouched(&service).await;
}

/// Cloud Run verifies the token in `X-Serverless-Authorization`, and passes `Authorization` on as
/// the caller has written it.
#[tokio::test]
async fn claims_beside_the_verified_token_are_forbidden() {
    let service = service(None).await;
    let claims = claims(&service);
    let [own, forged] = [with(&claims, "email", CALLER), claims]
        .map(|claims| format!("Bearer {}", forwarded(&claims)));
    for second in ["x-serverless-authorization", "authorization"] {
        for (first_token, second_token) in [(&forged, &own), (&own, &forged), (&forged, &forged)] {
            let headers = [
                ("authorization", first_token.as_str()),
                (second, second_token.as_str()),
            ];
            let status = service.post(wrapped(DAYS).to_string(), &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{second}");
        }
    }
    assert_untouched(&service).await;
}

#[tokio::test]
async fn routes_of_the_handler_are_open_to_callers() {
    let service = service(None).await;
    let token = forwarded(&with(&claims(&service), "email", CALLER));
    let request = service.http.get(service.url("/runs")).bearer_auth(token);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

async fn service(audience: Option<&str>) -> Service {
    let push = PushAuthentication::CloudRun {
        audience: audience.map(str::to_owned),
        email: EMAIL.to_owned(),
    };
    let settings = ServiceSettings {
        push,
        ..ServiceSettings::default()
    };
    Service::with_settings(&[], settings).await
}

/// Returns a token as Cloud Run passes it on.
fn forwarded(claims: &Value) -> String {
    let header = encode(&json!({ "alg": "RS256", "kid": "any", "typ": "JWT" }));
    format!("{header}.{}.SIGNATURE_REMOVED_BY_GOOGLE", encode(claims))
}
