//! The report of a drift check.

use drift_check::{ChampionRecord, IntervalCoverage, LiveAccuracy, RecentIntervals, WeekReport};
use forecasting::{
    coverage::Coverage,
    drift::{
        Bin, Category, ColumnDrift, DatasetDrift, EmptySide, ExcludedColumn, Histogram, Method,
    },
    policy::{LiveError, Policy},
};
use shared::{program::Program, registry::Version};

use super::{assert_snapshot, day, evaluation::breakdown, scores, timestamp, written};

/// Returns the histograms of a numerical and of a categorical column.
fn histograms() -> Vec<Histogram> {
    let hour = Histogram {
        column: "hour".to_owned(),
        bins: vec![Bin {
            from: -0.5,
            to: 0.5,
            reference: 0.041_667,
            current: 0.041_667,
        }],
        categories: Vec::new(),
    };
    let counter = Histogram {
        column: "counter".to_owned(),
        bins: Vec::new(),
        categories: vec![Category {
            name: "Pont".to_owned(),
            reference: 1.0,
            current: 0.75,
        }],
    };
    vec![hour, counter]
}

fn recent_intervals() -> RecentIntervals {
    RecentIntervals {
        first_day: day("2021-07-05"),
        last_day: day("2021-08-01"),
        weeks: 4,
        interval_80: Some(IntervalCoverage {
            rows: 12_768,
            share: 0.8125,
            mean_width: 36.5,
        }),
        interval_95: None,
    }
}

#[tokio::test]
async fn drift_report() {
    let column = |(column, method, score, drifted): (&str, Method, f64, bool)| ColumnDrift {
        column: column.to_owned(),
        method,
        threshold: 0.1,
        score,
        drifted,
    };
    let columns = [
        ("comptage_horaire", Method::Wasserstein, 0.375, true),
        ("counter", Method::JensenShannon, 0.0, false),
        ("hour", Method::KolmogorovSmirnov, 0.75, false),
        ("weekday", Method::ChiSquare, 0.5, false),
        ("holiday", Method::ZTest, 0.25, false),
    ];
    let live = scores(20.5, 3_360);
    let error = LiveError {
        mae: live.mae,
        test_mae: 14.0,
    };
    let report = WeekReport {
        week: "2021-W30".parse().unwrap(),
        champion: ChampionRecord {
            version: Version::new(1),
            test_mae: error.test_mae,
        },
        days_with_counts: 7,
        coverage: Some(Coverage {
            days: 7,
            expected_days: 7,
            hours: 3_360,
            expected_hours: 3_360,
            counters: 20,
            expected_counters: 20,
            ..Coverage::default()
        }),
        drift: DatasetDrift {
            columns: columns.map(column).into(),
            excluded: Vec::new(),
            drifted_count: 1,
            drifted_share: 0.2,
        },
        live: Some(live),
        accuracy: Some(LiveAccuracy {
            uncorrected: scores(21.5, 3_360),
            living: Some(scores(21.0, 3_264)),
            seasonal_naive: Some(scores(22.5, 3_192)),
            interval_80: Some(IntervalCoverage {
                rows: 3_264,
                share: 0.8125,
                mean_width: 38.5,
            }),
            interval_95: Some(IntervalCoverage {
                rows: 3_264,
                share: 0.9375,
                mean_width: 74.5,
            }),
        }),
        recent_intervals: Some(recent_intervals()),
        verdict: Policy::default().judge_week(Some(0.2), Some(error)),
        started_at: Some(timestamp("2021-08-02T05:00:00Z")),
        program: Some(Program {
            version: "0.1.0".to_owned(),
            commit: None,
        }),
        histograms: histograms(),
        breakdown: Some(breakdown(3_360, None)),
        uncorrected_breakdown: Some(breakdown(3_360, None)),
    };
    assert_snapshot("drift_report", &written(&report).await);
    let without_forecasts = WeekReport {
        live: None,
        accuracy: None,
        recent_intervals: None,
        breakdown: None,
        uncorrected_breakdown: None,
        verdict: Policy::default().judge_week(Some(0.5), None),
        coverage: Some(Coverage {
            days: 5,
            expected_days: 7,
            hours: 2_280,
            expected_hours: 3_360,
            counters: 19,
            expected_counters: 20,
            missing_days: vec![day("2021-07-27"), day("2021-07-28")],
            partial_days: Vec::new(),
            silent_counters: vec!["Pont".to_owned()],
            incomplete_counters: Vec::new(),
        }),
        drift: DatasetDrift {
            excluded: vec![ExcludedColumn {
                column: "latitude".to_owned(),
                empty: EmptySide::Both,
            }],
            ..report.drift.clone()
        },
        ..report
    };
    assert_snapshot(
        "drift_report_without_forecasts",
        &written(&without_forecasts).await,
    );
}
