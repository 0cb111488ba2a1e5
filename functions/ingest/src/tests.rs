//! Tests of the handler with the in-memory ports.

mod pages;
mod range;
mod replacement;
mod zeros;

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::checksum::Checksum;
use shared::{
    clock::SimulatedClock, event::Event, open_data::OpenDataError, store::MemoryStore,
    warehouse::EmbeddedWarehouse,
};

use super::*;

/// An open data service with a fixed reply, which records the requested days.
struct FixedReply {
    reply: Result<String, u16>,
    requested: Mutex<Vec<Day>>,
}

#[async_trait]
impl OpenData for FixedReply {
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError> {
        self.requested.lock().unwrap().push(day);
        let refused = |status| OpenDataError::Refused {
            url: "test".into(),
            status,
            answer: String::new(),
        };
        self.reply.clone().map(Bytes::from).map_err(refused)
    }
}

const TWO_COUNTERS: &str = include_str!("fixtures/reply.json");

/// Returns ports whose tables are in the store.
fn ports() -> Ports {
    ports_at("2021-07-20T04:00:00Z")
}

fn ports_at(now: &str) -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = SimulatedClock::new(now.parse().unwrap());
    Ports {
        warehouse: Arc::new(EmbeddedWarehouse::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(clock))
    }
}

async fn handle(
    reply: Result<&str, u16>,
    ports: &Ports,
    request: &str,
) -> (Result<Outcome, Error>, Vec<Day>) {
    let open_data = Arc::new(FixedReply {
        reply: reply.map(str::to_owned),
        requested: Mutex::default(),
    });
    let result = ingest(Arc::clone(&open_data) as Arc<dyn OpenData>, ports, request).await;
    let requested = open_data.requested.lock().unwrap().clone();
    (result, requested)
}

