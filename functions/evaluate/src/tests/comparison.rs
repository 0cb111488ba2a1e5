//! Tests of the comparison, with models of known forecasts and scores computed by hand.

use forecasting::policy::ScorePair;

use super::*;

/// Returns a frame of days from 2021-07-26, each with 24 equal counts.
fn days(levels: &[u32]) -> Frame {
    let first = day("2021-07-26");
    let last = first.plus(i32::try_from(levels.len()).unwrap() - 1);
    let level = |hour: Hour| levels[usize::try_from(first.days_until(hour.day())).unwrap()];
    Frame::from_counts(
        &FeatureSpec::for_counters([]),
        &[],
        &counts(first, last, level),
    )
}

/// Compares two models on a fresh holdout, and returns the bound.
fn bound(champion: u32, challenger: u32, fresh: &[u32]) -> f64 {
    let (champion, challenger) = (constant_model(champion), constant_model(challenger));
    let comparison = compare(&champion, &challenger, &days(&[8]), &days(fresh)).unwrap();
    comparison.fresh.unwrap().bootstrap_lower_bound
}

#[test]
fn both_models_are_scored_on_both_sets() {
    let (champion, challenger) = (constant_model(10), constant_model(7));
    let comparison = compare(&champion, &challenger, &days(&[12, 4]), &days(&[8, 4, 9])).unwrap();

    // The champion's errors are 2 and 6, the challenger's 5 and 3. The counts have the mean 8 and
    // the variance 16.
    let ScorePair {
        champion,
        challenger,
    } = comparison.fixed_test;
    assert_eq!((champion.rows, challenger.rows), (48, 48));
    assert_near(champion.mae, 4.0);
    assert_near(champion.rmse, 20.0_f64.sqrt());
    assert_near(champion.r2, 1.0 - 20.0 / 16.0);
    assert_near(challenger.mae, 4.0);
    assert_near(challenger.rmse, 17.0_f64.sqrt());
    assert_near(challenger.r2, 1.0 - 17.0 / 16.0);

    // The champion's errors are 2, 6 and 1, the challenger's 1, 3 and 2.
    let fresh = comparison.fresh.unwrap().scores;
    assert_eq!((fresh.champion.rows, fresh.challenger.rows), (72, 72));
    assert_near(fresh.champion.mae, 3.0);
    assert_near(fresh.challenger.mae, 2.0);
}

#[test]
fn equal_errors_have_the_bound_0() {
    assert_near(bound(10, 10, &[8, 4, 12]), 0.0);
    // The forecasts 10 and 6 of the count 8 differ, but their errors do not.
    assert_near(bound(10, 6, &[8, 8, 8]), 0.0);
}

/// The challenger's error is lower by 1 on the first day, and by 3 on the second. A quarter of the
/// resamples has the first day twice, so the 5 % quantile is 1. If hours were resampled instead of
/// days, it would be close to the mean of 2.
#[test]
fn challenger_that_is_better_on_every_day_has_a_positive_bound() {
    assert_near(bound(10, 7, &[8, 4]), 1.0);
    assert_near(bound(7, 10, &[8, 4]), -3.0);
}

/// The challenger's error is lower by 3 on the first day, and higher by 1 on the second.
#[test]
fn challenger_that_is_worse_on_one_of_two_days_has_a_negative_bound() {
    assert_near(bound(10, 7, &[4, 9]), -1.0);
}

#[test]
fn fresh_holdout_of_less_than_two_days_is_omitted() {
    let (champion, challenger) = (constant_model(10), constant_model(7));
    for fresh in [days(&[]), days(&[8])] {
        let comparison = compare(&champion, &challenger, &days(&[8]), &fresh).unwrap();
        assert_eq!(comparison.fresh, None);
    }
}
