//! Replies that lack counts of a stored day, and replies without usable records.

use serde_json::Value;
use shared::retryability::Retryability;

use super::*;

const DAY: &str = "2026-11-20";
const FIRST: &str = r#"{"type":"ingest-requested","from":"2026-11-20"}"#;
const AGAIN: &str =
    r#"{"type":"ingest-requested","from":"2026-11-20","again":"2026-11-24T05:00:00Z"}"#;
const FORCED: &str = r#"{"type":"ingest-requested","from":"2026-11-20","again":"2026-11-24T05:00:00Z","force":true}"#;
const PAGE: &str = "<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>";

/// Returns the records of a complete day: in each hour, 10 + hour for the pier and 20 + hour for
/// the bridge.
fn records() -> Vec<Value> {
    let counters = [("1", "Quai N-S", 10), ("2", "Pont E-O", 20)];
    let record = |(hour, date): (u32, String)| {
        counters.map(|(id, name, first)| {
            let (count, coordinates) = (first + hour, json!({ "lon": 2.35, "lat": 48.85 }));
            json!({ "id_compteur": id, "nom_compteur": name, "sum_counts": count, "date": date,
                "coordinates": coordinates })
        })
    };
    let hours = day(DAY).hours().map(|hour| hour.to_string());
    (0..).zip(hours).flat_map(record).collect()
}

fn reply(records: &[Value]) -> String {
    Value::from(records).to_string()
}

/// Returns the reply with the first five records: three hours of the pier, two of the bridge.
fn part() -> String {
    reply(&records()[..5])
}

/// Returns ports with the complete day, ingested before.
async fn with_complete_day() -> Ports {
    let ports = ports_at("2026-11-24T06:00:00Z");
    let (outcome, _) = handle(Ok(&reply(&records())), &ports, FIRST).await;
    let reason = outcome.unwrap().entry().reason.clone();
    assert_eq!(
        reason,
        "48 counts of 2 counters for 2026-11-20, 0 of 48 records rejected, 0 duplicates"
    );
    ports
}

async fn rows(ports: &Ports) -> usize {
    let counts = ports.warehouse.counts(day(DAY), day(DAY)).await.unwrap();
    counts.len()
}

async fn stored(ports: &Ports, name: &str) -> String {
    let path = format!("raw/{DAY}/{name}").parse().unwrap();
    let object = ports.store.read(&path).await.unwrap();
    String::from_utf8(object.bytes.to_vec()).unwrap()
}

/// Returns the names of the stored replies of the day.
async fn replies(ports: &Ports) -> Vec<String> {
    let paths = ports.store.list("raw/").await.unwrap();
    paths
        .iter()
        .map(ToString::to_string)
        .filter(|path| path.contains("reply"))
        .collect()
}

#[tokio::test]
async fn reply_without_stored_counts_keeps_the_table_and_is_stored_beside() {
    let ports = with_complete_day().await;
    let outcome = handle(Ok(&part()), &ports, AGAIN).await.0.unwrap();
    assert_eq!(rows(&ports).await, 48);
    assert_eq!(stored(&ports, "reply.json").await, reply(&records()));
    let beside = format!(
        "reply-INCOMPLETE-{}.json",
        Checksum::of(part().as_bytes()).short(8)
    );
    assert_eq!(stored(&ports, &beside).await, part());
    assert_eq!(outcome.entry().decision, "kept");
    assert_eq!(
        outcome.entry().reason,
        format!(
            "the counts of {DAY} stay, because the reply lacks 43 of 48 counts (Quai N-S 21 of 24 \
             hours, Pont E-O 22 of 24 hours); the reply is in raw/{DAY}/{beside}; `bike-traffic \
             ingest --from {DAY} --to {DAY} --force` replaces the counts"
        )
    );
    assert!(outcome.events().is_empty(), "no forecast may change");
    let detail = &outcome.entry().detail["days"][0];
    assert_eq!(
        (&detail["rows"], &detail["records"]),
        (&json!(48), &json!(5))
    );
    assert_eq!(detail["loss"]["lost"], json!(43));
    // The same reply is stored once.
    let request = AGAIN.replace("05:00", "06:00");
    assert!(handle(Ok(&part()), &ports, &request).await.0.is_ok());
    assert_eq!(replies(&ports).await.len(), 2);
}

#[tokio::test]
async fn lost_counter_is_noticed_although_every_hour_has_a_count() {
    let ports = with_complete_day().await;
    let records = records();
    let pier: Vec<_> = records.into_iter().step_by(2).collect();
    let outcome = handle(Ok(&reply(&pier)), &ports, AGAIN).await.0.unwrap();
    assert_eq!(
        (outcome.entry().decision.as_str(), rows(&ports).await),
        ("kept", 48)
    );
    let reason = &outcome.entry().reason;
    assert!(
        reason.contains("24 of 48 counts (Pont E-O 24 of 24 hours)"),
        "{reason}"
    );
}

