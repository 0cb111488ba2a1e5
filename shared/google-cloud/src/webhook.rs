//! Notifications through a webhook of Slack, Teams, Discord or another chat.
//!
//! The services expect different bodies, and Discord rejects a body with the card of Teams, so the
//! host of the address selects the body:
//!
//! - Slack reads `text`, in which `&`, `<` and `>` are escaped:
//!   <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
//! - Discord reads `content`, of at most 2000 characters:
//!   <https://discord.com/developers/docs/resources/webhook#execute-webhook>.
//! - Workflows of Teams read an adaptive card in `attachments`. The connectors before them read
//!   `text`.
//! - Other hosts receive both `text` and `content`.

use std::{str::FromStr, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::notifier::{Notification, Notifier, NotifyError};

use crate::http_error::chain;

/// The time limit of a notification, which is sent once.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The address of a webhook. It is a secret: it grants the right to write to the chat.
#[derive(Clone, Debug)]
pub struct WebhookAddress {
    url: SecretString,
    format: Format,
}

/// The body that a service expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Slack,
    Discord,
    TeamsWorkflow,
    TeamsConnector,
    Other,
}

/// The error returned for an invalid address of a webhook. It does not contain the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address that starts with https://")]
pub struct InvalidWebhook;

impl FromStr for WebhookAddress {
    type Err = InvalidWebhook;

    /// Parses an `https` address, or an `http` address on this machine.
    fn from_str(text: &str) -> Result<Self, InvalidWebhook> {
        let url: Url = text.trim().parse().map_err(|_| InvalidWebhook)?;
        let host = url.host_str().ok_or(InvalidWebhook)?;
        let is_local = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        if url.scheme() != "https" && !(is_local && url.scheme() == "http") {
            return Err(InvalidWebhook);
        }
        Ok(Self {
            format: Format::of_host(host),
            url: String::from(url).into(),
        })
    }
}

impl Format {
    fn of_host(host: &str) -> Self {
        let is_in = |domains: &[&str]| {
            domains.iter().any(|domain| {
                host.strip_suffix(domain)
                    .is_some_and(|start| start.is_empty() || start.ends_with('.'))
            })
        };
        if is_in(&["hooks.slack.com", "hooks.slack-gov.com"]) {
            Self::Slack
        } else if is_in(&["discord.com", "discordapp.com"]) {
            Self::Discord
        } else if is_in(&["logic.azure.com", "powerplatform.com", "powerautomate.com"]) {
            Self::TeamsWorkflow
        } else if is_in(&["webhook.office.com"]) {
            Self::TeamsConnector
        } else {
            Self::Other
        }
    }

    fn body(self, notification: &Notification) -> Value {
        let text = notification.to_string();
        match self {
            Self::Slack => json!({ "text": escaped(&text) }),
            // A reason must not call all members of a channel.
            Self::Discord => json!({ "content": text, "allowed_mentions": { "parse": [] } }),
            Self::TeamsWorkflow => adaptive_card(notification),
            Self::TeamsConnector => json!({ "text": text }),
            Self::Other => json!({ "text": text, "content": text }),
        }
    }
}

/// Escapes the characters with which Slack marks links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn adaptive_card(notification: &Notification) -> Value {
    let block = |text: &str, weight: &str| json!({ "type": "TextBlock", "text": text, "weight": weight, "wrap": true });
    let mut blocks = vec![
        block(&notification.title, "Bolder"),
        block(&notification.reason, "Default"),
    ];
    blocks.extend(notification.page.iter().map(|page| block(page, "Default")));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": blocks,
            },
        }],
    })
}

/// A notifier that posts to a webhook.
pub struct Webhook {
    http: Client,
    address: WebhookAddress,
}

