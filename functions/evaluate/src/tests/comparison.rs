//! Tests of the comparison, with models of known forecasts: 4 bicycles for each hour by the
//! champion, and 1 by the challenger.

use forecasting::policy::{FreshComparison, ScorePair};
use serde_json::Value;

use super::*;

/// The first day of the frames of [`days`].
const FIRST: &str = "2021-06-28";

/// Returns a frame of days from [`FIRST`], each with 24 equal counts.
fn days(levels: &[u32]) -> Frame {
    let first = day(FIRST);
    let last = first.plus(i32::try_from(levels.len()).unwrap() - 1);
    let level = |hour: Hour| levels[usize::try_from(first.days_until(hour.day())).unwrap()];
    Frame::from_counts(
        &FeatureSpec::for_counters([]),
        &[],
        &counts(first, last, level),
    )
}

/// Returns a fresh holdout of days that follow others.
fn holdout(before: &[u32], levels: &[u32]) -> FreshHoldout {
    let first = day(FIRST).plus(i32::try_from(before.len()).unwrap());
    let first_hour = first.first_hour();
    FreshHoldout::new(days(&[before, levels].concat()), |hour| hour >= first_hour)
}

/// Compares models that forecast 4 and 1 bicycles.
fn compared(fixed: &[u32], fresh: &FreshHoldout) -> Comparison {
    let (champion, challenger) = (constant_model(4), constant_model(1));
    compare(&champion, &challenger, &days(fixed), fresh).unwrap()
}

fn assert_maes(found: &ScorePair, [champion, challenger]: [f64; 2]) {
    assert_near(found.champion.mae, champion);
    assert_near(found.challenger.mae, challenger);
}

#[test]
fn both_models_are_scored_alone_on_the_fixed_test_set() {
    let comparison = compared(&[8, 2], &holdout(&[], &[]));

    // The champion's errors are -4 and 2, the challenger's -7 and -1. The counts have the mean 5
    // and the variance 9.
    let ScorePair {
        champion,
        challenger,
        seasonal_naive,
    } = comparison.fixed_test;
    assert_eq!((champion.rows, challenger.rows), (48, 48));
    assert_near(champion.mae, 3.0);
    assert_near(champion.rmse, 10.0_f64.sqrt());
    assert_near(champion.r2, 1.0 - 10.0 / 9.0);
    assert_near(champion.bias.unwrap(), -1.0);
    assert_near(champion.share.unwrap(), 0.6);
    assert_near(challenger.mae, 4.0);
    assert_near(challenger.rmse, 5.0);
    assert_near(challenger.r2, 1.0 - 25.0 / 9.0);
    assert_near(challenger.bias.unwrap(), -4.0);
    assert_near(challenger.share.unwrap(), 0.8);
    assert_eq!(seasonal_naive, None, "no count is known a week earlier");
    let breakdown = comparison.fixed_test_breakdown.unwrap();
    assert_eq!(breakdown.counters[0].name, "Quai");
    let of_counter = breakdown.counters[0].challenger.unwrap();
    assert_near(of_counter.mae, 4.0);
    assert_near(of_counter.rmse.unwrap(), 5.0);
    assert_near(of_counter.r2.unwrap(), 1.0 - 25.0 / 9.0);
    assert_near(of_counter.share.unwrap(), 0.8);
    // The bands have an equal share of both days.
    let of_band = breakdown.bands[0].challenger.unwrap();
    assert_near(of_band.rmse.unwrap(), 5.0);
}

/// The counter counts nothing on the second of three days.
#[test]
fn living_counters_are_scored_without_the_hours_of_an_outage() {
    let comparison = compared(&[2, 0, 2], &holdout(&[], &[]));
    assert_eq!(comparison.fixed_test.champion.rows, 72);
    let living = comparison.fixed_test_living.unwrap();
    assert_eq!(living.champion.rows, 48);
}

#[test]
fn seasonal_naive_forecast_is_scored_where_a_week_before_is_known() {
    let comparison = compared(&[2, 2, 2, 2, 2, 2, 2, 3], &holdout(&[], &[]));
    let seasonal_naive = comparison.fixed_test.seasonal_naive.unwrap();
    assert_eq!(seasonal_naive.rows, 24);
    assert_near(seasonal_naive.mae, 1.0);
}

/// The expected errors come from `tests/fixtures/make_fixtures.py`.
#[test]
fn fresh_holdout_is_scored_as_served_and_alone() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/served.json")).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let levels = |name: &str| serde_json::from_value::<Vec<u32>>(case[name].clone()).unwrap();
        let pair = |name: &str| serde_json::from_value::<[f64; 2]>(case[name].clone()).unwrap();
        let (before, scored) = (levels("before"), levels("holdout"));
        let FreshComparison {
            scores,
            model_alone,
            bootstrap_lower_bound,
            bootstrap,
            living,
            breakdown,
        } = compared(&[2], &holdout(&before, &scored)).fresh.unwrap();

        assert_eq!(scores.champion.rows, scored.len() * 24);
        assert_maes(&scores, pair("served"));
        assert_maes(&living.unwrap(), pair("served"));
        assert_maes(&model_alone.unwrap(), pair("alone"));
        let breakdown = breakdown.unwrap();
        assert_eq!(breakdown.counters.len(), 1);
        assert_near(breakdown.counters[0].champion.mae, pair("served")[0]);
        let bootstrap = bootstrap.unwrap();
        assert_near(bootstrap.difference, case["difference"].as_f64().unwrap());
        assert_eq!(bootstrap.days, scored.len());
        assert_eq!(bootstrap.lower_bound, bootstrap_lower_bound);
        if scored.len() == 2 {
            let [lower, upper] = pair("bounds_of_two_days");
            assert_near(bootstrap.lower_bound, lower);
            assert_near(bootstrap.upper_bound, upper);
        }
    }
}

#[test]
fn fresh_holdout_of_less_than_two_days_is_omitted() {
    let none: &[u32] = &[];
    for levels in [none, &[8]] {
        assert_eq!(compared(&[8], &holdout(&[2; 28], levels)).fresh, None);
    }
}