/// The first reply has one of two counters under one name. The second has both, so their names have
/// the ids.
#[tokio::test]
async fn second_counter_of_a_name_replaces_the_table() {
    let ports = ports_at("2026-11-24T06:00:00Z");
    let mut both = records();
    for record in &mut both {
        record["nom_compteur"] = json!("Quai");
    }
    let first: Vec<_> = both.iter().step_by(2).cloned().collect();
    assert!(handle(Ok(&reply(&first)), &ports, FIRST).await.0.is_ok());
    let outcome = handle(Ok(&reply(&both)), &ports, AGAIN).await.0.unwrap();
    let entry = outcome.entry();
    assert_eq!(
        (entry.decision.as_str(), rows(&ports).await),
        ("ingested", 48),
        "{}",
        entry.reason
    );

    // Without the first counter, its counts would be lost.
    let second: Vec<_> = both.iter().skip(1).step_by(2).cloned().collect();
    let request = AGAIN.replace("05:00", "06:00");
    let outcome = handle(Ok(&reply(&second)), &ports, &request)
        .await
        .0
        .unwrap();
    let reason = &outcome.entry().reason;
    assert!(
        reason.contains("lacks 24 of 48 counts (Quai (1) 24 of 24 hours)"),
        "{reason}"
    );
}

#[tokio::test]
async fn corrected_and_additional_counts_replace_the_table() {
    let ports = ports_at("2026-11-24T06:00:00Z");
    assert!(handle(Ok(&part()), &ports, FIRST).await.0.is_ok());
    let mut all = records();
    all[0]["sum_counts"] = json!(77);
    let outcome = handle(Ok(&reply(&all)), &ports, AGAIN).await.0.unwrap();
    assert_eq!(outcome.entry().decision, "ingested");
    assert_eq!(outcome.events().len(), 1);
    let counts = ports.warehouse.counts(day(DAY), day(DAY)).await.unwrap();
    assert_eq!((counts.len(), counts.rows()[0].count), (48, 77));
}

#[tokio::test]
async fn forced_reply_replaces_the_table_and_repeats_its_reason() {
    let ports = with_complete_day().await;
    let first = handle(Ok(&part()), &ports, FORCED).await.0.unwrap();
    let lost = "by force, the table of 2026-11-20 lost 43 of 48 counts (Quai N-S 21 of 24 hours, \
                Pont E-O 22 of 24 hours)";
    assert_eq!(first.entry().decision, "ingested");
    assert!(
        first.entry().reason.contains(lost),
        "{}",
        first.entry().reason
    );
    assert_eq!(rows(&ports).await, 5);
    assert_eq!(stored(&ports, "reply.json").await, part());
    // The delivery was interrupted after the table was replaced, and is repeated.
    let second = handle(Ok(&part()), &ports, FORCED).await.0.unwrap();
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
}

#[tokio::test]
async fn repeated_delivery_uses_the_reply_that_the_first_accepted() {
    let ports = ports_at("2026-11-24T06:00:00Z");
    let first = handle(Ok(&reply(&records())), &ports, FIRST)
        .await
        .0
        .unwrap();
    // The first delivery was interrupted before its audit row; meanwhile the reply has fewer rows.
    let (second, requested) = handle(Ok(&part()), &ports, FIRST).await;
    let second = second.unwrap();
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!((rows(&ports).await, requested), (48, vec![]));
}

/// An open data service that corrects its counts while it responds. Another request ingests the
/// corrected counts before the first response arrives.
struct OvertakenReply {
    ports: Ports,
    before: String,
    corrected: String,
}

#[async_trait]
impl OpenData for OvertakenReply {
    async fn day(&self, _day: Day) -> Result<Bytes, OpenDataError> {
        let (outcome, _) = handle(Ok(&self.corrected), &self.ports, AGAIN).await;
        assert_eq!(outcome.unwrap().entry().decision, "ingested");
        Ok(self.before.clone().into())
    }
}

#[tokio::test]
async fn reply_is_not_accepted_after_that_of_another_event() {
    let ports = ports_at("2026-11-24T06:00:00Z");
    let mut corrected = records();
    corrected[0]["sum_counts"] = json!(77);
    let open_data = Arc::new(OvertakenReply {
        ports: ports.clone(),
        before: reply(&records()),
        corrected: reply(&corrected),
    });
    let overtaken = ingest(open_data, &ports, FIRST).await;
    assert_eq!(
        overtaken.unwrap_err().retryability(),
        Retryability::Transient
    );
    let first_count = async || {
        let counts = ports.warehouse.counts(day(DAY), day(DAY)).await.unwrap();
        counts.rows()[0].count
    };
    assert_eq!(first_count().await, 77);
    // The next delivery ingests the corrected counts.
    let (outcome, _) = handle(Ok(&reply(&corrected)), &ports, FIRST).await;
    assert_eq!(outcome.unwrap().entry().decision, "ingested");
    assert_eq!(first_count().await, 77);
}

