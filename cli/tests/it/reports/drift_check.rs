//! The report of a drift check.

use cli::commands::drift_check::Printed;
use drift_check::{ChampionRecord, IntervalCoverage, LiveAccuracy, RecentIntervals, WeekReport};
use forecasting::{
    coverage::Coverage,
    drift::{ColumnDrift, DatasetDrift, Method},
    metrics::Scores,
    policy::{LiveLimits, WeekVerdict},
};
use shared::registry::Version;

use super::{assert_printed, day};

fn scores(mae: f64, bias: f64, share: f64, rows: usize) -> Scores {
    Scores {
        mae,
        rmse: 2.0 * mae,
        r2: 0.75,
        rows,
        bias: Some(bias),
        share: Some(share),
    }
}

fn columns() -> Vec<ColumnDrift> {
    let column = |column: &str, method, threshold, score, drifted| ColumnDrift {
        column: column.to_owned(),
        method,
        threshold,
        score,
        drifted,
    };
    vec![
        column("comptage_horaire", Method::Wasserstein, 0.1, 0.375, true),
        column("counter", Method::JensenShannon, 0.1, 0.0, false),
        column("holiday_day_before", Method::ZTest, 0.05, 0.25, false),
        column("weekday", Method::ChiSquare, 0.05, 0.0125, true),
        column("latitude", Method::KolmogorovSmirnov, 0.05, 1.0, false),
    ]
}

fn accuracy() -> LiveAccuracy {
    let interval = |rows, share, mean_width| IntervalCoverage {
        rows,
        share,
        mean_width,
    };
    LiveAccuracy {
        uncorrected: scores(21.5, -1.5, 0.26, 3_360),
        living: Some(scores(21.0, -0.75, 0.251, 3_264)),
        seasonal_naive: Some(scores(122.5, 11.25, 0.275, 3_192)),
        interval_80: Some(interval(3_264, 0.813, 38.5)),
        interval_95: Some(interval(3_263, 0.9375, 74.5)),
    }
}

fn recent_intervals() -> RecentIntervals {
    let interval = |share, mean_width| IntervalCoverage {
        rows: 12_768,
        share,
        mean_width,
    };
    RecentIntervals {
        first_day: day("2021-07-05"),
        last_day: day("2021-08-01"),
        weeks: 4,
        interval_80: Some(interval(0.8125, 36.5)),
        interval_95: Some(interval(0.9425, 72.5)),
    }
}

#[test]
fn drift_check() {
    let report = WeekReport {
        week: "2021-W30".parse().unwrap(),
        champion: ChampionRecord {
            version: Version::new(1),
            test_mae: 14.0,
        },
        days_with_counts: 6,
        coverage: Some(Coverage {
            days: 6,
            expected_days: 7,
            hours: 8_064,
            expected_hours: 9_408,
            counters: 56,
            expected_counters: 56,
            missing_days: vec![day("2021-07-27")],
            ..Coverage::default()
        }),
        drift: DatasetDrift {
            columns: columns(),
            excluded: Vec::new(),
            drifted_count: 2,
            drifted_share: 0.4,
        },
        live: Some(scores(20.5, -0.5, 0.25, 3_360)),
        accuracy: Some(accuracy()),
        recent_intervals: Some(recent_intervals()),
        verdict: WeekVerdict {
            dataset_drift: false,
            fine_tune: true,
            major: true,
            reason: "40 % of the columns drifted (alarm from 50 %); live MAE 20.5 is 46.4 % higher than \
                     the champion's 14.0 on the fixed test set (alarm from 15.4, major drift from 18.2)"
                .to_owned(),
            live_mae_limits: Some(LiveLimits {
                alarm: 15.4,
                major: 18.2,
            }),
        },
        started_at: None,
        program: None,
        histograms: Vec::new(),
        breakdown: None,
        uncorrected_breakdown: None,
    };
    assert_printed("drift_check", &Printed(report));
}
