//! Servers that are unreachable, temporarily unavailable, or require a login.

use std::{error::Error, sync::Arc};

use axum::http::header::AUTHORIZATION;
use google_cloud::{CloudSettings, MlflowLogin, MlflowRegistry};
use shared::{
    clock::SystemClock,
    registry::{Alias, Registry, RegistryError, Version},
};

use super::{
    memory, open_at,
    proxy::{Fate, Proxy},
    run,
};
use crate::place;

const SECRET: &str = "geheim";

#[tokio::test]
async fn unreachable_server_is_named_without_the_password() {
    // Only root may listen on port 1, and nothing does.
    let url = format!("http://zoe:{SECRET}@127.0.0.1:1/mlflow")
        .parse()
        .unwrap();
    let registry = open_at(&url, "model", &memory());
    let error = registry.alias(Alias::Champion).await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Unavailable {
                verb: "read an alias",
                ..
            }
        ),
        "{error:?}"
    );
    let text = format!("{} {error:?}", chain(&error));
    assert!(text.contains("http://127.0.0.1:1/mlflow"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn status_503_is_retried() {
    let fate = |number, _: &str| {
        if number < 2 {
            Fate::Rejected
        } else {
            Fate::Forwarded
        }
    };
    let proxy = Proxy::deciding(fate).await;
    let registry = open_at(&proxy.url(), &place::unique("model"), &memory());
    assert_eq!(
        registry.register(&run("the-run")).await.unwrap(),
        Version::new(1)
    );
}

#[tokio::test]
async fn credentials_are_sent_to_the_server() {
    let password = MlflowLogin::Password {
        user: "zoe".to_owned(),
        password: SECRET.into(),
    };
    let token = MlflowLogin::Token(SECRET.into());
    // `zoe:geheim` in Base64.
    let basic = "Basic em9lOmdlaGVpbQ==";
    let logins = [
        ("", password, Some(basic)),
        ("", token.clone(), Some("Bearer geheim")),
        ("", MlflowLogin::None, None),
        ("zoe", MlflowLogin::None, Some(basic)),
        ("zoe", token, Some("Bearer geheim")),
    ];
    for (user, mlflow_login, expected) in logins {
        let proxy = Proxy::transparent().await;
        let mut url = proxy.url();
        url.set_username(user).unwrap();
        url.set_password((!user.is_empty()).then_some(SECRET))
            .unwrap();
        let settings = CloudSettings {
            mlflow_login,
            mlflow_model: Some("nothing".to_owned()),
            ..Default::default()
        };
        let registry =
            MlflowRegistry::open(&url, &settings, memory(), Arc::new(SystemClock)).unwrap();
        assert_eq!(registry.alias(Alias::Champion).await.unwrap(), None);
        let headers = &proxy.calls()[0].headers;
        let sent: Vec<_> = headers
            .get_all(AUTHORIZATION)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(sent, Vec::from_iter(expected));
    }
}

#[test]
fn invalid_model_name_is_rejected() {
    for name in ["it's", "a/b", "a:b", ".hidden", "", "a model"] {
        let settings = CloudSettings {
            mlflow_model: Some(name.to_owned()),
            ..CloudSettings::default()
        };
        let url = "http://zoe:geheim@127.0.0.1:1/".parse().unwrap();
        let opened = MlflowRegistry::open(&url, &settings, memory(), Arc::new(SystemClock));
        let text = chain(&opened.err().unwrap());
        assert!(
            text.contains(&format!("invalid model name `{name}`")) && !text.contains(SECRET),
            "{text}"
        );
    }
}

/// Returns the messages of an error and of all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
