use proptest::{collection::vec, prelude::*};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns an observation of every hour of a day for the counter 0.
fn observations(day: Day, forecast: f64, count: f64) -> Vec<Observation> {
    day.hours()
        .map(|hour| Observation {
            counter: 0,
            hour,
            forecast,
            count: Some(count),
            silent: false,
        })
        .collect()
}

fn noon(text: &str) -> Hour {
    Hour::containing(day(text).at(12))
}

#[test]
fn weekends_and_public_holidays_are_days_off() {
    for (text, expected) in [
        ("2021-07-12", DayKind::Workday),
        ("2021-07-13", DayKind::Workday),
        ("2021-07-14", DayKind::Off),
        ("2021-07-16", DayKind::Workday),
        ("2021-07-17", DayKind::Off),
        ("2021-07-18", DayKind::Off),
    ] {
        assert_eq!(DayKind::of(day(text)), expected, "{text}");
    }
}

#[test]
fn bands_cover_the_day_without_gaps() {
    let hours: Vec<_> = BANDS
        .iter()
        .flat_map(|(first, last)| *first..=*last)
        .collect();
    assert_eq!(hours, (0..24).collect::<Vec<_>>());
    for (position, (first, last)) in BANDS.iter().enumerate() {
        assert_eq!(
            (band_of_local(*first), band_of_local(*last)),
            (position, position)
        );
    }
}

#[test]
fn both_instants_of_the_repeated_hour_are_in_the_night_band() {
    let hours: Vec<_> = day("2020-10-25").hours().collect();
    let night = hours.iter().filter(|hour| band(**hour) == 0).count();
    assert_eq!((hours.len(), night), (25, 7));
}

#[test]
fn nothing_learned_is_a_factor_of_one() {
    let mut correction = Correction::new(2);
    assert_eq!(correction.factor(1, noon("2021-07-20")), 1.0);
    correction.learn(
        day("2021-07-19"),
        &observations(day("2021-07-19"), 10.0, 20.0),
    );
    assert_eq!(correction.factor(1, noon("2021-07-20")), 1.0);
    assert!(correction.factor(0, noon("2021-07-20")) > 1.0);
}

/// The band of one workday has six hours with 10 bicycles instead of 20, so the factor is
/// (60 + 5 · 120 + 1) / (120 + 5 · 120 + 1). For a day off, the workday weighs 0.1, and the factor
/// is (6 + 5 · 120 + 1) / (12 + 5 · 120 + 1).
#[test]
fn factor_after_one_day_is_that_of_the_formula() {
    let mut correction = Correction::new(1);
    correction.learn(
        day("2021-07-19"),
        &observations(day("2021-07-19"), 20.0, 10.0),
    );
    let factor = |text| correction.factor(0, noon(text));
    assert!((factor("2021-07-20") - 661.0 / 721.0).abs() < 1e-12);
    assert!((factor("2021-07-24") - 607.0 / 613.0).abs() < 1e-12);
}

#[test]
fn days_without_rows_decay_the_sums() {
    let mut rows = observations(day("2021-07-19"), 20.0, 10.0);
    rows.extend(observations(day("2021-07-23"), 20.0, 20.0));
    let factors = correct(&rows);
    let mut correction = Correction::new(1);
    correction.learn(day("2021-07-19"), &rows[..24]);
    for text in ["2021-07-20", "2021-07-21", "2021-07-22"] {
        correction.learn(day(text), &[]);
    }
    assert_eq!(factors[36], correction.factor(0, noon("2021-07-23")));
    // 3 of the 3.5 days of the half-life have passed since the day was learned.
    let weight = 0.5_f64.powf(3.0 / 3.5);
    let expected = (60.0 * weight + 601.0) / (120.0 * weight + 601.0);
    assert!((factors[36] - expected).abs() < 1e-12, "{}", factors[36]);
}

#[test]
fn days_are_split_at_local_midnight() {
    let mut rows = observations(day("2021-07-19"), 1.0, 1.0);
    rows.extend(observations(day("2021-07-21"), 1.0, 1.0));
    let days: Vec<_> = by_day(&rows).map(|(day, rows)| (day, rows.len())).collect();
    let expected = [("2021-07-19", 24), ("2021-07-20", 0), ("2021-07-21", 24)];
    assert_eq!(days, expected.map(|(text, rows)| (day(text), rows)));
    assert_eq!(by_day(&[]).count(), 0);
}

/// Returns observations of two counters over the hours from 2021-07-19 on.
fn any_rows() -> impl Strategy<Value = Vec<Observation>> {
    let first = day("2021-07-12").first_hour();
    let row = (
        0..2_usize,
        0.0..500.0_f64,
        proptest::option::of(0..500_u32),
        proptest::bool::weighted(0.1),
    );
    vec(row, 1..400).prop_map(move |rows| {
        let rows = (0..).zip(rows);
        rows.map(
            |(position, (counter, forecast, count, silent))| Observation {
                counter,
                hour: first.plus(position),
                forecast,
                count: count.map(f64::from),
                silent,
            },
        )
        .collect()
    })
}

proptest! {
    #[test]
    fn factor_is_between_a_half_and_two(rows in any_rows()) {
        for factor in correct(&rows) {
            prop_assert!((0.5..=2.0).contains(&factor), "{factor}");
        }
    }

    #[test]
    fn exact_forecasts_are_not_changed(rows in any_rows()) {
        let exact: Vec<_> = rows
            .iter()
            .map(|row| Observation { count: Some(row.forecast), ..*row })
            .collect();
        for factor in correct(&exact) {
            prop_assert!((factor - 1.0).abs() < 1e-12, "{factor}");
        }
    }

    #[test]
    fn counts_of_a_day_change_only_later_days(rows in any_rows(), position in 0..400_usize) {
        let day = rows[position % rows.len()].hour.day();
        let changed: Vec<_> = rows
            .iter()
            .map(|row| Observation {
                count: row.count.filter(|_| row.hour.day() < day),
                ..*row
            })
            .collect();
        for ((row, before), after) in rows.iter().zip(correct(&rows)).zip(correct(&changed)) {
            prop_assert!(row.hour.day() > day || before == after, "{}", row.hour);
        }
    }

    #[test]
    fn silent_and_unknown_rows_teach_nothing(rows in any_rows()) {
        let changed: Vec<_> = rows
            .iter()
            .map(|row| match row.evidence() {
                Some(_) => *row,
                None => Observation { forecast: 9_999.0, ..*row },
            })
            .collect();
        prop_assert_eq!(correct(&rows), correct(&changed));
    }
}
