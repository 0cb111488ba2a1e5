//! The page of a month, from a state in memory.

use std::sync::Arc;

use forecasting::{
    counts::{Counter, Counts},
    time::Hour,
};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::SimulatedClock,
    event::EventId,
    registry::{Operator, Promotion, Run},
};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn month() -> Month {
    "2021-08".parse().unwrap()
}

/// Returns a day on which the counter `Quai` counts the same number in each hour.
fn counts(day: Day, count: u32) -> Counts {
    let mut counts = Counts::default();
    let counter = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    day.hours()
        .for_each(|hour| counts.push(counter, hour, count));
    counts
}

fn forecast(hour: Hour, prediction: f64, version: u32, predicted_at: Timestamp) -> Forecast {
    Forecast {
        actual: None,
        prediction,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(version),
        predicted_at,
        counter_id: None,
        counter_name: "Quai".to_owned(),
        hour,
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
    }
}

/// Returns a state at noon on 2021-08-03. On the first day, version 1 was in time and 2 bicycles
/// off; on the second, version 2 was late and 5 bicycles off. The seasonal naive was 10 off on
/// both.
async fn state() -> Ports {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(day("2021-08-03").at(12))));
    let days = [
        ("2021-07-25", 20, None),
        ("2021-07-26", 40, None),
        ("2021-08-01", 30, Some((28.0, 1, 6))),
        ("2021-08-02", 30, Some((35.0, 2, 13))),
    ];
    for (text, count, made) in days {
        let day = day(text);
        let table = counts(day, count);
        ports
            .warehouse
            .replace_counts(day, &table, day.at(6))
            .await
            .unwrap();
        if let Some((prediction, version, hour)) = made {
            let rows: Vec<_> = day
                .hours()
                .map(|of| forecast(of, prediction, version, day.at(hour)))
                .collect();
            ports.warehouse.replace_forecasts(day, &rows).await.unwrap();
        }
    }
    for (name, base) in [
        ("champion-1", None),
        ("fine-tune-1", Some("1")),
        ("fine-tune-2", Some("champion_v2")),
    ] {
        let mut run = Run::new(name.parse().unwrap(), day("2021-08-01").at(0));
        let tags = base.map(|base| ("base_model".to_owned(), base.to_owned()));
        run.tags.extend(tags);
        ports.registry.register(&run).await.unwrap();
    }
    let operator = Operator::named("tests");
    for (from, to) in [(None, 1), (Some(Version::new(1)), 2)] {
        let promotion = Promotion::by_operator(&operator, from, Version::new(to));
        let _ = ports.registry.promote(&promotion).await.unwrap();
    }
    for (text, seconds) in [
        ("2021-08-01", Some(10)),
        ("2021-08-02", Some(30)),
        ("2021-07-31", None),
    ] {
        let day = day(text);
        let at = day.plus(1).at(6);
        let started =
            seconds.map(|seconds| at.checked_sub(SignedDuration::from_secs(seconds)).unwrap());
        let entry = AuditEntry {
            detail: json!({ "started_at": started }),
            ..AuditEntry::new("ingested", "24 counts")
        };
        let id = EventId::of(Function::Ingest, day);
        let row = entry.into_row(at, Function::Ingest, id, "local");
        ports.warehouse.record(&row).await.unwrap();
    }
    ports
}

#[tokio::test]
async fn days_after_the_present_are_left_out_and_late_forecasts_are_found() {
    let page = MonthPage::gather(&state().await, month()).await.unwrap();
    let days: Vec<_> = page
        .days
        .iter()
        .map(|day| (day.day.to_string(), day.is_in_time()))
        .collect();
    let expected = [
        ("2021-08-01", true),
        ("2021-08-02", false),
        ("2021-08-03", false),
    ];
    assert_eq!(
        days,
        expected.map(|(day, in_time)| (day.to_owned(), in_time))
    );
    assert_eq!(page.days_in_time(), 1);
}

