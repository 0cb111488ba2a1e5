//! One delivery of the embedded bus: a push over HTTP, with the body that Pub/Sub sends.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use shared::bus::LoggedMessage;

/// How often and how patiently a subscription delivers.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// How long to wait before the second attempt.
    pub minimum_backoff: Duration,
    /// How long to wait at most before a further attempt.
    pub maximum_backoff: Duration,
    /// After how many attempts a message becomes a dead letter.
    pub maximum_attempts: u32,
    /// How long an endpoint may take to answer.
    pub acknowledgement_deadline: Duration,
    /// How many messages may be at the endpoint at once.
    pub maximum_outstanding: usize,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            minimum_backoff: Duration::from_millis(200),
            maximum_backoff: Duration::from_secs(10),
            // With these waits, longer than a minute: the lease of a delivery that died is over by then.
            maximum_attempts: 13,
            acknowledgement_deadline: Duration::from_secs(600),
            maximum_outstanding: 4,
        }
    }
}

impl DeliveryPolicy {
    /// Returns the wait after a number of failed attempts: doubled each time, within the bounds.
    pub fn backoff(&self, failed_attempts: u32) -> Duration {
        let doublings = failed_attempts.saturating_sub(1).min(16);
        self.minimum_backoff
            .saturating_mul(1 << doublings)
            .min(self.maximum_backoff)
    }
}

/// What came of an attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The endpoint answered success.
    Acknowledged,
    /// The endpoint answered otherwise, or not at all, with this reason.
    Refused(String),
}

/// Pushes a message to an endpoint.
///
/// The body is that of a wrapped push, see <https://cloud.google.com/pubsub/docs/push>; the answers that acknowledge are
/// the ones named there.
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
            let answer: String = response
                .text()
                .await
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect();
            Delivery::Refused(format!("{status}: {answer}"))
        }
        Err(error) => Delivery::Refused(format!("no answer: {error}")),
    }
}

fn is_acknowledgement(status: StatusCode) -> bool {
    matches!(status.as_u16(), 102 | 200 | 201 | 202 | 204)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let policy = DeliveryPolicy {
            minimum_backoff: Duration::from_secs(10),
            maximum_backoff: Duration::from_secs(600),
            ..DeliveryPolicy::default()
        };
        let waits: Vec<_> = [1, 2, 3, 6, 7, 1_000]
            .map(|attempts| policy.backoff(attempts).as_secs())
            .to_vec();
        assert_eq!(waits, [10, 20, 40, 320, 600, 600]);
    }
}
