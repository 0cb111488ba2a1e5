//! Messages to people: one for each handled event and each new dead letter, whatever becomes of them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use runtime::ServiceSettings;
use shared::notifier::{MemoryNotifier, Notification, Notifier, NotifyError};
use tests::failing::Fault;

use super::{Action, DAYS, DAYS_ID, Service};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

async fn service(actions: &[Action], notifier: Arc<dyn Notifier>) -> Service {
    Service::with_notifier(actions, ServiceSettings::default(), notifier).await
}

fn titles(notifier: &MemoryNotifier) -> Vec<String> {
    let sent = notifier.sent().into_iter();
    sent.map(|notification| notification.title).collect()
}

#[tokio::test]
async fn handled_event_is_announced_once() {
    let notifier = Arc::new(MemoryNotifier::default());
    let service = service(&[Action::FailTransiently], notifier.clone()).await;
    assert_eq!(service.push(DAYS).await, RETRY);
    assert!(titles(&notifier).is_empty());
    for _ in 0..3 {
        assert_eq!(service.push(DAYS).await, DONE);
    }
    assert_eq!(
        titles(&notifier),
        [format!("bike-traffic dev, {DAYS_ID}: ingested")]
    );
}

/// The message is sent although the events could not be published: the next delivery finds the
/// event complete, publishes its events and sends nothing.
#[tokio::test]
async fn event_whose_results_are_published_later_is_announced_once() {
    let notifier = Arc::new(MemoryNotifier::default());
    let service = service(&[], notifier.clone()).await;
    // The steps are listed in `delivery_steps_are_artifact_audit_row_ledger_events`.
    service.faults.plan(7, Fault::Rejected);
    assert_eq!(service.push(DAYS).await, RETRY);
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(titles(&notifier).len(), 1);
}

#[tokio::test]
async fn new_dead_letter_is_announced_once() {
    let notifier = Arc::new(MemoryNotifier::default());
    let service = service(&[Action::FailPermanently; 2], notifier.clone()).await;
    for _ in 0..3 {
        assert_eq!(service.push(DAYS).await, DONE);
    }
    let [notification] = &notifier.sent()[..] else {
        panic!("expected one notification: {:?}", notifier.sent())
    };
    assert_eq!(
        notification.title,
        format!("bike-traffic dev, {DAYS_ID}: ingest rejected the message, it is a dead letter")
    );
    assert_eq!(notification.reason, "cannot ingest the day: the cause");
    let page = notification.page.as_deref().unwrap();
    assert!(page.ends_with("/reports/index.html"), "{page}");

    // A replay removes the dead letter, so the second failure creates a new one.
    assert_eq!(service.push_republished(DAYS, "7").await, DONE);
    assert_eq!(service.dead_letters().await.len(), 2);
    assert_eq!(titles(&notifier).len(), 2);
}

/// A notifier that fails, or never returns.
struct BrokenNotifier {
    is_stuck: bool,
}

#[async_trait]
impl Notifier for BrokenNotifier {
    async fn notify(&self, _: &Notification) -> Result<(), NotifyError> {
        if self.is_stuck {
            std::future::pending::<()>().await;
        }
        Err(NotifyError::new("status 404"))
    }
}

/// With a notifier that never returns, the test takes the time limit of 5 s.
#[tokio::test]
async fn broken_notifier_fails_no_event() {
    for is_stuck in [false, true] {
        let notifier = Arc::new(BrokenNotifier { is_stuck });
        let service = service(&[], notifier).await;
        assert_eq!(service.push(DAYS).await, DONE);
        service.assert_handled(1).await;
        assert!(service.dead_letters().await.is_empty());
    }
}
