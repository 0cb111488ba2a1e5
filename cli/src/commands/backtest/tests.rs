//! Backtests of small sample data.

use serde_json::{Value, json};

use super::*;
use crate::support::{
    sample_data::{self, Settings},
    tracks::JudgedWeek,
};

/// Returns the plan of three live weeks, 2021-02-08 to 02-28, with few counters and rounds. Each
/// week has drifted, so each has a challenger as soon as there are days to train on.
fn three_weeks(folder: &Path) -> BacktestPlan {
    let settings = Settings {
        counters: 4,
        train_days: 120,
        test_days: 40,
        live_days: 21,
        ..Settings::default()
    };
    let written = sample_data::write(&settings, folder, &mut |_, _| {}).unwrap();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    BacktestPlan {
        train_path: text(&written.train.path),
        test_path: text(&written.test.path),
        live_path: Some(text(&written.live.path)),
        from: "2021-02-08".parse().unwrap(),
        to: "2021-02-28".parse().unwrap(),
        champion_until: None,
        rules: RULES.to_vec(),
        policy: disagreeing(),
        fine_tunes: vec![FineTuneRecipe::default()],
        recipe: TrainRecipe {
            rounds: 20,
            ..TrainRecipe::default()
        },
    }
}

/// Returns a policy under which `guarded` promotes every challenger, and `fixed-test` none.
fn disagreeing() -> Policy {
    serde_json::from_value(json!({
        "drift_share": 0.0,
        "fixed_test_improvement": 10.0,
        "fresh_improvement": -10.0,
        "fresh_probability": 0.0,
        "fixed_test_tolerance": 10.0,
        "counter_tolerance": 1000.0,
    }))
    .unwrap()
}

fn judged(track: &TrackReport) -> Vec<&JudgedWeek> {
    let weeks = track.weeks.iter();
    weeks.filter_map(|week| week.judged.as_ref()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_are_equal_until_the_rules_disagree() {
    let folder = tempfile::tempdir().unwrap();
    let plan = three_weeks(folder.path());
    let report = backtest(&plan).await.unwrap();
    let [fixed_test, guarded] = &report.tracks[..] else {
        panic!("{report:#?}");
    };
    assert_eq!(
        [fixed_test.policy, guarded.policy],
        [PromotionRule::FixedTest, PromotionRule::Guarded]
    );
    // The first week has no challenger, because all days before it are those of the test set.
    let promoted = |track| {
        judged(track)
            .iter()
            .map(|week| week.promoted)
            .collect::<Vec<_>>()
    };
    assert_eq!(promoted(fixed_test), [false; 3]);
    assert_eq!(promoted(guarded), [false, true, true]);
    assert_eq!(guarded.promotions, 2);
    assert_eq!(
        guarded.right + guarded.wrong,
        1,
        "the last week has no next week"
    );
    for week in [0, 1] {
        assert_eq!(
            guarded.weeks[week].live_mae,
            fixed_test.weeks[week].live_mae
        );
    }
    assert_ne!(guarded.weeks[2].live_mae, fixed_test.weeks[2].live_mae);

    // Without a promotion, the loop publishes the corrected forecasts of the first champion.
    for (week, of_track) in report.weeks.iter().zip(&fixed_test.weeks) {
        // A counter may fail for some days.
        assert!(week.rows > 2 * 7 * 24, "{}", week.rows);
        let (corrected, live) = (week.frozen_corrected.unwrap(), of_track.live_mae.unwrap());
        assert!((corrected - live).abs() < 1e-6, "{corrected} {live}");
        assert_ne!(week.frozen, week.frozen_corrected);
    }

    let again = backtest(&plan).await.unwrap();
    assert_eq!(again, report);
}

#[tokio::test(flavor = "multi_thread")]
async fn report_has_all_parts_as_json_and_fits_into_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    let plan = BacktestPlan {
        rules: vec![PromotionRule::Guarded],
        ..three_weeks(folder.path())
    };
    let report = backtest(&plan).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&json),
        "champion fixed_test from frozen frozen_corrected notes seasonal_naive to tracks weeks"
    );
    assert_eq!(
        keys(&json["weeks"][2]),
        "drifted_share frozen frozen_corrected rows seasonal_naive week"
    );
    assert_eq!(
        keys(&json["tracks"][0]),
        "policy promotions right strategy summary weeks wrong"
    );
    let week = &json["tracks"][0]["weeks"][1];
    assert_eq!(keys(week), "best judged live_mae next_week week");
    assert_eq!(keys(&week["best"]), "corrected mae version");
    assert_eq!(keys(&week["next_week"]), "live_mae previous_champion right");
    assert_eq!(
        week["judged"]["verdicts"],
        json!({ "fixed_test": false, "guarded": true })
    );
    assert_eq!(json["champion"]["until"], "2021-02-07");
    assert_eq!(json["notes"], json!([]));

    let text = report.to_string();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for expected in ["2021-W08", "2 promotions: ", "promote", ", new"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("not judged"), "{text}");
    let frozen = text.lines().find(|line| line.contains("frozen: "));
    assert!(frozen.is_some_and(|line| line.contains("+0.0 %")), "{text}");
    let svg = plot::svg(&report);
    for label in ["first champion (", "corrected daily (", "loop, guarded ("] {
        assert!(svg.contains(label), "{svg}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn week_inside_the_training_data_is_played_with_an_earlier_champion() {
    let folder = tempfile::tempdir().unwrap();
    let plan = BacktestPlan {
        from: "2020-12-07".parse().unwrap(),
        to: "2020-12-12".parse().unwrap(),
        champion_until: Some("2020-11-29".parse().unwrap()),
        live_path: None,
        rules: vec![PromotionRule::FixedTest],
        ..three_weeks(folder.path())
    };
    let report = backtest(&plan).await.unwrap();
    assert!(report.fixed_test.is_later && report.notes.len() == 1);
    assert!(report.champion.rows <= 4 * 90 * 24, "{:?}", report.champion);
    // The week is not over when the backtest ends.
    assert!((2 * 6 * 24..=4 * 6 * 24).contains(&report.weeks[0].rows));
    assert_eq!(report.tracks[0].weeks[0].judged, None);
    assert!(report.to_string().contains("not judged"), "{report}");
}

#[tokio::test]
async fn champion_that_knows_its_days_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plan = three_weeks(folder.path());
    for (plan, expected) in [
        (
            BacktestPlan {
                champion_until: Some(plan.from),
                ..plan.clone()
            },
            "--champion-until 2021-02-07",
        ),
        (
            BacktestPlan {
                to: plan.from.plus(-1),
                ..plan.clone()
            },
            "is after --to",
        ),
        (
            BacktestPlan {
                live_path: None,
                ..plan
            },
            "--live-path",
        ),
    ] {
        let error = backtest(&plan).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn strategy_replaces_that_of_the_recipe() {
    let recipe: FineTuneRecipe = r#"{"epochs":7}"#.parse().unwrap();
    for strategy in [StrategyName::Append, StrategyName::SlidingWindow] {
        let replaced = strategy.of_recipe(&recipe).unwrap();
        assert_eq!(strategy_of(&replaced), strategy.name());
        assert_eq!(replaced.epochs, 7);
    }
}