#[tokio::test]
async fn gain_is_the_error_saved_against_the_same_hour_a_week_earlier() {
    let page = MonthPage::gather(&state().await, month()).await.unwrap();
    let gain = page.gain();
    // 24 hours with errors 2 and 10, and 24 with errors 5 and 10.
    let expected = Gain {
        rows: 48,
        counted: 1_440.0,
        error: 168.0,
        naive_error: 480.0,
    };
    assert_eq!(gain, expected);
    assert_eq!((gain.saved(), gain.share()), (312.0, Some(0.65)));
    assert_eq!((gain.mae(), gain.naive_mae()), (Some(3.5), Some(10.0)));
    assert_eq!(page.days[2].gain, Gain::default());
}

#[tokio::test]
async fn latency_is_known_for_rows_with_a_start_only() {
    let page = MonthPage::gather(&state().await, month()).await.unwrap();
    let ingest = &page.latencies[0];
    // The row about 2021-07-31 was decided on 2021-08-01.
    assert_eq!((ingest.events, ingest.times.len()), (3, 2));
    assert_eq!(ingest.quantile(0.5), Some(SignedDuration::from_secs(30)));
    assert_eq!(ingest.quantile(0.0), Some(SignedDuration::from_secs(10)));
    assert_eq!(page.latencies[1].quantile(0.5), None);
}

#[tokio::test]
async fn lineage_leads_from_the_first_version_to_the_champion() {
    let page = MonthPage::gather(&state().await, month()).await.unwrap();
    let line = ancestors(&page.versions, Version::new(3));
    let versions: Vec<_> = line
        .iter()
        .map(|record| (record.version, record.days))
        .collect();
    let expected = [(1, 1), (2, 1), (3, 0)];
    assert_eq!(
        versions,
        expected.map(|(version, days)| (Version::new(version), days))
    );
    assert_eq!(page.champion, Some(Version::new(2)));
}

#[test]
fn cost_grows_with_the_events_and_not_below_the_fixed_parts() {
    let idle = Cost::of(Vec::new());
    // 7.67 + 1.78 + 1.57 + 0.17.
    assert!((idle.total() - 11.19).abs() < 1e-9, "{}", idle.total());
    let busy = Cost::of(vec![(Function::FineTune, 4)]);
    // 2 × 4 × 60 s × (2 × $0.000024 + 2 × $0.0000025) + 4 × 23 s × ($0.000024 + 2 × $0.0000025).
    let expected = 11.19 + 480.0 * 0.000_053 + 92.0 * 0.000_029;
    assert!((busy.total() - expected).abs() < 1e-9, "{}", busy.total());
    assert!((busy.scanned_gigabytes - 2.44).abs() < 1e-9);
    // 1,000 times 600 MB are below the free TiB, and 4,000 times are 1.18 TiB above it.
    let scanned = |events| {
        let parts = Cost::of(vec![(Function::Predict, events)]).parts;
        parts
            .iter()
            .find(|(name, _, _)| name.starts_with("BigQuery"))
            .unwrap()
            .2
    };
    assert_eq!(scanned(1_000), 0.0);
    assert!(
        (scanned(4_000) - 7.392_4).abs() < 1e-3,
        "{}",
        scanned(4_000)
    );
}

#[tokio::test]
async fn page_is_one_file_that_names_the_month() {
    let html = render(&MonthPage::gather(&state().await, month()).await.unwrap());
    for text in [
        "<title>August 2021: bike-traffic</title>",
        "1 of 3 days forecast in time, 65\u{a0}% nearer to the counts",
        "Version 2 descends from version 1",
        "version 3, challenger",
        "href=\"../index.html\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for reference in ["http:", "https:", "url(", "@import", "<script", "src="] {
        assert!(!html.contains(reference), "{reference}");
    }
    assert!(html.len() < 300_000, "{}", html.len());
}

#[tokio::test]
async fn month_without_tables_has_a_page() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(day("2021-08-03").at(12))));
    for text in ["2021-08", "2022-01"] {
        let page = MonthPage::gather(&ports, text.parse().unwrap())
            .await
            .unwrap();
        assert!(render(&page).contains("no forecast has a count to compare with"));
    }
}
