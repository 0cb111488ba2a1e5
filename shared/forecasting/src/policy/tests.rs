use super::*;
use crate::metrics::{Breakdown, DifferenceBound, Group, GroupScores, Scores};

fn scores(mae: f64) -> Scores {
    Scores {
        mae,
        rmse: mae * 2.0,
        r2: 0.9,
        rows: 100,
        bias: None,
        share: None,
    }
}

fn pair(champion: f64, challenger: f64) -> ScorePair {
    ScorePair {
        champion: scores(champion),
        challenger: scores(challenger),
        seasonal_naive: None,
    }
}

fn comparison(fixed_test: ScorePair, fresh: Option<FreshComparison>) -> Comparison {
    Comparison {
        fixed_test,
        fixed_test_living: None,
        fixed_test_breakdown: None,
        fresh,
    }
}

#[test]
fn relation_names_no_infinite_share() {
    for (champion, challenger, expected) in [
        (10.0, 9.0, "10 % lower than"),
        (10.0, 11.0, "10 % higher than"),
        (0.0, 0.0, "about equal to"),
        (0.0, 1.0, "higher than"),
    ] {
        let improvement = pair(champion, challenger).improvement();
        assert_eq!(verdict::relation(improvement), expected);
    }
}

/// Returns a fresh holdout on which the challenger's error is 15 instead of 20, with one large
/// counter and a small one that is much worse.
fn fresh() -> FreshComparison {
    FreshComparison {
        scores: pair(20.0, 15.0),
        living: None,
        model_alone: None,
        bootstrap_lower_bound: 1.0,
        bootstrap: Some(DifferenceBound {
            difference: 5.0,
            probability: 0.97,
            lower_bound_90: 2.0,
            lower_bound: 1.0,
            upper_bound: 9.0,
            days: 7,
        }),
        breakdown: Some(Breakdown {
            counters: vec![
                counter("Quai", 0.97, [20.0, 15.0]),
                counter("Pont", 0.03, [20.0, 40.0]),
            ],
            ..Breakdown::default()
        }),
    }
}

fn counter(name: &str, share_of_counts: f64, [champion, challenger]: [f64; 2]) -> Group {
    let scores = |mae| GroupScores {
        mae,
        ..GroupScores::default()
    };
    Group {
        name: name.to_owned(),
        rows: 168,
        mean_count: 50.0,
        share_of_counts,
        champion: scores(champion),
        challenger: Some(scores(challenger)),
        seasonal_naive_mae: None,
        silent_hours: None,
    }
}

/// Returns [`fresh`] with another probability.
fn with_probability(probability: f64) -> FreshComparison {
    let fresh = fresh();
    FreshComparison {
        bootstrap: fresh.bootstrap.map(|bootstrap| DifferenceBound {
            probability,
            ..bootstrap
        }),
        ..fresh
    }
}

/// Returns [`fresh`] with the errors of one counter.
fn with_counter(share_of_counts: f64, challenger: f64) -> FreshComparison {
    FreshComparison {
        breakdown: Some(Breakdown {
            counters: vec![counter("Quai", share_of_counts, [20.0, challenger])],
            ..Breakdown::default()
        }),
        ..fresh()
    }
}

#[test]
fn default_drift_columns_exclude_the_calendar() {
    let columns = Policy::default().drift_columns;
    assert_eq!(columns.len(), 20);
    assert!(columns.contains(&"hour".to_owned()) && !columns.contains(&"weekday".to_owned()));
}

#[test]
fn week_is_judged_by_drift_and_live_error() {
    let policy = Policy::default();
    let live = |mae| {
        Some(LiveError {
            mae,
            test_mae: 10.0,
        })
    };
    let rows = [
        // drifted share, live error, (dataset_drift, fine_tune, major)
        (Some(0.49), live(10.0), (false, false, false)),
        (Some(0.50), live(10.0), (true, true, false)),
        (Some(0.50), None, (true, true, false)),
        (Some(0.00), None, (false, false, false)),
        (Some(0.00), live(11.0), (false, false, false)),
        (Some(0.00), live(11.1), (false, true, false)),
        (Some(0.00), live(13.1), (false, true, true)),
        (None, live(11.0), (false, false, false)),
        (None, live(11.1), (false, true, false)),
    ];
    for (share, live, expected) in rows {
        let verdict = policy.judge_week(share, live);
        assert_eq!(
            (verdict.dataset_drift, verdict.fine_tune, verdict.major),
            expected,
            "{}",
            verdict.reason
        );
    }
}

