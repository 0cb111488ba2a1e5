//! Features compared with a slow implementation that follows their definition word by word.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::features::{LAGS_DAYS, MINIMUM_CONSTANT, MINIMUM_ZEROS, WINDOWS_DAYS};

/// The days of counts before the first row.
const BEFORE: i32 = 31;
/// The days of rows.
const DAYS: i32 = 2;
const HOURS: usize = 24 * (BEFORE + DAYS + 1) as usize;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn features_agree_with_their_definition(day in days(), series in series()) {
        let known = known(day, &series);
        let frame = frame(day, &known);
        for (position, row) in frame.rows().iter().enumerate() {
            let (expected, is_silent) = features(row.hour, &known);
            let actual = &frame.values()[position * COLUMNS.len()..][8..COLUMNS.len()];
            for ((actual, expected), column) in actual.iter().zip(expected).zip(&COLUMNS[8..]) {
                prop_assert!(
                    (actual - expected).abs() <= 1e-4 * expected || actual.is_nan() && expected.is_nan(),
                    "{} {column}: {actual} instead of {expected}", row.hour
                );
            }
            prop_assert_eq!(frame.silent()[position], is_silent, "{}", row.hour);
            let outage = outages(&known).get(&row.hour).copied().unwrap_or_default();
            prop_assert_eq!(frame.outages()[position], outage, "{}", row.hour);
        }
    }

    #[test]
    fn features_use_only_counts_before_their_day(day in days(), series in series(), other in series()) {
        let (known, other) = (known(day, &series), known(day, &other));
        let mut changed = known.clone();
        changed.retain(|hour, _| *hour < day.first_hour());
        changed.extend(other.into_iter().filter(|(hour, _)| *hour >= day.first_hour()));
        let of_day = |known| frame(day, known).filter(|row| row.hour.day() == day);
        let (before, after) = (of_day(&known), of_day(&changed));
        let bits = |frame: &Frame| frame.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&before), bits(&after));
        prop_assert_eq!(before.silent(), after.silent());
    }
}

/// Generates days on which the clocks change, and up to 30 days later.
fn days() -> impl Strategy<Value = Day> {
    let changes = prop_oneof![Just("2020-10-25"), Just("2021-03-28")];
    (changes, 0..=30).prop_map(|(change, later)| change.parse::<Day>().unwrap().plus(later))
}

/// Generates successive hours with runs of equal counts and of missing counts.
fn series() -> impl Strategy<Value = Vec<Option<u32>>> {
    let count = prop_oneof![
        2 => Just(None),
        3 => Just(Some(0)),
        2 => Just(Some(4)),
        2 => Just(Some(5)),
        3 => (0..300_u32).prop_map(Some),
    ];
    let length = prop_oneof![4 => 1..5_usize, 2 => 5..8_usize, 1 => 20..60_usize];
    prop::collection::vec((count, length), 40..120).prop_map(|runs| {
        let runs = runs
            .into_iter()
            .flat_map(|(count, length)| std::iter::repeat_n(count, length))
            .collect::<Vec<_>>();
        runs.into_iter().cycle().take(HOURS).collect()
    })
}

/// Returns the known counts by hour. The series starts [`BEFORE`] days before `day`.
fn known(day: Day, series: &[Option<u32>]) -> BTreeMap<Hour, u32> {
    let first = day.plus(-BEFORE).first_hour();
    let hours = (0..).map(|hour| first.plus(hour));
    hours
        .zip(series)
        .filter_map(|(hour, count)| count.map(|count| (hour, count)))
        .collect()
}

/// Returns the features of all hours of the days from `day` on.
fn frame(day: Day, known: &BTreeMap<Hour, u32>) -> Frame {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: QUAI.to_owned(),
        coordinates: None,
    });
    known
        .iter()
        .for_each(|(hour, count)| counts.push(quai, *hour, *count));
    let hours = day.through(day.plus(DAYS - 1)).flat_map(Day::hours);
    let spec = FeatureSpec::for_counters(counts.counters());
    Frame::from_rows(
        &spec,
        &History::new(&[&counts]),
        hours.map(|hour| (0, hour)),
    )
}

/// Returns the columns from the first lag on, and the silence of the counter.
fn features(hour: Hour, known: &BTreeMap<Hour, u32>) -> (Vec<f32>, bool) {
    let day = hour.day();
    let start = day.first_hour();
    let known: BTreeMap<_, _> = known
        .range(..start)
        .map(|(hour, count)| (*hour, *count))
        .collect();
    let outages: BTreeSet<_> = outages(&known).into_keys().collect();
    let count = |hour: &Hour| match outages.contains(hour) {
        true => None,
        false => known.get(hour).map(|count| *count as f32),
    };
    let lag = |days: usize| {
        day.plus(-i32::try_from(days).unwrap())
            .hours()
            .find(|earlier| earlier.local().hour == hour.local().hour)
            .and_then(|hour| count(&hour))
    };
    let mut features: Vec<_> = LAGS_DAYS.map(|days| lag(days).unwrap_or(f32::NAN)).into();
    let mut weekly: Vec<_> = [7, 14, 21, 28].into_iter().filter_map(lag).collect();
    weekly.sort_by(f32::total_cmp);
    features.push(mean(&weekly));
    features.push(match weekly.len() {
        0 => f32::NAN,
        length => (weekly[(length - 1) / 2] + weekly[length / 2]) / 2.0,
    });
    for days in WINDOWS_DAYS {
        let first = day.plus(-i32::try_from(days).unwrap()).first_hour();
        let hours = (first.number()..start.number()).map(Hour::from_number);
        let counts: Vec<_> = hours.filter_map(|hour| count(&hour)).collect();
        features.push(mean(&counts));
    }
    let is_silent = known.len() >= MINIMUM_ZEROS
        && known
            .values()
            .rev()
            .take(MINIMUM_ZEROS)
            .all(|count| *count == 0);
    (features, is_silent)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// Returns the hours in outages, found by comparing each known count with the next.
fn outages(known: &BTreeMap<Hour, u32>) -> BTreeMap<Hour, Outage> {
    let rows: Vec<_> = known.iter().collect();
    let mut outages = BTreeMap::new();
    for run in rows.chunk_by(|left, right| left.1 == right.1) {
        let outage = match (*run[0].1, run.len()) {
            (0, MINIMUM_ZEROS..) => Outage::Zeros,
            (5.., MINIMUM_CONSTANT..) => Outage::Constant,
            _ => continue,
        };
        outages.extend(run.iter().map(|(hour, _)| (**hour, outage)));
    }
    outages
}