#[tokio::test]
async fn page_and_truncated_reply_are_transient_and_change_nothing() {
    let ports = with_complete_day().await;
    let whole = reply(&records());
    for text in [PAGE, &whole[..whole.len() / 2], ""] {
        let error = handle(Ok(text), &ports, AGAIN).await.0.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Transient, "{error}");
        assert!(
            error.chain().contains("not a list of records"),
            "{}",
            error.chain()
        );
        assert_eq!(rows(&ports).await, 48);
        assert_eq!(stored(&ports, "reply.json").await, whole);
        assert_eq!(replies(&ports).await.len(), 1);
    }
}

#[tokio::test]
async fn renamed_field_is_a_permanent_error_that_names_it() {
    let ports = with_complete_day().await;
    let mut renamed = records();
    for record in &mut renamed {
        let name = record.as_object_mut().unwrap().remove("nom_compteur");
        record["name"] = name.unwrap();
    }
    let error = handle(Ok(&reply(&renamed)), &ports, AGAIN)
        .await
        .0
        .unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.to_string();
    for expected in [
        "all 48 records were rejected, because none has the field nom_compteur",
        "their fields are id_compteur, sum_counts, date, coordinates, name",
        "the reply is in raw/2026-11-20/reply-INVALID-",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(rows(&ports).await, 48);
    assert_eq!(stored(&ports, "reply.json").await, reply(&records()));
}

#[tokio::test]
async fn unusable_records_are_permanent_and_missing_counts_are_transient() {
    let with = |field: &str, value: Value| {
        let mut records = records();
        records
            .iter_mut()
            .for_each(|record| record[field] = value.clone());
        reply(&records)
    };
    let cases = [
        (
            with("date", json!("20/11/2026 01:00")),
            Retryability::Permanent,
            "all 48 records were rejected (the hour is not a date and hour: 48)",
        ),
        (
            with("sum_counts", Value::Null),
            Retryability::Transient,
            "in 48 records (no count: 48): the city may not have published them yet",
        ),
        (
            with("date", json!("2026-11-22T01:00:00Z")),
            Retryability::Transient,
            "in 48 records (the hour was not requested: 48)",
        ),
    ];
    for (text, retryability, expected) in cases {
        let ports = ports_at("2026-11-24T06:00:00Z");
        let error = handle(Ok(&text), &ports, FIRST).await.0.unwrap_err();
        assert_eq!(error.retryability(), retryability, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(rows(&ports).await, 0);
    }
}

#[tokio::test]
async fn rejected_records_are_counted_and_the_first_thousand_listed() {
    let ports = ports_at("2026-11-24T06:00:00Z");
    let mut many = records();
    many.extend((0..1_500).map(|_| json!({ "nom_compteur": "Quai N-S" })));
    let outcome = handle(Ok(&reply(&many)), &ports, FIRST).await.0.unwrap();
    let detail = &outcome.entry().detail["days"][0];
    assert_eq!(
        (&detail["records"], &detail["rejected"], &detail["rows"]),
        (&json!(1_548), &json!(1_500), &json!(48))
    );
    let file = stored(&ports, "rejects.csv").await;
    assert_eq!(
        file.lines().count(),
        1 + 1_000,
        "a header and the first rejects"
    );
}

#[tokio::test]
async fn malformed_table_is_named_and_replaced_by_force_only() {
    let ports = with_complete_day().await;
    let path = "bike_traffic_raw/daily_20261120.csv".parse().unwrap();
    let spoilt = Bytes::from_static(b"a,b\n1,2\n");
    let condition = shared::store::Condition::Always;
    ports.store.write(&path, spoilt, condition).await.unwrap();
    let whole = reply(&records());
    let error = handle(Ok(&whole), &ports, AGAIN).await.0.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.chain();
    assert!(
        text.contains("daily_20261120") && text.contains("--force"),
        "{text}"
    );
    let outcome = handle(Ok(&whole), &ports, FORCED).await.0.unwrap();
    let reason = &outcome.entry().reason;
    assert!(reason.contains("the table cannot be read"), "{reason}");
    assert_eq!(rows(&ports).await, 48);
}

#[test]
fn unavailable_service_is_named_once() {
    let source = OpenDataError::Unavailable {
        url: "https://example.org/counts".to_owned(),
        source: "the service responded with 429 Too Many Requests".into(),
    };
    assert_eq!(
        Error::from(source).chain(),
        "cannot fetch https://example.org/counts: the service responded with 429 Too Many Requests"
    );
}
