//! The on-call page.

use super::*;

#[tokio::test]
async fn page_is_written_after_an_event_by_a_handler_with_pages() {
    let ports = empty_ports();
    let now = ports.clock.now();
    let context = Context {
        event_id: EventId::of(Function::Ingest, "2021-07-19"),
        published_at: now,
        first_started_at: now,
        now,
        fence: runtime::Fence::default(),
    };
    let entry = AuditEntry::new("forecast", "24 forecasts of 2021-07-20 by version 1");
    let path = report::index::path();
    let handler = Predict::new(&ports);
    handler.show(&context, &entry).await;
    assert_eq!(ports.store.generation(&path).await.unwrap(), None);
    handler.with_pages(&ports).show(&context, &entry).await;
    assert!(ports.store.generation(&path).await.unwrap().is_some());
}
