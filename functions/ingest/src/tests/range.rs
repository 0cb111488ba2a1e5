//! Requests of several days, some of which cannot be ingested.

use super::*;

const RANGE: &str = r#"{"type":"ingest-requested","from":"2021-07-15","to":"2021-07-19"}"#;

/// An open data service with one count for each day, except those whose counts are all negative.
struct Negative(Vec<Day>);

#[async_trait]
impl OpenData for Negative {
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError> {
        let count = if self.0.contains(&day) { -1 } else { 7 };
        let date = day.first_hour().to_string();
        let record = json!({ "nom_compteur": "Quai", "sum_counts": count, "date": date });
        Ok(json!([record]).to_string().into())
    }
}

/// Ingests the days of [`RANGE`], of which the given ones cannot be ingested.
async fn ingest_range(ports: &Ports, negative: &[&str]) -> Result<Outcome, Error> {
    let negative = negative.iter().copied().map(day).collect();
    ingest(Arc::new(Negative(negative)), ports, RANGE).await
}

#[tokio::test]
async fn day_that_cannot_be_ingested_does_not_keep_the_others_out() {
    let ports = ports();
    let error = ingest_range(&ports, &["2021-07-16"]).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.to_string();
    assert!(
        text.starts_with("cannot use the reply for 2021-07-16: all 1 records were rejected"),
        "{text}"
    );
    assert!(
        text.contains("; the other days: 4 counts of 1 counters for 2021-07-15 to 2021-07-19"),
        "{text}"
    );
    let events: Vec<_> = error.events().iter().map(|event| &*event.data).collect();
    let expected = ["15", "17", "18", "19"].map(|day| {
        let day = format!("2021-07-{day}");
        format!(r#"{{"type":"day-ingested","event_id":"ingest/{day}","day":"{day}","rows":1}}"#)
    });
    assert_eq!(events, expected);
    let stored = ports.warehouse.counts(day("2021-07-15"), day("2021-07-19"));
    assert_eq!(stored.await.unwrap().len(), 4);
}

#[tokio::test]
async fn first_failed_days_are_named_and_the_others_counted() {
    let negative = [
        "2021-07-15",
        "2021-07-16",
        "2021-07-17",
        "2021-07-18",
        "2021-07-19",
    ];
    let error = ingest_range(&ports(), &negative).await.unwrap_err();
    let text = error.to_string();
    for day in &negative[..3] {
        assert!(text.contains(&format!("the reply for {day}")), "{text}");
    }
    assert!(text.ends_with("; 2 more days failed"), "{text}");
    assert!(error.events().is_empty());
}
