//! Deliveries of the embedded bus: HTTP pushes with the body that Pub/Sub sends.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use shared::bus::LoggedMessage;

/// The delivery settings of a subscription.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// The delay before the second attempt.
    pub minimum_backoff: Duration,
    /// The maximum delay between attempts.
    pub maximum_backoff: Duration,
    /// The number of attempts after which a message becomes a dead letter.
    pub maximum_attempts: u32,
    /// The timeout of a push.
    pub acknowledgement_deadline: Duration,
    /// The maximum number of concurrent deliveries to the endpoint.
    pub maximum_outstanding: usize,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            minimum_backoff: Duration::from_millis(200),
            maximum_backoff: Duration::from_secs(10),
            // With this backoff, the attempts last longer than a minute. By then, the lease of a
            // crashed delivery has expired.
            maximum_attempts: 13,
            acknowledgement_deadline: Duration::from_secs(600),
            maximum_outstanding: 4,
        }
    }
}

impl DeliveryPolicy {
    /// Returns the delay after a number of failed attempts.
    ///
    /// The delay doubles with each attempt, between the minimum and the maximum.
    pub fn backoff(&self, failed_attempts: u32) -> Duration {
        let doublings = failed_attempts.saturating_sub(1).min(16);
        self.minimum_backoff
            .saturating_mul(1 << doublings)
            .min(self.maximum_backoff)
    }
}

/// The outcome of a delivery attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The endpoint acknowledged the message.
    Acknowledged,
    /// The endpoint rejected the message or did not respond, with the reason.
    Refused(String),
}

/// Pushes a message to an endpoint.
///
/// The body is that of a wrapped push, see <https://cloud.google.com/pubsub/docs/push>. The status
/// codes that acknowledge a message are listed there.
pub(super) async fn push(
    http: &reqwest::Client,
    endpoint: &str,
    subscription: &str,
    message: &LoggedMessage,
    attempt: u32,
) -> Delivery {
    let published_at = message.published_at.to_string();
    let body = json!({
        "subscription": format!("projects/local/subscriptions/{subscription}"),
        "deliveryAttempt": attempt,
        "message": {
            "data": message.data.to_base64(),
            "attributes": message.attributes,
            "messageId": message.message_id,
            "message_id": message.message_id,
            "publishTime": published_at,
            "publish_time": published_at,
        },
    });
    match http.post(endpoint).json(&body).send().await {
        Ok(response) if is_acknowledgement(response.status()) => Delivery::Acknowledged,
        Ok(response) => {
            let status = response.status();
            let body: String = response
                .text()
                .await
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect();
            Delivery::Refused(format!("{status}: {body}"))
        }
        Err(error) => Delivery::Refused(format!("no response: {error}")),
    }
}

fn is_acknowledgement(status: StatusCode) -> bool {
    matches!(status.as_u16(), 102 | 200 | 201 | 202 | 204)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_within_its_bounds() {
        let policy = DeliveryPolicy {
            minimum_backoff: Duration::from_secs(10),
            maximum_backoff: Duration::from_secs(600),
            ..DeliveryPolicy::default()
        };
        let delays: Vec<_> = [1, 2, 3, 6, 7, 1_000]
            .map(|attempts| policy.backoff(attempts).as_secs())
            .to_vec();
        assert_eq!(delays, [10, 20, 40, 320, 600, 600]);
    }
}