/// 2021-W30 ends on Sunday, 2021-08-01. Paris is two hours ahead of UTC.
#[test]
fn week_is_judged_at_the_latest_from_wednesday_on() {
    for (policy, expected) in [
        ("{}", "2021-08-03T22:00:00Z"),
        (r#"{"judge_after_days":0}"#, "2021-08-01T22:00:00Z"),
    ] {
        let policy: Policy = policy.parse().unwrap();
        let deadline = policy.deadline("2021-W30".parse().unwrap());
        assert_eq!(deadline.to_string(), expected);
    }
}

#[test]
fn reason_of_a_week_names_the_limits_as_numbers() {
    let policy = Policy::default();
    let live = |mae| {
        Some(LiveError {
            mae,
            test_mae: 15.5,
        })
    };
    let reason = |share, live| policy.judge_week(share, live).reason;
    assert_eq!(
        reason(Some(0.6), live(18.6)),
        "60 % of the columns drifted (alarm from 50 %); live MAE 18.6 is 20 % higher than the champion's 15.5 \
         on the fixed test set (alarm from 17.1, major drift from 20.2)"
    );
    assert!(reason(None, live(7.75)).contains("live MAE 7.8 is 50 % lower than the champion's"));
}

#[test]
fn verdict_has_the_limits_of_its_policy() {
    let policy: Policy = r#"{"live_mae_tolerance":0.25,"live_mae_major":0.5}"#
        .parse()
        .unwrap();
    let live = LiveError {
        mae: 12.0,
        test_mae: 16.0,
    };
    let verdict = policy.judge_week(Some(0.6), Some(live));
    let expected = LiveLimits {
        alarm: 20.0,
        major: 24.0,
    };
    assert_eq!(verdict.live_mae_limits, Some(expected));
    assert_eq!(policy.judge_week(Some(0.6), None).live_mae_limits, None);
}

#[test]
fn fixed_test_rule_requires_more_than_five_percent() {
    let policy = Policy::default();
    for (challenger, expected) in [(9.49, true), (9.5, false), (9.6, false), (f64::NAN, false)] {
        let verdicts = policy.judge_challenger(&comparison(pair(10.0, challenger), None));
        assert_eq!(verdicts.acting().promote, expected, "{challenger}");
    }
}

#[test]
fn reason_of_the_fixed_test_rule_names_the_limit_as_a_number() {
    let policy = Policy::default();
    for (challenger, expected) in [
        (
            15.1,
            "15.10 bicycles an hour, 1.3 % lower than the champion's 15.30",
        ),
        (
            15.3,
            "15.30 bicycles an hour, about equal to the champion's 15.30",
        ),
        (
            16.0,
            "16.00 bicycles an hour, 4.6 % higher than the champion's 15.30",
        ),
    ] {
        let verdicts = policy.judge_challenger(&comparison(pair(15.3, challenger), None));
        assert_eq!(
            verdicts.fixed_test.reason,
            format!(
                "on the fixed test set the challenger's error is {expected}; \
                 more than 5 % lower is required (below 14.54)"
            )
        );
    }
}

#[test]
fn guarded_rule_requires_all_four_conditions() {
    let policy: Policy = r#"{"promotion":"guarded"}"#.parse().unwrap();
    let on_fresh = |challenger| FreshComparison {
        scores: pair(20.0, challenger),
        ..fresh()
    };
    let rows = [
        // fixed test set, fresh holdout, promote, part of the reason
        (10.2, Some(fresh()), true, "all four conditions are met: "),
        (
            10.21,
            Some(fresh()),
            false,
            "not met: on the fixed test set",
        ),
        (10.0, Some(on_fresh(19.7)), true, "1.5 % lower than"),
        (10.0, Some(on_fresh(19.81)), false, "not met: as served on"),
        (10.0, Some(with_probability(0.9)), true, "is 0.90 (0.90 is"),
        (
            10.0,
            Some(with_probability(0.89)),
            false,
            "not met: the probability",
        ),
        (
            10.0,
            Some(with_counter(0.031, 23.0)),
            true,
            "at worst Quai, 15 % higher",
        ),
        (
            10.0,
            Some(with_counter(0.031, 23.1)),
            false,
            "too high for Quai with 3.1 %",
        ),
        (
            10.0,
            Some(with_counter(0.03, 40.0)),
            true,
            "no counter is that large",
        ),
        (9.0, None, false, "no fresh holdout"),
    ];
    for (challenger, fresh, expected, part) in rows {
        let verdicts = policy.judge_challenger(&comparison(pair(10.0, challenger), fresh));
        let Verdict { promote, reason } = verdicts.acting();
        assert_eq!(*promote, expected, "{reason}");
        assert!(reason.contains(part), "{reason}");
    }
}

/// Evaluations of earlier versions have a bound instead of the probability, and no breakdown.
#[test]
fn guarded_rule_keeps_the_champion_if_single_counters_are_unknown() {
    let policy: Policy = r#"{"promotion":"guarded"}"#.parse().unwrap();
    let earlier = FreshComparison {
        bootstrap: None,
        breakdown: None,
        ..fresh()
    };
    let verdicts = policy.judge_challenger(&comparison(pair(10.0, 9.0), Some(earlier)));
    let Verdict { promote, reason } = verdicts.acting();
    assert!(!promote, "{reason}");
    assert!(
        reason.starts_with("not met: the errors of single counters are not recorded"),
        "{reason}"
    );
}

#[test]
fn verdicts_name_the_acting_rule_first() {
    let judge = |policy: &str| {
        let policy: Policy = policy.parse().unwrap();
        policy.judge_challenger(&comparison(pair(10.0, 9.9), Some(fresh())))
    };
    for (policy, acting, other) in [
        (
            "{}",
            "fixed-test keeps the champion: on the fixed",
            "guarded, which does not act, would promote the challenger: all four",
        ),
        (
            r#"{"promotion":"guarded"}"#,
            "guarded promotes the challenger: all four",
            "fixed-test, which does not act, would keep the champion: on the fixed",
        ),
    ] {
        let [first, second] = judge(policy).sentences();
        assert!(first.starts_with(acting), "{first}");
        assert!(second.starts_with(other), "{second}");
    }
}

#[test]
fn invalid_policy_is_rejected_naming_the_field() {
    let rows = [
        (r#"{"drift_shares":0.4}"#, "drift_shares"),
        (r#"{"drift_share":-1}"#, "drift_share"),
        (r#"{"drift_share":1.01}"#, "drift_share"),
        (r#"{"fine_tune_minimum_days":24}"#, "fine_tune_minimum_days"),
        (r#"{"fine_tune_days":13}"#, "fine_tune_minimum_days"),
        (r#"{"drift_columns":["month"]}"#, "`month`"),
        (r#"{"live_mae_major":0.05}"#, "live_mae_major"),
        (r#"{"fine_tune_days":7}"#, "fine_tune_days"),
        (r#"{"judge_after_days":7}"#, "judge_after_days"),
        (r#"{"judge_after_days":-1}"#, "judge_after_days"),
        (r#"{"fresh_probability":1.1}"#, "fresh_probability"),
        (r#"{"counter_share":-0.1}"#, "counter_share"),
        (r#"{"counter_tolerance":-0.1}"#, "counter_tolerance"),
    ];
    for (text, expected) in rows {
        let error = text.parse::<Policy>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!("{}".parse::<Policy>().unwrap(), Policy::default());
    for text in [
        r#"{"drift_share":1}"#,
        r#"{"fine_tune_minimum_days":23}"#,
        r#"{"fine_tune_days":14}"#,
    ] {
        assert!(text.parse::<Policy>().is_ok(), "{text}");
    }
}
