//! Tests of the rules behind the sentences.

use forecasting::policy::{LiveError, Policy, WeekVerdict};
use shared::week_report::{IntervalCoverage, RecentIntervals};

use super::{numbers::four_weeks, standing::limits};

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

#[test]
fn coverage_of_four_weeks_names_its_weeks_and_levels() {
    let interval = |share| IntervalCoverage {
        rows: 900,
        share,
        mean_width: 40.0,
    };
    let recent = RecentIntervals {
        first_day: "2021-07-05".parse().unwrap(),
        last_day: "2021-08-01".parse().unwrap(),
        weeks: 4,
        interval_80: Some(interval(0.81)),
        interval_95: Some(interval(0.94)),
    };
    assert_eq!(
        four_weeks(&recent),
        "In the last four weeks, 81 % of the counts were within the 80 % intervals \
         and 94 % of the counts were within the 95 % intervals."
    );
    let only_80 = RecentIntervals {
        weeks: 3,
        interval_95: None,
        ..recent
    };
    assert_eq!(
        four_weeks(&only_80),
        "In 3 of the last four weeks, 81 % of the counts were within the 80 % intervals."
    );
}
