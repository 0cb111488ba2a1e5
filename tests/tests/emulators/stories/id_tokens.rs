//! MLflow behind Cloud Run's check of callers: functions and people send Google ID tokens.

use std::{collections::BTreeSet, time::Duration};

use axum::http::header::AUTHORIZATION;
use reqwest::StatusCode;
use shared::event::Function;

use super::weekly::assert_week;
use crate::{
    cloud_run::MetadataServer,
    registry::proxy::Proxy,
    test_system::{Options, TestSystem},
};

/// The account that may call MLflow.
const INVOKER: &str = "fn-all@a-project.iam.gserviceaccount.com";
/// A token is fetched again ten seconds after it was issued, because google-cloud-auth does not
/// expect tokens that last for minutes only.
const LIFETIME: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn week_succeeds_with_id_tokens_that_expire() {
    let metadata = MetadataServer::start(INVOKER, LIFETIME).await;
    let proxy = Proxy::admitting(metadata.issuer(), INVOKER).await;
    let system = TestSystem::with(Options {
        mlflow: Some(proxy.url()),
        variables: metadata.variables().to_vec(),
        ..Options::default()
    })
    .await;
    assert_week(&system).await;
    let during_the_week = tokens(&proxy);
    assert!(!during_the_week.contains(""), "a call had no token");

    // All of these tokens have expired.
    tokio::time::sleep(LIFETIME + Duration::from_secs(1)).await;
    assert_ready(&system).await;
    let renewed = tokens(&proxy);
    assert!(renewed.len() > during_the_week.len(), "{renewed:?}");

    // As if the clocks of the functions had stopped while the tokens expired.
    metadata.issuer().revoke();
    assert_ready(&system).await;
    assert!(tokens(&proxy).len() > renewed.len());

    let status = system
        .command("bike-traffic")
        .args(["status", "--cloud"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&status.stderr);
    assert!(status.status.success(), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_token_or_the_role_are_refused() {
    let hour = Duration::from_secs(3_600);
    let metadata = MetadataServer::start(INVOKER, hour).await;
    let proxy = Proxy::admitting(metadata.issuer(), "someone@else.example").await;
    let system = TestSystem::with(Options {
        functions: vec![Function::Promote],
        mlflow: Some(proxy.url()),
        variables: metadata.variables().to_vec(),
        ..Options::default()
    })
    .await;
    let cases = [
        // The address is that of this machine, so that no token is sent without the setting.
        (("MLFLOW_ID_TOKEN", String::new()), vec!["401"]),
        (
            (
                "MLFLOW_TRACKING_TOKEN",
                metadata.issuer().issue("https://mlflow.example"),
            ),
            vec!["refused (401)", "gcloud auth print-identity-token"],
        ),
        (
            ("MLFLOW_ID_TOKEN", "on".to_owned()),
            vec!["refused (403)", "roles/run.invoker", INVOKER],
        ),
    ];
    for (variable, parts) in cases {
        let process = system.start_another(Function::Promote, [variable]).await;
        let (status, text) = process.readiness().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
        for part in parts {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        for token in tokens(&proxy).into_iter().filter(|token| !token.is_empty()) {
            let token = token.strip_prefix("Bearer ").unwrap();
            assert!(!text.contains(token), "{text}");
        }
    }
}

/// Asserts that every function is ready, which calls MLflow except for ingest.
async fn assert_ready(system: &TestSystem) {
    for function in Function::ALL {
        let (status, text) = system.readiness(function).await;
        assert_eq!(status, StatusCode::OK, "{function}: {text}");
    }
}

/// Returns the distinct values of `Authorization` in the calls so far.
fn tokens(proxy: &Proxy) -> BTreeSet<String> {
    let calls = proxy.calls();
    let header = |headers: &axum::http::HeaderMap| {
        let value = headers
            .get(AUTHORIZATION)
            .map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    calls.iter().map(|call| header(&call.headers)).collect()
}
