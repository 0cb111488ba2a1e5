//! Generated weeks: counts, forecasts, reports, evaluations and audit rows in ports in memory.

use std::sync::Arc;

use forecasting::{
    counts::{Coordinates, Counter, Counts},
    policy::{LiveError, Policy},
    time::{Day, Hour, Week},
};
use serde_json::{Value, json};
use shared::{
    Timestamp,
    audit::AuditEntry,
    clock::SimulatedClock,
    evaluation::Evaluation,
    event::{EventId, Function},
    ports::Ports,
    registry::Version,
    store::{Condition, write_json},
    warehouse::Forecast,
    week_report,
};

use crate::evaluation::evaluation;

/// The columns of the drift check, with their scores.
const COLUMNS: [(&str, f64); 8] = [
    ("mean_of_day", 0.363),
    ("comptage_horaire", 0.254),
    ("count_24h_earlier", 0.242),
    ("count_168h_earlier", 0.144),
    ("weekly_mean", 0.097),
    ("hour", 0.0),
    ("latitude", 0.0),
    ("longitude", 0.0),
];

/// The challenger's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There is none.
    NoChallenger,
    Promoted,
    Refused,
}

/// The properties of a generated week.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) counters: usize,
    /// The number of earlier weeks with a report.
    pub(crate) earlier: usize,
    pub(crate) fate: Fate,
    /// `true` if the fourth counter reports only zeros, and six hours have no counts.
    pub(crate) has_faults: bool,
    /// `true` if the report was written by an earlier version, without most fields.
    pub(crate) is_older: bool,
    pub(crate) has_forecasts: bool,
    /// The live MAE.
    pub(crate) mae: f64,
}

/// A week of all counters with drift, without faults.
pub(crate) const FULL: Sample = Sample {
    counters: 56,
    earlier: 11,
    fate: Fate::Promoted,
    has_faults: false,
    is_older: false,
    has_forecasts: true,
    mae: 11.0,
};

/// Returns the week of the samples. It contains 14 July, a public holiday.
pub(crate) fn week() -> Week {
    "2021-W28".parse().unwrap()
}

fn version(number: u32) -> Version {
    Version::new(number)
}