/// Handles a request with an open data service.
async fn ingest(
    open_data: Arc<dyn OpenData>,
    ports: &Ports,
    request: &str,
) -> Result<Outcome, Error> {
    let now = ports.clock.now();
    let event: IngestRequested = shared::event::decode(request.as_bytes()).unwrap();
    let context = Context {
        event_id: event.event_id(now),
        published_at: now,
        first_started_at: now,
        now,
        fence: runtime::Fence::default(),
    };
    Ingest::new(open_data, ports).handle(event, &context).await
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

#[tokio::test]
async fn request_without_days_ingests_yesterday() {
    let ports = ports();
    let (outcome, requested) =
        handle(Ok(TWO_COUNTERS), &ports, r#"{"type":"ingest-requested"}"#).await;
    let outcome = outcome.unwrap();
    assert_eq!(requested, [day("2021-07-19")]);
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"day-ingested","event_id":"ingest/2021-07-19","day":"2021-07-19","rows":3}"#
    );
    let table = ports
        .warehouse
        .counts(day("2021-07-19"), day("2021-07-19"))
        .await
        .unwrap();
    let rows: Vec<_> = table
        .rows()
        .iter()
        .map(|row| (table.counter(row.counter).name.as_str(), row.count))
        .collect();
    // The duplicate 0 was dropped and the record of the day before rejected.
    assert_eq!(rows, [("Quai E-O", 7), ("Pont N-S", 0), ("Quai E-O", 9)]);
    let detail = &outcome.entry().detail["days"][0];
    assert_eq!(
        (&detail["duplicates"], &detail["rejected"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(detail["records"], json!(6), "3 + 1 + 2 records");
    // The pier has two hours, the bridge one.
    assert_eq!(
        detail["coverage"],
        json!({
            "expected_hours": 24,
            "least_hours": 1,
            "incomplete_counters": 2,
            "by_counter": [
                { "counter": "Quai E-O", "hours": 2 },
                { "counter": "Pont N-S", "hours": 1 },
            ],
        })
    );
    assert_eq!(
        outcome.entry().reason,
        "3 counts of 2 counters for 2021-07-19, 2 of 6 records rejected, 1 duplicates; \
         2 of 2 counters of 2021-07-19 have fewer than 24 hours, the least 1"
    );
    assert_eq!(detail["silent_counters"], json!(["Pont N-S"]));
}

#[tokio::test]
async fn counters_told_apart_by_their_id_are_named_in_reason_and_detail() {
    let record = |id: &str, name: &str, count: u32| {
        let date = "2021-07-19T06:00:00+00:00";
        json!({ "id_compteur": id, "nom_compteur": name, "sum_counts": count, "date": date })
    };
    let (one, other) = (record("100-1", "Quai", 7), record("100-2", "Quai", 9));
    let reply = json!([one, other, record("200", "Pont", 5)]).to_string();
    let request = r#"{"type":"ingest-requested"}"#;
    let outcome = handle(Ok(&reply), &ports(), request).await.0.unwrap();
    assert_eq!(
        outcome.entry().detail["days"][0]["separated_counters"],
        json!(["Quai (100-1)", "Quai (100-2)"])
    );
    let named = "counters of one name are told apart by their id in the reply for 2021-07-19: \
                 Quai (100-1), Quai (100-2)";
    let reason = &outcome.entry().reason;
    assert!(reason.contains(named), "{reason}");

    let outcome = handle(Ok(TWO_COUNTERS), &ports(), request).await.0.unwrap();
    assert!(!outcome.entry().reason.contains("told apart"));
    assert_eq!(
        outcome.entry().detail["days"][0].get("separated_counters"),
        None
    );
}

#[tokio::test]
async fn unreadable_coordinates_are_named_in_the_reason() {
    let reply = r#"[{"nom_compteur":"Quai","sum_counts":7,"date":"2021-07-19T06:00:00Z",
        "coordinates":"near the river","id_compteur":"1"}]"#;
    let request = r#"{"type":"ingest-requested"}"#;
    let outcome = handle(Ok(reply), &ports(), request).await.0.unwrap();
    let entry = outcome.entry();
    let named = "1 counts of 2021-07-19 have coordinates that cannot be parsed";
    assert!(entry.reason.ends_with(named), "{}", entry.reason);
    let number = &entry.detail["days"][0]["unreadable_coordinates"];
    assert_eq!(number, &json!(1));
}

#[tokio::test]
async fn repeated_ingestion_publishes_an_event_with_a_new_id() {
    let request =
        r#"{"type":"ingest-requested","from":"2021-07-19","again":"2021-07-20T03:00:00Z"}"#;
    let outcome = handle(Ok(TWO_COUNTERS), &ports(), request).await.0.unwrap();
    let id = r#""event_id":"ingest/2021-07-19@2021-07-20T03-00-00Z""#;
    assert!(
        outcome.events()[0].data.contains(id),
        "{}",
        outcome.events()[0].data
    );
}

/// The time of the ingestion that is repeated is in the past.
#[tokio::test]
async fn ingestion_of_the_future_is_not_repeated() {
    let request =
        r#"{"type":"ingest-requested","from":"2021-07-19","again":"2031-07-20T03:00:00Z"}"#;
    let (outcome, requested) = handle(Ok(TWO_COUNTERS), &ports(), request).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.to_string();
    assert!(
        text.starts_with("cannot ingest 2021-07-19 to 2021-07-19 again: "),
        "{text}"
    );
    assert!(requested.is_empty());
}

#[tokio::test]
async fn reply_and_rejected_records_are_stored() {
    let ports = ports();
    let (outcome, _) = handle(Ok(TWO_COUNTERS), &ports, r#"{"type":"ingest-requested"}"#).await;
    assert!(outcome.is_ok());
    let read = async |path: &str| {
        ports
            .store
            .read(&path.parse().unwrap())
            .await
            .unwrap()
            .bytes
    };
    assert_eq!(read("raw/2021-07-19/reply.json").await, TWO_COUNTERS);
    let rejects = String::from_utf8(read("raw/2021-07-19/rejects.csv").await.to_vec()).unwrap();
    assert!(
        rejects.contains("\n5,no count,") && rejects.contains("\n6,the hour"),
        "the row numbers are those of the records: {rejects}"
    );
    // The numbers of the records in the reply, whose fifth has no count and whose sixth is of the
    // day before.
    let numbers: Vec<_> = rejects
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(numbers, ["5", "6"]);
}

/// The counts of a day that are not published yet are a transient error.
#[tokio::test]
async fn range_ends_at_the_first_transient_failure() {
    let request = r#"{"type":"ingest-requested","from":"2021-07-17","to":"2021-07-19"}"#;
    let (_, requested) = handle(Ok("[]"), &ports(), request).await;
    assert_eq!(requested, [day("2021-07-17")]);
}

#[tokio::test]
async fn day_without_counts_is_a_transient_error() {
    let ports = ports();
    let (outcome, _) = handle(Ok("[]"), &ports, r#"{"type":"ingest-requested"}"#).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        error.retryability(),
        shared::retryability::Retryability::Transient
    );
    assert!(error.to_string().contains("2021-07-19"), "{error}");
    assert!(
        ports
            .warehouse
            .counts(day("2021-07-19"), day("2021-07-19"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn invalid_requests_and_replies_are_permanent_errors() {
    let requests = [
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"2021-07-20"}"#,
            "not over",
        ),
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"2021-07-05","to":"2021-07-01"}"#,
            "precedes the first",
        ),
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"2021-01-01","to":"2021-07-01"}"#,
            "at most 31",
        ),
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"9999-12-31"}"#,
            "not over",
        ),
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"2021-07-01","to":"9999-12-31"}"#,
            "at most 31",
        ),
        (
            Ok("[]"),
            r#"{"type":"ingest-requested","from":"-009999-01-01"}"#,
            "before 2010",
        ),
        (Err(400), r#"{"type":"ingest-requested"}"#, "status 400"),
    ];
    for (reply, request, expected) in requests {
        let error = handle(reply, &ports(), request).await.0.unwrap_err();
        assert_eq!(
            error.retryability(),
            shared::retryability::Retryability::Permanent,
            "{error}"
        );
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn second_delivery_changes_nothing() {
    let ports = ports();
    let deliver = async || {
        let (outcome, _) = handle(Ok(TWO_COUNTERS), &ports, r#"{"type":"ingest-requested"}"#).await;
        outcome.unwrap()
    };
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = deliver().await;
    let before = objects().await;
    let second = deliver().await;
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}
