//! The on-call page.

use super::*;

/// Returns `true` if the on-call page is written after an event with this decision.
async fn is_page_written_after(decision: &str) -> bool {
    let ports = ports();
    let open_data = Arc::new(FixedReply {
        reply: Err(503),
        requested: Mutex::default(),
    });
    let now = ports.clock.now();
    let context = Context {
        event_id: "ingest/2021-07-19".parse().unwrap(),
        published_at: now,
        first_started_at: now,
        now,
        fence: runtime::Fence::default(),
    };
    let function = Ingest::new(open_data, &ports).with_pages(&ports);
    let entry = AuditEntry::new(decision, "a reason");
    function.show(&context, &entry).await;
    let path = report::index::path();
    ports.store.generation(&path).await.unwrap().is_some()
}

#[tokio::test]
async fn page_is_written_after_events_that_lead_to_no_forecast() {
    for (decision, is_written) in [("ingested", false), ("kept", true), ("dead-lettered", true)] {
        assert_eq!(
            is_page_written_after(decision).await,
            is_written,
            "{decision}"
        );
    }
}