/// Returns a number from 0 to 1 that depends on the arguments only.
fn noise(counter: usize, hour: Hour) -> f64 {
    let seed = counter as u64 * 1_000_003 + u64::try_from(hour.number()).unwrap();
    let mixed = (seed ^ (seed >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as f64 / f64::from(1_u32 << 24)
}

/// Returns the typical count of a counter in an hour.
fn typical(counter: usize, hour: Hour) -> f64 {
    let local = hour.local();
    let of_hour = match (local.weekday(), local.hour) {
        (_, 0..=5) => 0.1,
        (0..=4, 8 | 9 | 18 | 19) => 2.2,
        (5..=6, 11..=19) => 1.4,
        (_, 22..=23) => 0.5,
        _ => 0.9,
    };
    of_hour * (8.0 + ((counter * 37) % 61) as f64)
}

impl Sample {
    /// Returns ports with the sample.
    pub(crate) async fn ports(self) -> Ports {
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)));
        for day in week().first_day().plus(-28).through(week().last_day()) {
            self.fill(&ports, day).await;
        }
        for back in 0..=self.earlier {
            let back = i32::try_from(back).unwrap();
            let week = week().first_day().plus(-7 * back).week();
            self.store_report(&ports, week, self.mae + f64::from(back % 5))
                .await;
        }
        self.decide(&ports).await;
        ports
    }

    fn is_silent(self, counter: usize, day: Day) -> bool {
        self.has_faults && counter == 3 && day >= week().first_day().plus(-2)
    }

    fn is_missing(self, hour: Hour) -> bool {
        let is_thursday = hour.day() == week().first_day().plus(3);
        self.has_faults && is_thursday && (9..15).contains(&hour.local().hour)
    }

    async fn fill(self, ports: &Ports, day: Day) {
        let mut counts = Counts::default();
        let mut forecasts = Vec::new();
        let level = if day >= week().first_day() { 0.8 } else { 1.0 };
        for counter in 0..self.counters {
            let name = format!(
                "{} rue <de> l'Exemple & Fils {}",
                counter / 2 + 1,
                ["N-S", "S-N"][counter % 2]
            );
            let angle = counter as f64;
            let coordinates = Coordinates::new(
                48.857 + 0.03 * (angle * 1.7).sin(),
                2.345 + 0.06 * (angle * 2.3).cos(),
            );
            let index = counts.intern(Counter {
                id: Some(format!("1000{counter:02}")),
                name: name.clone(),
                coordinates,
            });
            for hour in day.hours() {
                let typical = typical(counter, hour);
                let count = level * typical * (0.8 + 0.4 * noise(counter, hour));
                let count = if self.is_silent(counter, day) {
                    0.0
                } else {
                    count.round()
                };
                if !self.is_missing(hour) {
                    counts.push(index, hour, count as u32);
                }
                forecasts.push(forecast(&name, hour, typical));
            }
        }
        let at = day.plus(1).at(6);
        ports
            .warehouse
            .replace_counts(day, &counts, at)
            .await
            .unwrap();
        if self.has_forecasts {
            ports
                .warehouse
                .replace_forecasts(day, &forecasts)
                .await
                .unwrap();
        }
        record_day(ports, day, counts.len()).await;
    }

    async fn store_report(self, ports: &Ports, week: Week, mae: f64) {
        let columns: Vec<_> = COLUMNS
            .iter()
            .map(|(name, score)| {
                json!({
                    "column": name, "method": "Wasserstein distance (normed)", "threshold": 0.1,
                    "score": score, "drifted": *score >= 0.1,
                })
            })
            .collect();
        let live = LiveError {
            mae,
            test_mae: 15.4,
        };
        let verdict = Policy::default().judge_week(Some(0.5), self.has_forecasts.then_some(live));
        let mut report = json!({
            "week": week,
            "champion": { "version": 1, "test_mae": 15.4 },
            "days_with_counts": 7,
            "drift": { "columns": columns, "drifted_count": 4, "drifted_share": 0.5 },
            "live": self.has_forecasts.then(|| scores(mae, -1.5)),
            "verdict": verdict,
        });
        if !self.is_older {
            let fields = report.as_object_mut().unwrap();
            fields.insert("coverage".to_owned(), self.coverage());
            if self.has_forecasts {
                fields.insert("accuracy".to_owned(), accuracy(mae));
                fields.insert("recent_intervals".to_owned(), recent_intervals(week));
            }
            fields.insert("histograms".to_owned(), histograms());
        } else if let Some(live) = report["live"].as_object_mut() {
            live.remove("bias");
            live.remove("share");
        }
        if self.is_older {
            let verdict = report["verdict"].as_object_mut().unwrap();
            verdict.remove("live_mae_limits");
        }
        let path = week_report::path(week);
        write_json(&*ports.store, &path, &report, Condition::Always)
            .await
            .unwrap();
    }

    fn coverage(self) -> Value {
        let expected = self.counters * 168;
        let missing = if self.has_faults {
            self.counters * 6
        } else {
            0
        };
        json!({
            "days": 7, "expected_days": 7, "hours": expected - missing, "expected_hours": expected,
            "counters": self.counters, "expected_counters": self.counters,
            "missing_days": [], "partial_days": [], "silent_counters": [],
        })
    }

    async fn decide(self, ports: &Ports) {
        let (challenger_mae, decision, champion) = match self.fate {
            Fate::NoChallenger => return,
            Fate::Promoted => (14.1, "promoted", 2),
            Fate::Refused => (15.2, "kept", 1),
        };
        let path = Evaluation::path(week());
        let evaluation = evaluation(challenger_mae, self.counters);
        write_json(&*ports.store, &path, &evaluation, Condition::Always)
            .await
            .unwrap();
        let at = week().last_day().plus(1).at(8);
        let trained = AuditEntry {
            detail: json!({
                "strategy": "append",
                "strategies": [
                    { "strategy": "append", "selection_scores": scores(13.2, 0.1), "error": null },
                    { "strategy": "sliding-window", "selection_scores": null, "error": "no baseline" },
                ],
                "champion_selection_scores": scores(14.0, 0.4),
            }),
            challenger_version: Some(version(2)),
            ..AuditEntry::new("challenger-trained", "version 2 trained from version 1")
        };
        let decided = AuditEntry {
            champion_version: Some(version(champion)),
            challenger_version: Some(version(2)),
            ..AuditEntry::new(decision, "the challenger's error decided")
        };
        let id = |function| EventId::of(function, week());
        record(
            ports,
            Function::FineTune,
            id(Function::DriftCheck),
            trained,
            at,
        )
        .await;
        record(
            ports,
            Function::Promote,
            id(Function::Evaluate),
            decided,
            at,
        )
        .await;
    }
}

