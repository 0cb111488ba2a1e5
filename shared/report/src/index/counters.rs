//! Counters that are silent, stuck or on another level than usual.

use std::collections::BTreeMap;

use forecasting::{
    counts::{Count, Counts},
    features::{MINIMUM_CONSTANT, MINIMUM_CONSTANT_COUNT, MINIMUM_ZEROS},
    time::Hour,
};

/// The number of days of counts that are looked at.
pub(crate) const DAYS: i32 = 35;
/// The number of last hours whose level is compared with that of the hours before.
const RECENT_HOURS: i32 = 7 * 24;
/// The number of counts that a level needs on either side.
const MINIMUM_COUNTS: usize = 100;
/// The mean of the hours before, below which a level says nothing.
const MINIMUM_MEAN: f64 = 2.0;
/// The shares of the usual level, relative to the city, outside of which a counter is odd.
const USUAL: (f64, f64) = (0.4, 2.5);

/// A counter that needs a look.
#[derive(Clone, Debug, PartialEq)]
pub struct OddCounter {
    /// The display name.
    pub name: String,
    /// The kind of oddity.
    pub kind: Oddity,
    /// The first hour of it.
    pub since: Hour,
    /// `true` if the oddity may have begun before the counts that were looked at.
    pub is_older: bool,
}

/// A reason to look at a counter, from the most to the least certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oddity {
    /// The counter reports no counts.
    Missing,
    /// The counter reports zeros only.
    Zeros,
    /// The counter reports the same count again and again.
    Stuck(u32),
    /// The level has changed: the mean is this multiple of the usual one, relative to the city.
    Level(f64),
}

impl Oddity {
    /// Returns `true` if the counter reports nothing or zeros.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Missing | Self::Zeros)
    }
}

/// Returns the counters that need a look, silent ones first.
pub(super) fn find_odd(counts: &Counts) -> Vec<OddCounter> {
    let Some((first, last)) = counts.period() else {
        return Vec::new();
    };
    let city = change(counts.rows().iter(), last);
    let mut series: BTreeMap<usize, Vec<Count>> = BTreeMap::new();
    for row in counts.rows() {
        series.entry(row.counter.position()).or_default().push(*row);
    }
    let mut odd = Vec::new();
    for rows in series.values_mut() {
        rows.sort_unstable_by_key(|row| row.hour);
        let Some((kind, since)) = oddity(rows, last, city) else {
            continue;
        };
        let Some(row) = rows.first() else { continue };
        odd.push(OddCounter {
            name: counts.counter(row.counter).name.clone(),
            kind,
            since,
            is_older: since == row.hour && row.hour == first,
        });
    }
    odd.sort_by(|left, right| {
        let order = |counter: &OddCounter| (!counter.kind.is_silent(), counter.since);
        order(left)
            .cmp(&order(right))
            .then_with(|| left.name.cmp(&right.name))
    });
    odd
}

/// Returns the oddity of a counter, whose rows are sorted by hour, and its first hour.
fn oddity(rows: &[Count], last: Hour, city: Option<f64>) -> Option<(Oddity, Hour)> {
    let newest = rows.last()?;
    if newest.hour.plus(MINIMUM_ZEROS as i32) <= last {
        return Some((Oddity::Missing, newest.hour.plus(1)));
    }
    let run = rows
        .iter()
        .rev()
        .take_while(|row| row.count == newest.count)
        .count();
    let since = rows[rows.len() - run].hour;
    if newest.count == 0 && run >= MINIMUM_ZEROS {
        return Some((Oddity::Zeros, since));
    }
    if newest.count >= MINIMUM_CONSTANT_COUNT && run >= MINIMUM_CONSTANT {
        return Some((Oddity::Stuck(newest.count), since));
    }
    let level = change(rows.iter(), last)? / city?;
    let is_usual = (USUAL.0..=USUAL.1).contains(&level);
    (!is_usual && level.is_finite()).then(|| (Oddity::Level(level), last.plus(1 - RECENT_HOURS)))
}

/// Returns the mean of the last week as a multiple of the mean before; `None` with too few counts
/// or too little traffic.
fn change<'a>(rows: impl Iterator<Item = &'a Count>, last: Hour) -> Option<f64> {
    let start = last.plus(1 - RECENT_HOURS);
    let (mut recent, mut before) = ((0_usize, 0_u64), (0_usize, 0_u64));
    for row in rows {
        let side = if row.hour >= start {
            &mut recent
        } else {
            &mut before
        };
        side.0 += 1;
        side.1 += u64::from(row.count);
    }
    if recent.0 < MINIMUM_COUNTS || before.0 < MINIMUM_COUNTS {
        return None;
    }
    let mean = |(number, sum): (usize, u64)| sum as f64 / number as f64;
    (mean(before) >= MINIMUM_MEAN).then(|| mean(recent) / mean(before))
}

#[cfg(test)]
mod tests {
    use forecasting::{counts::Counter, time::Day};

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn missing_and_stuck_counters_are_told_apart() {
        let mut counts = Counts::default();
        let first = day("2021-08-01").first_hour();
        for (name, last, fixed) in [
            ("Quai", 100, None),
            ("Gone", 60, None),
            ("Stuck", 100, Some(7)),
        ] {
            let counter = counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            });
            for hour in 0..last {
                let varying = u32::try_from(hour % 24).unwrap();
                let count = fixed.filter(|_| hour >= 90).unwrap_or(varying);
                counts.push(counter, first.plus(hour), count);
            }
        }
        let found: Vec<_> = find_odd(&counts)
            .into_iter()
            .map(|odd| (odd.name, odd.kind, odd.since))
            .collect();
        let expected = [
            ("Gone".to_owned(), Oddity::Missing, first.plus(60)),
            ("Stuck".to_owned(), Oddity::Stuck(7), first.plus(90)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn changed_level_is_odd_relative_to_the_city() {
        let mut counts = Counts::default();
        let first = day("2021-08-02").first_hour();
        for number in 0..10 {
            let counter = counts.intern(Counter {
                id: None,
                name: format!("Quai {number}"),
                coordinates: None,
            });
            for hour in 0..28 * 24 {
                let level = if number == 9 && hour >= 21 * 24 { 5 } else { 1 };
                let varying = 3 + u32::try_from(hour % 7).unwrap();
                counts.push(counter, first.plus(hour), varying * level);
            }
        }
        let odd = find_odd(&counts);
        let [lane] = &odd[..] else { panic!("{odd:?}") };
        assert_eq!(
            (lane.name.as_str(), lane.since),
            ("Quai 9", first.plus(21 * 24))
        );
        // The city has 14/10 of its level, so five times the level is 50/14 of the city's change.
        let Oddity::Level(level) = lane.kind else {
            panic!("{lane:?}")
        };
        assert!((level - 50.0 / 14.0).abs() < 1e-9, "{level}");
    }
}
