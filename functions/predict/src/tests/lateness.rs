//! Tests of the lateness in the log.

use std::{
    io,
    sync::{Arc, Mutex},
};

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

/// Delivers the event of 2021-07-19 at several times, and returns the lateness in the log.
async fn logged(times: &[&str]) -> Vec<f64> {
    let ports = ports(true).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    for time in times {
        let now = time.parse().unwrap();
        drop(delivered(&ports, "2021-07-19", now, now).await.unwrap());
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
