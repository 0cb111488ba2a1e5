//! Notifications: short messages to people, for example in a chat.
//!
//! A notification is sent at most once, after its event is complete. It is a convenience: the audit
//! log and the dead letters have the same content, and no event fails because of it.

use std::fmt;

use async_trait::async_trait;
use forecasting::time::Week;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    address::ObjectPath,
    bus::dead_letter::truncate,
    event::{EventId, Function},
    store::Store,
};

/// The maximum length of a reason in bytes. Discord rejects messages of more than 2000 characters.
const LONGEST_REASON_BYTES: usize = 1_200;

/// The port for notifications.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends a notification, without a repetition.
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError>;
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The subject, for example `bike-traffic prod, 2021-W31: promoted`.
    pub title: String,
    /// The reason, in one or a few sentences.
    pub reason: String,
    /// The address of the page with the details, if there is one.
    pub page: Option<String>,
}

impl Notification {
    /// Creates the notification of a week's verdict, with the address of the week's page in `store`.
    pub fn of_week(week: Week, verdict: &str, reason: &str, store: &dyn Store) -> Self {
        let page = ObjectPath::new(format_args!("reports/week/{week}.html"));
        Self {
            title: format!("{week}: {verdict}"),
            reason: truncate(reason, LONGEST_REASON_BYTES),
            page: Some(store.web_address_of(&page)),
        }
    }

    /// Creates the notification of a new dead letter, with the address of the on-call page in
    /// `store`. The page lists all dead letters and the commands that replay them.
    pub fn of_dead_letter(
        function: Function,
        event_id: &EventId,
        reason: &str,
        store: &dyn Store,
    ) -> Self {
        let page = ObjectPath::new("reports/index.html");
        Self {
            title: format!("{event_id}: {function} rejected the message, it is a dead letter"),
            reason: truncate(reason, LONGEST_REASON_BYTES),
            page: Some(store.web_address_of(&page)),
        }
    }

    /// Names the system and its environment in the title.
    #[must_use]
    pub fn in_environment(mut self, environment: &str) -> Self {
        self.title = format!("bike-traffic {environment}, {}", self.title);
        self
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}", self.title, self.reason)?;
        match &self.page {
            Some(page) => write!(formatter, "\n{page}"),
            None => Ok(()),
        }
    }
}

/// The error returned when a notification cannot be sent. It contains no address, which is a secret.
#[derive(Debug, thiserror::Error)]
#[error("cannot send the notification: {reason}")]
pub struct NotifyError {
    reason: String,
}

impl NotifyError {
    /// Creates an error with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// A notifier that sends nothing, for systems without a webhook.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotifier;

#[async_trait]
impl Notifier for NoNotifier {
    async fn notify(&self, _: &Notification) -> Result<(), NotifyError> {
        Ok(())
    }
}

/// A notifier in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryNotifier {
    sent: Mutex<Vec<Notification>>,
}

impl MemoryNotifier {
    /// Returns the notifications in the order in which they were sent.
    pub fn sent(&self) -> Vec<Notification> {
        self.sent.lock().clone()
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        self.sent.lock().push(notification.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn week_has_its_verdict_reason_and_page() {
        let week = "2021-W31".parse().unwrap();
        let store = MemoryStore::default();
        let notification = Notification::of_week(week, "promoted", "6 % lower", &store);
        let text = notification.in_environment("prod").to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..2],
            ["bike-traffic prod, 2021-W31: promoted", "6 % lower"]
        );
        assert!(lines[2].ends_with("reports/week/2021-W31.html"), "{text}");
    }

    #[test]
    fn long_reason_fits_a_chat_message() {
        let event_id = EventId::of(Function::Ingest, "2021-07-19");
        let reason = "é".repeat(100_000);
        let store = MemoryStore::default();
        let notification =
            Notification::of_dead_letter(Function::Ingest, &event_id, &reason, &store);
        assert!(notification.to_string().len() < 2_000);
    }

    #[test]
    fn dead_letter_has_the_on_call_page() {
        let event_id = EventId::of(Function::Ingest, "2021-07-19");
        let store = MemoryStore::default();
        let notification =
            Notification::of_dead_letter(Function::Ingest, &event_id, "the cause", &store);
        let text = notification.to_string();
        assert!(text.ends_with("/reports/index.html"), "{text}");
    }
}
