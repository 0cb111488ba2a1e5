//! Parameters, days, weeks and hours.

use std::fmt::Debug;

use forecasting::{
    counts::parse_hour,
    policy::Policy,
    time::{Day, Week},
};
use jiff::Timestamp;
use model::{FineTuneRecipe, TrainRecipe};
use serde::Serialize;

use super::assert_displayed_as_parsed;

/// Parses a text as each kind of parameters and time.
///
/// Asserts that what is parsed is parsed unchanged after formatting, that accepted parameters can
/// take effect, and that a week has one name.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(policy) = text.parse::<Policy>() {
        check_policy(&policy);
    }
    if let Ok(recipe) = text.parse::<FineTuneRecipe>() {
        assert_formatted_as_parsed(&recipe, |json| json.parse().ok());
    }
    if let Ok(recipe) = serde_json::from_str::<TrainRecipe>(text) {
        assert_formatted_as_parsed(&recipe, |json| serde_json::from_str(json).ok());
    }
    assert_displayed_as_parsed::<Timestamp>(text);
    assert_displayed_as_parsed::<Day>(text);
    assert_displayed_as_parsed::<Week>(text);
    if let Ok(week) = text.parse::<Week>() {
        assert_eq!(week.to_string(), text);
        assert_eq!(week.first_day().week(), week);
    }
    if let Ok(day) = text.parse::<Day>() {
        check_day(day);
    }
    if let Ok(day) = Day::from_compact(text) {
        check_day(day);
    }
    if let Ok(hour) = parse_hour(text) {
        assert_eq!(parse_hour(&hour.to_string()), Ok(hour));
    }
}

fn assert_formatted_as_parsed<T: Serialize + PartialEq + Debug>(
    value: &T,
    parse: impl Fn(&str) -> Option<T>,
) {
    let json = serde_json::to_string(value).expect("parameters are valid JSON");
    assert_eq!(parse(&json).as_ref(), Some(value), "{json}");
}

fn check_policy(policy: &Policy) {
    assert_formatted_as_parsed(policy, |json| json.parse().ok());
    let all_columns = policy.judge_week(Some(1.0), None);
    assert!(all_columns.fine_tune, "{policy:?}");
    let training_days = policy.fine_tune_days - policy.fresh_holdout_days;
    let minimum = i64::try_from(policy.fine_tune_minimum_days).unwrap_or(i64::MAX);
    assert!(minimum <= i64::from(training_days), "{policy:?}");
    let week: Week = "2021-W30".parse().expect("the week is valid");
    assert!(Day::of(policy.deadline(week)) > week.last_day());
}

fn check_day(day: Day) {
    if day.date().year() >= 0 {
        assert_eq!(Day::from_compact(&day.compact()).ok(), Some(day));
    }
    // Some days before the Second World War have other lengths.
    if (1950..=9998).contains(&day.date().year()) {
        assert!((23..=25).contains(&day.hours().count()), "{day}");
    }
}
