//! Tests of the rules behind the sentences.

use forecasting::policy::{LiveError, Policy, WeekVerdict};

use super::standing::limits;

#[test]
fn limits_are_those_of_the_verdict() {
    let error = LiveError {
        mae: 11.0,
        test_mae: 15.0,
    };
    let policy = Policy::default();
    for (share, error, expected) in [
        (Some(0.6), Some(error), Some((16.5, 19.5))),
        (None, Some(error), Some((16.5, 19.5))),
        (Some(0.6), None, None),
    ] {
        let verdict = policy.judge_week(share, error);
        assert_eq!(limits(&verdict), expected, "{verdict:?}");
        // Verdicts of earlier versions have the limits in the reason only, rounded.
        let older = WeekVerdict {
            live_mae_limits: None,
            ..verdict
        };
        assert_eq!(limits(&older), expected, "{older:?}");
    }
}

#[test]
fn limits_are_read_from_the_fields_and_not_from_the_reason() {
    let error = LiveError {
        mae: 16.23,
        test_mae: 14.76,
    };
    let verdict = Policy::default().judge_week(None, Some(error));
    let (alarm, _) = limits(&verdict).unwrap();
    // The reason says 16.2, which would put the error above its limit.
    assert!((16.235..16.25).contains(&alarm), "{alarm}");
    let other_words = WeekVerdict {
        reason: "in other words".to_owned(),
        ..verdict.clone()
    };
    assert_eq!(limits(&other_words), limits(&verdict));
}
