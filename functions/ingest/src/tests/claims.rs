//! Two events of one day at the same time.

use shared::{
    Timestamp,
    ledger::{Claim, Ledger},
    retryability::Retryability,
};

use super::*;

const FIRST: &str = r#"{"type":"ingest-requested","from":"2021-07-19"}"#;
const AGAIN: &str =
    r#"{"type":"ingest-requested","from":"2021-07-19","again":"2021-07-20T03:00:00Z"}"#;

/// Returns a reply with one count.
fn reply(count: u32) -> String {
    let date = "2021-07-19T06:00:00+00:00";
    let record =
        json!({ "id_compteur": "7", "nom_compteur": "Quai", "sum_counts": count, "date": date });
    json!([record]).to_string()
}

async fn stored_count(ports: &Ports) -> u32 {
    let day = day("2021-07-19");
    ports.warehouse.counts(day, day).await.unwrap().rows()[0].count
}

#[tokio::test]
async fn day_of_an_event_in_progress_is_not_fetched() {
    let ports = ports();
    assert!(handle(Ok(&reply(1)), &ports, FIRST).await.0.is_ok());
    let end: Timestamp = "2021-07-20T04:01:00Z".parse().unwrap();
    let lasting = end.duration_since(ports.clock.now());
    let ledger = Ledger::new(Arc::clone(&ports.store), Function::Ingest, lasting);
    let first = "ingest/2021-07-19".parse().unwrap();
    let Claim::Acquired(lease) = ledger.claim(&first, ports.clock.now()).await.unwrap() else {
        panic!("{first} was claimed before")
    };

    let (outcome, requested) = handle(Ok(&reply(2)), &ports, AGAIN).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Transient);
    assert!(
        error.to_string().contains("the event ingest/2021-07-19 is"),
        "{error}"
    );
    assert_eq!((requested, stored_count(&ports).await), (vec![], 1));

    let released = ledger.release(lease, ports.clock.now(), "a test").await;
    released.unwrap();
    assert!(handle(Ok(&reply(2)), &ports, AGAIN).await.0.is_ok());
    assert_eq!(stored_count(&ports).await, 2);
}

/// An open data service with an old reply. While it responds, another event ingests a newer one.
struct Overtaken(Ports);

#[async_trait]
impl OpenData for Overtaken {
    async fn day(&self, _day: Day) -> Result<Bytes, OpenDataError> {
        let newer = reply(2);
        assert!(handle(Ok(&newer), &self.0, AGAIN).await.0.is_ok());
        Ok(Bytes::from(reply(1)))
    }
}

#[tokio::test]
async fn overtaken_event_does_not_replace_newer_counts() {
    let ports = ports();
    let overtaken = Arc::new(Overtaken(ports.clone()));
    let error = handle_with(overtaken, &ports, FIRST).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Transient);
    assert_eq!(stored_count(&ports).await, 2);
    let path = "raw/2021-07-19/reply.json".parse().unwrap();
    let object = ports.store.read(&path).await.unwrap();
    assert_eq!(object.bytes, reply(2));
    // The next delivery claims the day and fetches again.
    assert!(handle(Ok(&reply(3)), &ports, FIRST).await.0.is_ok());
    assert_eq!(stored_count(&ports).await, 3);
}

#[tokio::test]
async fn malformed_claim_is_replaced() {
    let ports = ports();
    let path = "raw/2021-07-19/claim.json".parse().unwrap();
    let condition = shared::store::Condition::Always;
    let spoilt = Bytes::from_static(b"{");
    ports.store.write(&path, spoilt, condition).await.unwrap();
    assert!(handle(Ok(&reply(1)), &ports, FIRST).await.0.is_ok());
    assert_eq!(stored_count(&ports).await, 1);
}
