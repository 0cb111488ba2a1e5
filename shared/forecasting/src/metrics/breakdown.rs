//! The errors of one or two models by counter, hour, weekday, kind of day, and level of the counts.

mod sums;

use serde::{Deserialize, Serialize};

use crate::{
    correction::{BANDS, DayKind, band},
    counts::Counter,
    time::Hour,
};

use self::sums::{Row, Sums};

const HOURS: usize = 24;
const WEEKDAYS: usize = 7;

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

/// The count of one counter and hour, with its forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastRow {
    /// The position of the counter in a list of counters.
    pub counter: usize,
    /// The hour.
    pub hour: Hour,
    /// The bicycles counted.
    pub count: f64,
    /// The forecast.
    pub forecast: f64,
    /// The count of the same hour, one week earlier, if known.
    pub seasonal_naive: Option<f64>,
    /// `false` if the count lies in a run of 24 or more zeros.
    pub is_living: bool,
}

/// The errors of one or two models by group of rows. Groups without rows are absent.
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
    /// One group per local hour of the day, from `0 h` to `23 h`. A repeated local hour belongs to
    /// its group with both instants. Breakdowns written before this field existed have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Group>,
    /// One cell per weekday and local hour, in this order, over all counters. Breakdowns written
    /// before this field existed have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
}

/// The errors of one or two models on a group of rows.
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
    /// The errors of the champion, or of the only model.
    pub champion: GroupScores,
    /// The errors of the challenger; absent in a breakdown of one model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenger: Option<GroupScores>,
    /// The mean absolute error of the seasonal naive forecast, over the rows that have one.
    pub seasonal_naive_mae: Option<f64>,
    /// The number of rows in runs of 24 or more zeros. Breakdowns written before this field existed
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_hours: Option<usize>,
}

/// The errors of one or two models in one hour of one weekday.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The weekday, from 0 for Monday to 6 for Sunday. A public holiday has its weekday.
    pub weekday: u8,
    /// The local hour, from 0 to 23.
    pub hour: u8,
    /// The number of rows.
    pub rows: usize,
    /// The mean count, in bicycles per hour.
    pub mean_count: f64,
    /// The errors of the champion, or of the only model.
    pub champion: GroupScores,
    /// The errors of the challenger; absent in a breakdown of one model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenger: Option<GroupScores>,
    /// The mean absolute error of the seasonal naive forecast, over the rows that have one.
    pub seasonal_naive_mae: Option<f64>,
}

/// The errors of one model on a group of rows, in bicycles per hour.
///
/// Only the groups of two models have all scores. The cells, the groups of one model and those of
/// earlier versions have `mae` and `bias`, because a page reads the reports of many weeks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupScores {
    /// The mean absolute error.
    pub mae: f64,
    /// The mean of the forecasts minus the mean of the counts.
    pub bias: f64,
    /// The root mean squared error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// The coefficient of determination, as in [`Scores`](super::Scores).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// The sum of the absolute errors divided by the sum of the counts; absent without bicycles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Group {
    /// Returns the relative excess of the challenger's error over the champion's: 0.15 if it is
    /// 15 % higher, negative if it is lower. Returns infinity without a challenger.
    pub fn worsening(&self) -> f64 {
        self.challenger.map_or(f64::INFINITY, |challenger| {
            -super::improvement(self.champion.mae, challenger.mae)
        })
    }
}

impl Breakdown {
    /// Groups the rows of two models. `counters` are those that [`ComparedRow::counter`] refers to.
    pub fn of(rows: &[ComparedRow], counters: &[Counter]) -> Self {
        Self::of_rows(rows.iter().map(Row::from), counters)
    }

    /// Groups the rows of one model. `counters` are those that [`ForecastRow::counter`] refers to.
    pub fn of_forecasts(rows: &[ForecastRow], counters: &[Counter]) -> Self {
        Self::of_rows(rows.iter().map(Row::from), counters)
    }

    fn of_rows(rows: impl Iterator<Item = Row>, counters: &[Counter]) -> Self {
        let mut of_counter = vec![Sums::default(); counters.len()];
        let mut of_band = [Sums::default(); BANDS.len()];
        let mut of_day = [Sums::default(); DAYS.len()];
        let mut of_cell = [Sums::default(); WEEKDAYS * HOURS];
        let mut all = Sums::default();
        // Local time costs more than the sums, and rows of one hour are neighbours.
        let mut last: Option<(Hour, Position)> = None;
        for row in rows {
            let known = last.filter(|(hour, _)| *hour == row.hour);
            let position = known.map_or_else(|| Position::of(row.hour), |(_, position)| position);
            last = Some((row.hour, position));
            for sums in [
                &mut of_counter[row.counter],
                &mut of_band[position.band],
                &mut of_day[position.day],
                &mut of_cell[position.weekday * HOURS + position.hour],
                &mut all,
            ] {
                sums.add(&row);
            }
        }
        let mut of_level = [Sums::default(); LEVELS.len()];
        for sums in of_counter.iter().filter(|sums| sums.rows > 0) {
            of_level[level(sums.mean_count())].merge(sums);
        }
        let mut of_hour = [Sums::default(); HOURS];
        for (number, sums) in of_cell.iter().enumerate() {
            of_hour[number % HOURS].merge(sums);
        }
        let names = counters.iter().map(|counter| counter.name.clone());
        let mut by_counter = groups(names, &of_counter, &all);
        by_counter.sort_by(|left, right| right.share_of_counts.total_cmp(&left.share_of_counts));
        let bands = BANDS.map(|(first, last)| format!("{first}-{last} h"));
        let levels = LEVELS.map(|(name, _)| name.to_owned());
        let hours = (0..HOURS).map(|hour| format!("{hour} h"));
        Self {
            counters: by_counter,
            bands: groups(bands.into_iter(), &of_band, &all),
            days: groups(DAYS.into_iter().map(str::to_owned), &of_day, &all),
            levels: groups(levels.into_iter(), &of_level, &all),
            hours: groups(hours, &of_hour, &all),
            cells: cells(&of_cell),
        }
    }
}

/// The groups of an hour, as positions in their lists.
#[derive(Debug, Clone, Copy)]
struct Position {
    band: usize,
    day: usize,
    weekday: usize,
    hour: usize,
}

impl Position {
    fn of(hour: Hour) -> Self {
        let local = hour.local();
        Self {
            band: band(hour),
            day: match DayKind::of(hour.day()) {
                DayKind::Workday => 0,
                DayKind::Off => 1,
            },
            weekday: local.weekday().unsigned_abs().into(),
            hour: local.hour.unsigned_abs().into(),
        }
    }
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

/// Returns the cells of sums by weekday and hour.
fn cells(sums: &[Sums; WEEKDAYS * HOURS]) -> Vec<Cell> {
    let positions = (0..).flat_map(|weekday| (0..).take(HOURS).map(move |hour| (weekday, hour)));
    positions
        .zip(sums)
        .filter(|(_, sums)| sums.rows > 0)
        .map(|((weekday, hour), sums)| Cell {
            weekday,
            hour,
            rows: sums.rows,
            mean_count: sums.mean_count(),
            champion: sums.champion.scores().unwrap_or_default(),
            challenger: sums.challenger.scores(),
            seasonal_naive_mae: sums.seasonal_naive.scores().map(|scores| scores.mae),
        })
        .collect()
}
