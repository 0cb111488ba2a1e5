use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::header::{AUTHORIZATION, LOCATION},
    response::IntoResponse,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::{
    http_error::chain,
    id_token::tests::{ACCOUNT, scripted, token},
    mlflow::{MlflowError, api::Api},
};

/// The response of Cloud Run to a caller without `roles/run.invoker`.
const FORBIDDEN: &str = "<html><title>403 Forbidden</title>Your client does not have permission to get URL / from this server.</html>";

/// A server that records the header `Authorization` of each request.
struct Server {
    url: Url,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server. `respond` receives the header.
    async fn start<R: IntoResponse>(
        respond: impl Fn(&str) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let handle = async move |request: Request| {
            let header = request.headers().get(AUTHORIZATION);
            let header = header
                .map_or("", |value| value.to_str().unwrap())
                .to_owned();
            recorded.lock().push(header.clone());
            respond(&header).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await });
        Self {
            url: url.parse().unwrap(),
            seen,
        }
    }

    /// Sends a call that is not idempotent.
    async fn call(&self, login: Login) -> Result<(), MlflowError> {
        let api = Api::new(&self.url, login).unwrap();
        let wire::Nothing {} = api.post_once("mlflow/runs/create", &json!({})).await?;
        Ok(())
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }
}

fn login(url: &str, mlflow_login: MlflowLogin) -> Result<Login, PlainHttp> {
    let cloud = CloudSettings {
        mlflow_login,
        ..CloudSettings::default()
    };
    Login::new(&url.parse().unwrap(), &cloud)
}

#[test]
fn id_tokens_are_detected_for_cloud_run_only() {
    for url in [
        "https://mlflow-abc123-ew.a.run.app",
        "https://mlflow-123456789012.europe-west1.run.app/",
    ] {
        let detected = login(url, MlflowLogin::Detected).unwrap();
        assert!(matches!(detected, Login::IdToken(_)), "{url}");
        let off = login(url, MlflowLogin::None).unwrap();
        assert!(matches!(off, Login::None), "{url}");
    }
    for url in [
        "https://mlflow.example",
        "https://run.app",
        "https://mlflow.run.app.example",
        "https://zoe:geheim@mlflow-abc123-ew.a.run.app",
        "http://mlflow-abc123-ew.a.run.app",
        "http://127.0.0.1:5000",
        "http://localhost:5000",
    ] {
        let detected = login(url, MlflowLogin::Detected).unwrap();
        assert!(matches!(detected, Login::None), "{url}");
    }
}

#[test]
fn tokens_over_plain_http_stay_on_this_machine() {
    let logins = || [MlflowLogin::IdToken, MlflowLogin::Token("geheim".into())];
    for url in [
        "http://mlflow.example",
        "http://10.8.0.2:8080",
        "http://0.0.0.0",
    ] {
        for mlflow_login in logins() {
            let error = login(url, mlflow_login).err().unwrap().to_string();
            assert!(error.contains("use https"), "{url}: {error}");
        }
    }
    for url in [
        "https://mlflow.example",
        "http://127.0.0.1:5000",
        "http://[::1]:5000",
        "http://localhost",
    ] {
        for mlflow_login in logins() {
            assert!(login(url, mlflow_login).is_ok(), "{url}");
        }
    }
}

/// A token can expire while the machine is suspended.
#[tokio::test]
async fn rejected_id_token_is_renewed_once() {
    let bearer = |number| format!("Bearer {}", token(number));
    let accepted = bearer(2);
    let server = Server::start(move |header| {
        if header == accepted {
            (StatusCode::OK, "{}")
        } else {
            (StatusCode::UNAUTHORIZED, "")
        }
    })
    .await;
    let tokens = scripted([1, 2].map(|number| Ok(token(number))));
    server.call(Login::IdToken(tokens)).await.unwrap();
    assert_eq!(server.seen(), [bearer(1), bearer(2)]);

    let never = scripted([3, 4, 5].map(|number| Ok(token(number))));
    let error = server.call(Login::IdToken(never)).await.unwrap_err();
    assert!(matches!(error, MlflowError::Denied { .. }), "{error:?}");
    assert_eq!(server.seen()[2..], [bearer(3), bearer(4)]);
}

#[tokio::test]
async fn redirect_is_not_followed_with_a_token() {
    let other = Server::start(|_| "{}").await;
    let target = other.url.to_string();
    let server =
        Server::start(move |_| (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, target.clone())]))
            .await;
    for login in [
        Login::IdToken(scripted([Ok(token(1))])),
        Login::Token(token(1).into()),
        Login::Password {
            user: "zoe".to_owned(),
            password: "geheim".into(),
        },
    ] {
        let error = server.call(login).await.unwrap_err();
        assert!(chain(&error).contains("307"), "{}", chain(&error));
    }
    assert_eq!((server.seen().len(), other.seen().len()), (3, 0));
}

#[tokio::test]
async fn refused_account_is_named_without_its_token() {
    let server = Server::start(|_| (StatusCode::FORBIDDEN, FORBIDDEN)).await;
    for login in [
        Login::IdToken(scripted([Ok(token(1))])),
        Login::Token(token(1).into()),
    ] {
        let error = server.call(login).await.unwrap_err();
        assert!(!error.is_retryable());
        let text = chain(&error);
        for part in [
            "refused (403)",
            "roles/run.invoker",
            ACCOUNT,
            server.url.as_str(),
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        assert!(
            !format!("{text} {error:?}").contains(&token(1)),
            "{error:?}"
        );
    }
    assert_eq!(server.seen().len(), 2, "a refusal is not retried");
}

#[tokio::test]
async fn rejected_token_of_a_person_names_the_command_for_another() {
    let server = Server::start(|_| StatusCode::UNAUTHORIZED).await;
    let error = server
        .call(Login::Token("geheim".into()))
        .await
        .unwrap_err();
    let text = chain(&error);
    assert!(text.contains("refused (401)"), "{text}");
    assert!(
        text.contains("$(gcloud auth print-identity-token)"),
        "{text}"
    );
    assert!(!text.contains("geheim"), "{text}");
    assert_eq!(server.seen(), ["Bearer geheim"]);
}

#[tokio::test]
async fn refusal_of_mlflow_itself_has_no_remedy() {
    let body = r#"{"error_code":"PERMISSION_DENIED","message":"Permission denied"}"#;
    let server = Server::start(move |_| (StatusCode::FORBIDDEN, body)).await;
    let login = Login::IdToken(scripted([Ok(token(1))]));
    let error = server.call(login).await.unwrap_err();
    assert!(error.is("PERMISSION_DENIED"), "{error:?}");
}
