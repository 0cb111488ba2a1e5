use super::*;

fn scores(mae: f64) -> Scores {
    Scores {
        mae,
        rmse: mae * 2.0,
        r2: 0.9,
        rows: 100,
    }
}

fn pair(champion: f64, challenger: f64) -> ScorePair {
    ScorePair {
        champion: scores(champion),
        challenger: scores(challenger),
    }
}

fn fresh(champion: f64, challenger: f64, bootstrap_lower_bound: f64) -> Option<FreshComparison> {
    Some(FreshComparison {
        scores: pair(champion, challenger),
        bootstrap_lower_bound,
    })
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
fn fixed_test_rule_requires_more_than_five_percent() {
    let policy = Policy::default();
    for (challenger, expected) in [(9.49, true), (9.5, false), (9.6, false), (f64::NAN, false)] {
        let verdicts = policy.judge_challenger(&Comparison {
            fixed_test: pair(10.0, challenger),
            fresh: None,
        });
        assert_eq!(verdicts.acting().promote, expected, "{challenger}");
    }
}

#[test]
fn guarded_rule_requires_all_three_conditions() {
    let policy: Policy = r#"{"promotion":"guarded"}"#.parse().unwrap();
    let rows = [
        (10.1, fresh(20.0, 15.0, 1.0), true),
        (10.3, fresh(20.0, 15.0, 1.0), false),
        (10.1, fresh(20.0, 15.0, 0.0), false),
        (10.1, fresh(20.0, 19.5, 0.2), false),
        (9.0, None, false),
    ];
    for (challenger, fresh, expected) in rows {
        let verdicts = policy.judge_challenger(&Comparison {
            fixed_test: pair(10.0, challenger),
            fresh,
        });
        assert_eq!(
            verdicts.acting().promote,
            expected,
            "{}",
            verdicts.acting().reason
        );
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
