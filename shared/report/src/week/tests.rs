//! Tests of the rules behind the sentences.

use forecasting::policy::{LiveError, Policy};

use super::verdict::limits;

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
        let reason = policy.judge_week(share, error).reason;
        assert_eq!(limits(&reason), expected, "{reason}");
    }
}
