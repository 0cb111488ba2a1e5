//! Tests of coverages.

use super::*;
use crate::counts::Counter;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn week() -> (Day, Day) {
    (day("2021-07-26"), day("2021-08-01"))
}

/// Returns counts of counters named 1, 2, …: those that `is_counted` accepts, from the day
/// before the week to its end.
fn counts(counters: u32, is_counted: impl Fn(u32, Hour) -> bool) -> Counts {
    let (first, last) = week();
    let mut counts = Counts::default();
    for number in 1..=counters {
        let counter = counts.intern(Counter {
            id: None,
            name: number.to_string(),
            coordinates: None,
        });
        first
            .plus(-1)
            .through(last)
            .flat_map(Day::hours)
            .filter(|hour| is_counted(number, *hour))
            .for_each(|hour| counts.push(counter, hour, 1));
    }
    counts
}

#[test]
fn complete_week_has_all_days_hours_and_counters() {
    let coverage = Coverage::of(&counts(56, |_, _| true), week(), |_| true);
    assert!(coverage.is_complete() && coverage.has_all_days());
    assert_eq!(
        coverage.to_string(),
        "7 of 7 days, 9,408 of 9,408 hours, 56 counters"
    );
}

#[test]
fn missing_day_is_named() {
    let missing = day("2021-07-27");
    let counts = counts(56, |_, hour| hour.day() != missing);
    let coverage = Coverage::of(&counts, week(), |_| true);
    assert!(!coverage.is_complete() && !coverage.has_all_days());
    assert_eq!(
        coverage.to_string(),
        "6 of 7 days, 8,064 of 9,408 hours, 56 counters; missing 2021-07-27"
    );
}

#[test]
fn week_with_a_single_count_has_one_partial_day() {
    let (first, _) = week();
    let only = first.first_hour();
    let counts = counts(2, |number, hour| hour < only || (number, hour) == (1, only));
    let coverage = Coverage::of(&counts, week(), |_| true);
    assert_eq!(coverage.silent_counters, ["2"]);
    assert_eq!(
        coverage.to_string(),
        "1 of 7 days, 1 of 336 hours, 1 of 2 counters; missing 2021-07-27 to 2021-08-01; \
         partial 2021-07-26; without counts: 2"
    );
}

/// A counter that stops during the week, one that appears in it, and one with a gap of a night.
#[test]
fn counter_that_lacks_a_day_is_named() {
    let (thursday, friday) = (day("2021-07-29"), day("2021-07-30"));
    let counts = counts(56, |number, hour| match number {
        7 => hour < thursday.first_hour(),
        8 => hour >= friday.first_hour(),
        9 => hour.day() != thursday || hour >= thursday.first_hour().plus(23),
        _ => true,
    });
    let coverage = Coverage::of(&counts, week(), |_| true);
    assert!(coverage.has_all_days() && !coverage.is_complete());
    assert_eq!(
        coverage.to_string(),
        "7 of 7 days, 9,193 of 9,408 hours, 56 counters; \
         incomplete: 7 72 of 168 hours, 8 72 of 168 hours"
    );
}

#[test]
fn hours_of_missing_days_do_not_make_a_counter_incomplete() {
    let missing = day("2021-07-27");
    let counts = counts(4, |number, hour| {
        hour.day() != missing && (number != 3 || hour < missing.first_hour())
    });
    let coverage = Coverage::of(&counts, week(), |_| true);
    let expected = CounterHours {
        counter: "3".to_owned(),
        hours: 24,
        expected_hours: 144,
    };
    assert_eq!(coverage.incomplete_counters, [expected]);
}

#[test]
fn first_three_counters_are_named_and_the_others_counted() {
    let (first, _) = week();
    let counts = counts(12, |number, hour| hour < first.first_hour() || number > 5);
    let coverage = Coverage::of(&counts, week(), |_| true);
    assert_eq!(
        coverage.to_string(),
        "7 of 7 days, 1,176 of 2,016 hours, 7 of 12 counters; \
         without counts: 1, 2, 3 and 2 more"
    );
}

#[test]
fn half_of_the_counts_of_a_day_suffice() {
    let first = week().0;
    for (hours, has_all_days) in [(12, true), (11, false)] {
        let end = first.first_hour().plus(hours);
        let counts = counts(1, |_, hour| hour.day() != first || hour < end);
        let coverage = Coverage::of(&counts, week(), |_| true);
        assert_eq!(coverage.has_all_days(), has_all_days, "{coverage}");
        assert!(!coverage.is_complete(), "{coverage}");
    }
}

/// Hour by hour or counter by counter, with hours before the period and without an expected hour.
#[test]
fn order_of_the_rows_does_not_change_the_coverage() {
    let (rejected, missing) = (day("2021-07-28").first_hour().plus(3), day("2021-07-30"));
    let by_counter = counts(9, |number, hour| {
        hour.day() != missing && hour.number() % 40 != i32::try_from(number).unwrap()
    });
    let mut by_hour = by_counter.clone();
    by_hour.deduplicate();
    assert_ne!(by_hour.rows(), by_counter.rows());
    let coverage = |counts| Coverage::of(counts, week(), |hour| hour != rejected);
    assert_eq!(coverage(&by_hour), coverage(&by_counter));
    assert_eq!(coverage(&by_hour).missing_days, [missing]);
}

#[test]
fn rejected_hours_are_not_expected() {
    let noon = day("2021-07-31").first_hour().plus(12);
    let coverage = Coverage::of(&counts(1, |_, hour| hour > noon), week(), |hour| {
        hour >= noon
    });
    assert_eq!(
        coverage.to_string(),
        "2 of 2 days, 35 of 36 hours, 1 counter"
    );
}

/// The public data have 24 of the 25 hours of 2020-10-25.
#[test]
fn repeated_hour_of_autumn_is_not_expected() {
    let autumn = day("2020-10-25");
    let mut counts = Counts::default();
    let counter = counts.intern(Counter {
        id: None,
        name: "1".to_owned(),
        coordinates: None,
    });
    for hour in autumn.hours().skip(1) {
        counts.push(counter, hour, 1);
    }
    let coverage = Coverage::of(&counts, (autumn, autumn), |_| true);
    assert!(coverage.is_complete(), "{coverage}");
    assert_eq!(coverage.expected_hours, 24);
}

#[test]
fn period_without_any_count_has_no_days() {
    let coverage = Coverage::of(&Counts::default(), week(), |_| true);
    assert!(!coverage.has_all_days());
    assert_eq!(
        coverage.to_string(),
        "0 of 7 days, 0 of 0 hours, 0 counters; missing 2021-07-26 to 2021-08-01"
    );
}
