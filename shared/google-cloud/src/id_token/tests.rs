use std::collections::VecDeque;

use google_cloud_auth::credentials::idtoken::IDTokenCredentialsProvider;
use serde_json::json;

use super::*;

/// The account of [`token`].
pub(crate) const ACCOUNT: &str = "fn-predict@a-project.iam.gserviceaccount.com";

/// Credentials whose every token has one outcome.
#[derive(Debug)]
struct Scripted(Result<String, CredentialsError>);

impl IDTokenCredentialsProvider for Scripted {
    async fn id_token(&self) -> Result<String, CredentialsError> {
        self.0.clone()
    }
}

/// Returns tokens of credentials with the given outcomes. Each is that of the credentials until the
/// next error, and the last one that of all later credentials.
pub(crate) fn scripted<const N: usize>(
    outcomes: [Result<String, CredentialsError>; N],
) -> IdTokens {
    let outcomes = Mutex::new(VecDeque::from(outcomes));
    IdTokens::created_by("https://mlflow.example", move || {
        let mut outcomes = outcomes.lock();
        let outcome = outcomes.pop_front().unwrap();
        if outcomes.is_empty() {
            outcomes.push_back(outcome.clone());
        }
        Ok(Scripted(outcome).into())
    })
}

/// Returns a token of [`ACCOUNT`] with a number.
pub(crate) fn token(number: u32) -> String {
    let claims = json!({ "email": ACCOUNT, "number": number });
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("header.{payload}.signature")
}

async fn fetch(tokens: &IdTokens) -> Result<String, IdTokenError> {
    let token = tokens.token().await?;
    Ok(token.expose_secret().to_owned())
}

#[tokio::test]
async fn discarded_token_is_replaced() {
    let tokens = scripted([1, 2].map(|number| Ok(token(number))));
    for _ in 0..2 {
        assert_eq!(fetch(&tokens).await.unwrap(), token(1));
    }
    tokens.discard();
    assert_eq!(fetch(&tokens).await.unwrap(), token(2));
}

/// A permission may be granted while the process runs.
#[tokio::test]
async fn permanent_error_does_not_last() {
    let denied = CredentialsError::from_msg(false, "permission denied");
    let tokens = scripted([Err(denied), Ok(token(1))]);
    let error = fetch(&tokens).await.unwrap_err();
    assert!(
        matches!(error, IdTokenError::NotFetched { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert_eq!(fetch(&tokens).await.unwrap(), token(1));
}

#[tokio::test]
async fn transient_error_is_retried() {
    let unavailable = CredentialsError::from_msg(true, "unavailable");
    let tokens = scripted([Err(unavailable), Ok(token(1))]);
    assert_eq!(fetch(&tokens).await.unwrap(), token(1));
}

#[tokio::test]
async fn invalid_credentials_are_a_permanent_error() {
    let tokens = IdTokens::created_by("https://mlflow.example", || {
        idtoken::impersonated::Builder::new("https://mlflow.example", json!({})).build()
    });
    let error = fetch(&tokens).await.unwrap_err();
    assert!(
        matches!(error, IdTokenError::NotCreated { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn account_is_read_from_the_token() {
    let account = |text: &str| account_of(&text.to_owned().into());
    assert_eq!(account(&token(1)).as_deref(), Some(ACCOUNT));
    for text in ["", "a-text", "a.b.c", "a.e30.c"] {
        assert_eq!(account(text), None, "{text}");
    }
}
