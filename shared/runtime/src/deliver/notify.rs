//! Messages to people, after the work is recorded.

use std::time::Duration;

use shared::notifier::{Notification, NotifyError};
use tokio::time::timeout;

use super::Service;
use crate::Handler;

/// The time limit for a message.
const TIME_LIMIT: Duration = Duration::from_secs(5);

impl<H: Handler> Service<H> {
    /// Sends a message, if there is one. A failure is logged and changes nothing else.
    ///
    /// The message is sent before the response: afterwards, Cloud Run may stop the process. A crash
    /// in between loses the message, because the next delivery finds the event complete.
    pub(super) async fn notify(&self, notification: Option<Notification>) {
        let Some(notification) = notification else {
            return;
        };
        let notification = notification.in_environment(&self.settings.environment);
        let notifier = &self.ports.notifier;
        let sent = timeout(TIME_LIMIT, notifier.notify(&notification)).await;
        let too_slow = |_| Err(NotifyError::new("no response within 5 s"));
        if let Err(error) = sent.unwrap_or_else(too_slow) {
            tracing::warn!(error = %error, title = notification.title, "notification was not sent");
        }
    }
}