impl Webhook {
    /// Creates a notifier. It connects with the first notification.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be initialized.
    pub fn new(address: WebhookAddress) -> reqwest::Result<Self> {
        let http = Client::builder()
            .timeout(TIME_LIMIT)
            .redirect(Policy::none())
            .build()?;
        Ok(Self { http, address })
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        let WebhookAddress { url, format } = &self.address;
        let request = self
            .http
            .post(url.expose_secret())
            .json(&format.body(notification));
        let sent = request.send().await;
        let status = sent
            .map_err(|error| NotifyError::new(chain(&error.without_url())))?
            .status();
        if status.is_success() {
            Ok(())
        } else {
            Err(NotifyError::new(format!("status {}", status.as_u16())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Router, extract::State, http::StatusCode, routing::post};
    use parking_lot::Mutex;
    use tokio::net::TcpListener;

    use super::*;

    fn notification() -> Notification {
        Notification {
            title: "2021-W31: kept".to_owned(),
            reason: "MAE <not> lower & @everyone".to_owned(),
            page: Some("https://storage.cloud.google.com/b/x.html".to_owned()),
        }
    }

    fn body_for(address: &str) -> Value {
        let address: WebhookAddress = address.parse().unwrap();
        address.format.body(&notification())
    }

    #[test]
    fn body_follows_the_service() {
        let text = notification().to_string();
        let slack = body_for("https://hooks.slack.com/services/T/B/x");
        assert_eq!(
            slack,
            json!({ "text": "2021-W31: kept\nMAE &lt;not&gt; lower &amp; @everyone\nhttps://storage.cloud.google.com/b/x.html" })
        );
        let discord = body_for("https://discord.com/api/webhooks/1/x");
        assert_eq!(discord["content"], text);
        assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
        let connector = body_for("https://a.webhook.office.com/webhookb2/x");
        assert_eq!(connector, json!({ "text": text }));
        let other = body_for("https://chat.example/hooks/x");
        assert_eq!(other, json!({ "text": text, "content": text }));
        for address in [
            "https://prod-1.westeurope.logic.azure.com:443/workflows/x",
            "https://a.environment.api.powerplatform.com/x",
        ] {
            let card = body_for(address);
            let attachment = &card["attachments"][0];
            assert_eq!(
                attachment["contentType"],
                "application/vnd.microsoft.card.adaptive"
            );
            assert_eq!(attachment["content"]["body"][0]["text"], "2021-W31: kept");
            assert_eq!(attachment["content"]["body"].as_array().unwrap().len(), 3);
        }
        // A domain that only ends like that of a service.
        let foreign = body_for("https://notdiscord.com/x");
        assert_eq!(foreign, other);
    }

    #[test]
    fn address_must_be_encrypted_and_is_not_shown() {
        for text in [
            "http://chat.example/geheim",
            "chat.example/geheim",
            "geheim",
            "file:///geheim",
        ] {
            let error = text.parse::<WebhookAddress>().unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
        let address: WebhookAddress = "https://chat.example/geheim".parse().unwrap();
        assert!(!format!("{address:?}").contains("geheim"), "{address:?}");
    }

    /// Starts a server that answers with a status, and returns a webhook with the received bodies.
    async fn webhook(status: StatusCode) -> (Webhook, Arc<Mutex<Vec<String>>>) {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let receive = move |State(bodies): State<Arc<Mutex<Vec<String>>>>, body: String| async move {
            bodies.lock().push(body);
            status
        };
        let router = Router::new()
            .route("/geheim", post(receive))
            .with_state(Arc::clone(&bodies));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/geheim", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Webhook::new(address.parse().unwrap()).unwrap(), bodies)
    }

    #[tokio::test]
    async fn notification_is_posted_once_and_its_failure_has_no_address() {
        let (accepting, bodies) = webhook(StatusCode::NO_CONTENT).await;
        accepting.notify(&notification()).await.unwrap();
        let received = bodies.lock().clone();
        let [body] = &received[..] else {
            panic!("expected one request")
        };
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["text"], notification().to_string());

        let (rejecting, bodies) = webhook(StatusCode::SERVICE_UNAVAILABLE).await;
        let error = rejecting.notify(&notification()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot send the notification: status 503"
        );
        assert_eq!(bodies.lock().len(), 1);

        let closed: WebhookAddress = "http://127.0.0.1:1/geheim".parse().unwrap();
        let error = Webhook::new(closed).unwrap().notify(&notification()).await;
        let error = error.unwrap_err().to_string();
        assert!(
            !error.contains("geheim") && !error.contains("127.0.0.1:1"),
            "{error}"
        );
    }
}
