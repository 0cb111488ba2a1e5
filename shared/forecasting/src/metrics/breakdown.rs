//! The errors of two models by counter, hour of the day, kind of day, and level of the counts.

use serde::{Deserialize, Serialize};

use crate::{
    correction::{BANDS, DayKind, band},
    counts::Counter,
    time::Hour,
};

const DAYS: [&str; 2] = ["workday", "off"];
/// The levels of a counter's mean count, each with its lowest mean in bicycles per hour. Fixed
/// limits keep the groups of different weeks comparable.
const LEVELS: [(&str, f64); 3] = [("below 25", 0.0), ("25 to 75", 25.0), ("75 or more", 75.0)];

/// The count of one counter and hour, with the forecasts of both models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComparedRow {
    /// The position of the counter in a list of counters.
    pub counter: usize,
    /// The hour.
    pub hour: Hour,
    /// The bicycles counted.
    pub count: f64,
    /// The champion's forecast.
    pub champion: f64,
    /// The challenger's forecast.
    pub challenger: f64,
    /// The count of the same hour, one week earlier, if known.
    pub seasonal_naive: Option<f64>,
    /// `false` if the count lies in a run of 24 or more zeros.
    pub is_living: bool,
}

/// The errors of two models by group of rows. Groups without rows are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// One group per counter, those with most bicycles first.
    pub counters: Vec<Group>,
    /// One group per band of local hours: 0-5, 6-9, 10-15, 16-19 and 20-23.
    pub bands: Vec<Group>,
    /// The group of workdays, and that of Saturdays, Sundays and public holidays.
    pub days: Vec<Group>,
    /// One group per level of the counter's mean count in these rows: below 25 bicycles per hour,
    /// 25 to 75, and 75 or more.
    pub levels: Vec<Group>,
}

/// The errors of two models on a group of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The name of the group, for example that of the counter.
    pub name: String,
    /// The number of rows.
    pub rows: usize,
    /// The mean count, in bicycles per hour.
    pub mean_count: f64,
    /// The share of all counted bicycles that this group has, from 0 to 1.
    pub share_of_counts: f64,
    /// The champion's errors.
    pub champion: GroupScores,
    /// The challenger's errors.
    pub challenger: GroupScores,
    /// The mean absolute error of the seasonal naive forecast, over the rows that have one.
    pub seasonal_naive_mae: Option<f64>,
}

/// The errors of one model on a group of rows, in bicycles per hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupScores {
    /// The mean absolute error.
    pub mae: f64,
    /// The mean of the forecasts minus the mean of the counts.
    pub bias: f64,
}

impl Group {
    /// Returns the relative excess of the challenger's error over the champion's: 0.15 if it is
    /// 15 % higher, negative if it is lower.
    pub fn worsening(&self) -> f64 {
        -super::improvement(self.champion.mae, self.challenger.mae)
    }
}

impl Breakdown {
    /// Groups rows. `counters` are those that [`ComparedRow::counter`] refers to.
    pub fn of(rows: &[ComparedRow], counters: &[Counter]) -> Self {
        let mut of_counter = vec![Sums::default(); counters.len()];
        let mut of_band = [Sums::default(); BANDS.len()];
        let mut of_day = [Sums::default(); DAYS.len()];
        let mut all = Sums::default();
        // Local time costs more than the sums, and rows of one hour are neighbours.
        let mut last: Option<(Hour, (usize, usize))> = None;
        for row in rows {
            let known = last.filter(|(hour, _)| *hour == row.hour);
            let (band, day) = known.map_or_else(|| band_and_day(row.hour), |(_, groups)| groups);
            last = Some((row.hour, (band, day)));
            for sums in [
                &mut of_counter[row.counter],
                &mut of_band[band],
                &mut of_day[day],
                &mut all,
            ] {
                sums.add(row);
            }
        }
        let mut of_level = [Sums::default(); LEVELS.len()];
        for sums in of_counter.iter().filter(|sums| sums.rows > 0) {
            of_level[level(sums.mean_count())].merge(sums);
        }
        let names = counters.iter().map(|counter| counter.name.clone());
        let mut by_counter = groups(names, &of_counter, &all);
        by_counter.sort_by(|left, right| right.share_of_counts.total_cmp(&left.share_of_counts));
        let bands = BANDS.map(|(first, last)| format!("{first}-{last} h"));
        Self {
            counters: by_counter,
            bands: groups(bands.into_iter(), &of_band, &all),
            days: groups(DAYS.into_iter().map(str::to_owned), &of_day, &all),
            levels: groups(
                LEVELS.into_iter().map(|(name, _)| name.to_owned()),
                &of_level,
                &all,
            ),
        }
    }
}

/// Returns the positions of an hour's band in [`BANDS`] and of its day in [`DAYS`].
fn band_and_day(hour: Hour) -> (usize, usize) {
    let day = match DayKind::of(hour.day()) {
        DayKind::Workday => 0,
        DayKind::Off => 1,
    };
    (band(hour), day)
}

/// Returns the position of a mean count in [`LEVELS`].
fn level(mean_count: f64) -> usize {
    let level = LEVELS.iter().rposition(|(_, lowest)| *lowest <= mean_count);
    level.unwrap_or_default()
}

fn groups(names: impl Iterator<Item = String>, sums: &[Sums], all: &Sums) -> Vec<Group> {
    names
        .zip(sums)
        .filter(|(_, sums)| sums.rows > 0)
        .map(|(name, sums)| sums.group(name, all))
        .collect()
}

/// The sums over the rows of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    rows: usize,
    counts: f64,
    champion: ErrorSums,
    challenger: ErrorSums,
    seasonal_naive: ErrorSums,
    seasonal_naive_rows: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct ErrorSums {
    errors: f64,
    absolute_errors: f64,
}

impl Sums {
    fn add(&mut self, row: &ComparedRow) {
        self.rows += 1;
        self.counts += row.count;
        self.champion.add(row.champion - row.count);
        self.challenger.add(row.challenger - row.count);
        if let Some(seasonal_naive) = row.seasonal_naive {
            self.seasonal_naive.add(seasonal_naive - row.count);
            self.seasonal_naive_rows += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.counts += other.counts;
        self.champion.merge(other.champion);
        self.challenger.merge(other.challenger);
        self.seasonal_naive.merge(other.seasonal_naive);
        self.seasonal_naive_rows += other.seasonal_naive_rows;
    }

    fn mean_count(&self) -> f64 {
        self.counts / self.rows as f64
    }

    fn group(&self, name: String, all: &Self) -> Group {
        let naive = self.seasonal_naive.scores(self.seasonal_naive_rows).mae;
        Group {
            name,
            rows: self.rows,
            mean_count: self.mean_count(),
            share_of_counts: if all.counts > 0.0 {
                self.counts / all.counts
            } else {
                0.0
            },
            champion: self.champion.scores(self.rows),
            challenger: self.challenger.scores(self.rows),
            seasonal_naive_mae: (self.seasonal_naive_rows > 0).then_some(naive),
        }
    }
}

impl ErrorSums {
    fn add(&mut self, error: f64) {
        self.errors += error;
        self.absolute_errors += error.abs();
    }

    fn merge(&mut self, other: Self) {
        self.errors += other.errors;
        self.absolute_errors += other.absolute_errors;
    }

    fn scores(self, rows: usize) -> GroupScores {
        GroupScores {
            mae: self.absolute_errors / rows as f64,
            bias: self.errors / rows as f64,
        }
    }
}
