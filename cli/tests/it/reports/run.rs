//! The lines of a run: the training of the first champion, the weeks and the summary.

use cli::commands::{
    run::{Decision, Summary, Tracks, TracksErrors, TracksWeek, WeekEntry},
    train::{DataReport, IntervalReport, PromotionOutcome, ServedScores, TrainReport},
};
use forecasting::{
    metrics::Scores,
    policy::{PromotionRule, Verdict, Verdicts},
};
use shared::{event::Function, registry::Version};

use super::{assert_printed, name};

const STATE: &str = "file:///srv/state/run-6f969abd/objects";

fn scores(mae: f64, rmse: f64, r2: f64, rows: usize) -> Scores {
    Scores {
        mae,
        rmse,
        r2,
        rows,
        bias: None,
        share: None,
    }
}

fn data(data_set: &str, rows: usize, period: &str) -> DataReport {
    DataReport {
        name: name(data_set),
        rows,
        counters: 56,
        rows_read: rows as u64 + 12,
        duplicates: 5,
        rejected: 7,
        notes: Vec::new(),
        period: period.to_owned(),
    }
}

fn trained() -> TrainReport {
    let interval = |coverage, mean_width| IntervalReport {
        coverage,
        mean_width,
        rows: 81_648,
    };
    TrainReport {
        version: Some(Version::new(1)),
        champion: Some(PromotionOutcome::First),
        model: format!("{STATE}/models/bike-traffic/champion-2021-05-15-6d2cab86"),
        scores: scores(15.27, 30.42, 0.903, 86_016),
        served: ServedScores {
            corrected: scores(14.74, 29.35, 0.91, 86_017),
            living: scores(15.84, 30.98, 0.901, 82_944),
            corrected_living: scores(15.29, 29.89, 0.908, 82_945),
            interval_80: Some(interval(0.778, 36.9)),
            interval_95: Some(interval(0.933, 70.9)),
        },
        seasonal_naive: scores(120.7, 142.12, 0.815, 86_018),
        test_std: 97.8,
        rounds: 300,
        excluded_rows: 2_181,
        train: data(
            "train-2021-05-15-670f3610",
            339_467,
            "2020-09-01T01:00:00Z to 2021-05-15T21:00:00Z",
        ),
        test: data(
            "test-2021-07-18-eea7af83",
            86_016,
            "2021-05-15T22:00:00Z to 2021-07-18T21:00:00Z",
        ),
        empty_columns: vec!["latitude", "longitude"],
        is_in_use: true,
        unrecorded: None,
    }
}

fn weeks() -> Vec<WeekEntry> {
    let decision = |function, decision: &str, reason: &str| Decision {
        function,
        decision: decision.to_owned(),
        reason: reason.to_owned(),
        verdicts: None,
    };
    let verdict = |promote, reason: &str| Verdict {
        promote,
        reason: reason.to_owned(),
    };
    let verdicts = Verdicts {
        fixed_test: verdict(false, "1 % lower"),
        guarded: verdict(
            true,
            "all four conditions are met: as served on the fresh holdout the challenger's error is 7.24 \
             bicycles an hour, 1.2 % lower than the champion's 7.32",
        ),
        acting: PromotionRule::FixedTest,
    };
    let of_week = |week: &str, decisions, live_mae, frozen_mae| WeekEntry {
        week: week.parse().unwrap(),
        drifted_share: Some(0.75),
        decisions,
        live_mae: Some(live_mae),
        frozen_mae: Some(frozen_mae),
        champion: Version::new(12),
    };
    let trained = "version 4 trained from version 1 on 374800 rows since 2020-09-01; sliding-window chosen: \
                   MAE 8.9 on 2021-08-09 to 2021-08-15";
    let decisions = vec![
        decision(Function::DriftCheck, "live-error-too-high", "live MAE 7.3"),
        decision(Function::FineTune, "challenger-trained", trained),
        Decision {
            verdicts: Some(verdicts),
            ..decision(Function::Evaluate, "evaluated", "")
        },
        decision(Function::Promote, "kept", "1 % lower"),
    ];
    let quiet = vec![decision(Function::DriftCheck, "no-drift", "live MAE 15.0")];
    vec![
        of_week("2021-W29", quiet, 15.0, 114.7),
        of_week("2021-W33", decisions, 7.3, 7.4),
    ]
}

fn tracks() -> Tracks {
    let errors = |errors: [f64; 4]| {
        let [first_champion, corrected, fixed_test, guarded] = errors.map(Some);
        TracksErrors {
            first_champion,
            corrected,
            fixed_test,
            guarded,
        }
    };
    let of_week = |week: &str, of_tracks| TracksWeek {
        week: week.parse().unwrap(),
        rows: 9_408,
        errors: errors(of_tracks),
    };
    Tracks {
        acting: PromotionRule::FixedTest,
        weeks: vec![
            of_week("2021-W29", [114.73, 14.97, 14.96, 14.95]),
            of_week("2021-W33", [7.44, 7.32, 7.31, 7.3]),
        ],
        mean: errors([61.09, 11.15, 11.14, 11.13]),
    }
}

#[test]
fn run() {
    let summary = Summary {
        trained: trained(),
        weeks: weeks(),
        tracks: tracks(),
        dead_letters: 0,
        address: format!("{STATE}/reports/run/summary.md"),
        page: format!("{STATE}/reports/index.html"),
    };
    let weeks = summary.weeks.iter().map(ToString::to_string);
    let lines: Vec<_> = std::iter::once(summary.trained.to_string())
        .chain(weeks)
        .chain([summary.to_string()])
        .collect();
    assert_printed("run", &lines.join("\n"));
}