/// Records the ingestion of a day, on the morning after it.
async fn record_day(ports: &Ports, day: Day, rows: usize) {
    let detail = json!({ "days": [{
        "day": day, "rows": rows, "records": rows + 5, "duplicates": 3, "rejected": 2,
    }] });
    let entry = AuditEntry {
        detail,
        ..AuditEntry::new("ingested", "counts of a day")
    };
    let id = EventId::of(Function::Ingest, day);
    record(ports, Function::Ingest, id, entry, day.plus(1).at(6)).await;
}

/// Records an audit row.
pub(crate) async fn record(
    ports: &Ports,
    function: Function,
    id: EventId,
    entry: AuditEntry,
    at: Timestamp,
) {
    let row = entry.into_row(at, function, id, "tests");
    ports.warehouse.record(&row).await.unwrap();
}

fn forecast(name: &str, hour: Hour, prediction: f64) -> Forecast {
    Forecast {
        actual: None,
        prediction,
        model_type: "xgboost".to_owned(),
        model_version: version(1),
        predicted_at: Timestamp::UNIX_EPOCH,
        counter_id: None,
        counter_name: name.to_owned(),
        hour,
        model_prediction: Some(prediction),
        correction: Some(1.0),
        prediction_low_80: Some(prediction * 0.7),
        prediction_high_80: Some(prediction * 1.3),
        prediction_low_95: Some(prediction * 0.5),
        prediction_high_95: Some(prediction * 1.5),
        silent: Some(false),
    }
}

/// Returns the scores of forecasts as JSON.
pub(crate) fn scores(mae: f64, bias: f64) -> Value {
    json!({ "mae": mae, "rmse": mae * 1.8, "r2": 0.9, "rows": 9_408, "bias": bias, "share": mae / 48.0 })
}

fn interval(rows: usize, share: f64) -> Value {
    json!({ "rows": rows, "share": share, "mean_width": 40.0 })
}

fn recent_intervals(week: Week) -> Value {
    json!({
        "first_day": week.first_day().plus(-21),
        "last_day": week.last_day(),
        "weeks": 4,
        "interval_80": interval(35_000, 0.8),
        "interval_95": interval(35_000, 0.95),
    })
}

fn accuracy(mae: f64) -> Value {
    let interval = |share| interval(9_000, share);
    json!({
        "uncorrected": scores(mae + 1.0, -2.0),
        "living": scores(mae, -1.5),
        "seasonal_naive": scores(mae * 1.5, 4.0),
        "interval_80": interval(0.81),
        "interval_95": interval(0.94),
    })
}

fn histograms() -> Value {
    let bins: Vec<_> = (0..30)
        .map(|bin| {
            let (reference, current) = (0.1 * 0.9_f64.powi(bin), 0.12 * 0.88_f64.powi(bin));
            json!({ "from": bin * 10, "to": bin * 10 + 10, "reference": reference, "current": current })
        })
        .collect();
    let numerical = COLUMNS
        .iter()
        .map(|(column, _)| json!({ "column": column, "bins": bins }));
    numerical.collect()
}
