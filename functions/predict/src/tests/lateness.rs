//! Tests of the lateness in the log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use shared::{
    ledger::Entry,
    store::{Condition, write_json},
};
use tracing::subscriber::DefaultGuard;

use super::*;

/// The lines of a log, one JSON object each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Creates the log of this thread, which ends when the guard is dropped.
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lateness in each line that has one.
    fn lateness(&self) -> Vec<f64> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lateness = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let fields = &line["fields"];
            assert_eq!(fields["message"], "first forecast of a day");
            fields["forecast_lateness_hours"].as_f64()
        };
        text.lines()
            .filter(|line| line.contains("forecast_lateness_hours"))
            .map(|line| lateness(line).unwrap())
            .collect()
    }
}

/// Delivers a new event of 2021-07-19 at each of several times, and returns the lateness logged.
async fn logged(times: &[&str]) -> Vec<f64> {
    let deliveries: Vec<_> = times.iter().map(|time| (*time, *time)).collect();
    logged_by(&ports(true).await, &deliveries).await
}

/// Makes deliveries of events of 2021-07-19, and returns the lateness in the log. A delivery is the
/// start of the event's first delivery and its own.
async fn logged_by(ports: &Ports, deliveries: &[(&str, &str)]) -> Vec<f64> {
    let (log, _logging) = Log::start();
    for (first, now) in deliveries {
        let (first, now) = (first.parse().unwrap(), now.parse().unwrap());
        drop(delivered(ports, "2021-07-19", first, now).await.unwrap());
    }
    log.lateness()
}

#[tokio::test]
async fn first_forecast_of_a_day_logs_its_lateness() {
    for (time, expected) in [
        ("2021-07-20T06:00:00+02:00", -2.0),
        ("2021-07-20T08:00:00+02:00", 0.0),
        ("2021-07-20T09:30:00+02:00", 1.5),
        // The day is over.
        ("2021-07-21T10:00:00+02:00", 26.0),
    ] {
        assert_eq!(logged(&[time]).await, [expected], "{time}");
    }
}

/// The forecasts are written, and the process ends before it logs their lateness. Then the log has
/// the time of these forecasts, not that of the repeated delivery.
#[tokio::test]
async fn repeated_delivery_logs_the_lateness_of_the_forecasts_of_the_first() {
    let first = "2021-07-20T09:30:00+02:00";
    for repeated in ["2021-07-20T10:15:00+02:00", "2021-07-21T10:00:00+02:00"] {
        let ports = ports(true).await;
        // The line is lost, because there is no subscriber.
        let at = first.parse().unwrap();
        drop(delivered(&ports, "2021-07-19", at, at).await.unwrap());
        let lateness = logged_by(&ports, &[(first, repeated)]).await;
        assert_eq!(lateness, [1.5], "{repeated}");
    }
}

/// The day was forecast by the event of its first ingest. The event of its second one finds its own
/// forecasts when it is delivered again.
#[tokio::test]
async fn repeated_delivery_of_another_ingest_of_the_day_logs_no_lateness() {
    let ports = ports(true).await;
    let complete = Entry::Complete {
        at: "2021-07-20T06:00:05+02:00".parse().unwrap(),
        decision: "forecast".to_owned(),
        events: Vec::new(),
    };
    let path = "ledger/predict/ingest/2021-07-19@2021-07-20T03-00-00Z.json";
    let path = path.parse().unwrap();
    write_json(&*ports.store, &path, &complete, Condition::Absent)
        .await
        .unwrap();
    let [first, second, repeated] = [
        "2021-07-20T06:00:00+02:00",
        "2021-07-20T11:00:00+02:00",
        "2021-07-20T11:20:00+02:00",
    ];
    let deliveries = [(first, first), (second, second), (second, repeated)];
    assert_eq!(logged_by(&ports, &deliveries).await, [-2.0]);
}

/// A delivery that fails after it has written the forecasts is retried, and must not count the day.
#[tokio::test]
async fn lateness_is_logged_once_by_the_delivery_that_completes() {
    let ports = ports(true).await;
    let (log, _logging) = Log::start();
    let first = "2021-07-20T09:30:00+02:00".parse().unwrap();
    // The forecasts of the ingested day cannot be settled.
    let path = "bike_traffic_predictions/daily_20210719.csv"
        .parse()
        .unwrap();
    ports
        .store
        .write(&path, "no\ntable\n".into(), Condition::Always)
        .await
        .unwrap();
    let failed = delivered(&ports, "2021-07-19", first, first).await;
    assert!(failed.is_err());
    assert!(log.lateness().is_empty());
    let ingested = day("2021-07-19");
    ports
        .warehouse
        .replace_forecasts(ingested, &[])
        .await
        .unwrap();
    let retried = "2021-07-20T09:40:00+02:00".parse().unwrap();
    drop(
        delivered(&ports, "2021-07-19", first, retried)
            .await
            .unwrap(),
    );
    assert_eq!(log.lateness(), [1.5]);
}

/// A day that is ingested again, or an event that is delivered again, is not late.
#[tokio::test]
async fn later_forecasts_of_a_day_log_no_lateness() {
    let times = [
        "2021-07-20T06:00:00+02:00",
        "2021-07-20T11:00:00+02:00",
        "2021-07-21T06:00:00+02:00",
    ];
    assert_eq!(logged(&times).await, [-2.0]);
}

/// Paris is one hour ahead of UTC in winter and two in summer. The values are those of the module
/// `zoneinfo` of Python.
#[test]
fn lateness_is_in_local_time() {
    for (target, at, expected) in [
        ("2021-01-20", "2021-01-20T07:00:00Z", 0.0),
        ("2021-07-20", "2021-07-20T06:00:00Z", 0.0),
        // The clocks change on these days.
        ("2021-03-28", "2021-03-28T06:15:00Z", 0.25),
        ("2021-10-31", "2021-10-31T06:00:00Z", -1.0),
        ("2021-10-31", "2021-10-30T22:00:00Z", -9.0),
    ] {
        let found = lateness_hours(day(target), at.parse().unwrap());
        assert_eq!(found, expected, "{target} {at}");
    }
}
