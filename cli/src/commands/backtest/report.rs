//! The report of a backtest.

use forecasting::{
    policy::PromotionRule,
    time::{Day, Hour, Week},
};
use serde::Serialize;
use shared::registry::Version;

use super::{
    ChampionReport,
    score::{Scores, VersionErrors, WeeklyErrors},
};
use crate::support::tracks::{JudgedWeek, Played, WeekRows};

/// The report of a backtest. All errors are mean absolute errors in bicycles an hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BacktestReport {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// The first champion, which never learns in the tracks `frozen` and `frozen_corrected`.
    pub champion: ChampionReport,
    /// The fixed test set.
    pub fixed_test: FixedTestReport,
    /// The weeks, with the errors that no policy affects.
    pub weeks: Vec<WeekReport>,
    /// The first champion without correction.
    pub frozen: SeriesSummary,
    /// The first champion with the daily correction.
    pub frozen_corrected: SeriesSummary,
    /// The seasonal naive forecast.
    pub seasonal_naive: SeriesSummary,
    /// The published forecasts of each combination of policy and strategy.
    pub tracks: Vec<TrackReport>,
    /// Facts that the reader must know, as sentences.
    pub notes: Vec<String>,
}

/// The fixed test set of a backtest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FixedTestReport {
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
    /// `true` if it ends after the backtest begins, so that it was not known at that time.
    pub is_later: bool,
}

/// A week with the errors that no policy affects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekReport {
    /// The week.
    pub week: Week,
    /// The number of compared rows: those with a count and a forecast in all tracks.
    pub rows: usize,
    /// The share of drifted columns, from 0 to 1; `None` if the week was not judged.
    pub drifted_share: Option<f64>,
    /// The first champion without correction.
    pub frozen: Option<f64>,
    /// The first champion with the daily correction.
    pub frozen_corrected: Option<f64>,
    /// The seasonal naive forecast, on the rows for which it is known.
    pub seasonal_naive: Option<f64>,
}

/// A track: the loop under one policy and one strategy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackReport {
    /// The rule that decided on promotion.
    pub policy: PromotionRule,
    /// The strategy of the fine-tuning.
    pub strategy: String,
    /// The weeks, as in [`BacktestReport::weeks`].
    pub weeks: Vec<TrackWeek>,
    /// The published forecasts.
    pub summary: SeriesSummary,
    /// The number of promotions.
    pub promotions: usize,
    /// The number of promotions after which the forecasts of the next week were better than those
    /// of the previous champion would have been.
    pub right: usize,
    /// The number of promotions after which they were not.
    pub wrong: usize,
}

/// A week of a track.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackWeek {
    /// The week.
    pub week: Week,
    /// The decisions about the week; `None` if it was not judged.
    pub judged: Option<JudgedWeek>,
    /// The published forecasts.
    pub live_mae: Option<f64>,
    /// The best forecasts that a registered version could have made.
    pub best: Option<Best>,
    /// The week after a promotion; `None` without a promotion, or if the backtest ends before.
    pub next_week: Option<NextWeek>,
}

/// The best in hindsight: the lowest error of a version that was registered by Monday morning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The version.
    pub version: Version,
    /// `true` if the daily correction was applied.
    pub corrected: bool,
    /// The error.
    pub mae: f64,
}

/// The errors in the week after a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NextWeek {
    /// The published forecasts.
    pub live_mae: f64,
    /// The forecasts that the previous champion would have published.
    pub previous_champion: f64,
    /// `true` if the published forecasts were better.
    pub right: bool,
}

/// A series of weekly errors, compared with the first champion without correction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesSummary {
    /// The mean of the weekly errors.
    pub mean: Option<f64>,
    /// The fraction by which the mean is below that of the first champion.
    pub improvement: Option<f64>,
    /// The number of weeks with an error.
    pub weeks: usize,
    /// The number of weeks with a lower error than the first champion's.
    pub better_weeks: usize,
    /// The week with the largest excess over the first champion.
    pub worst: Option<WorstWeek>,
}

/// The week in which a series is worst, compared with the first champion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WorstWeek {
    /// The week.
    pub week: Week,
    /// The fraction by which the error is above the first champion's; negative if it is below.
    pub change: f64,
}

/// The parts that a report is made of.
pub(super) struct Tracks {
    pub(super) days: (Day, Day),
    pub(super) champion: ChampionReport,
    pub(super) scores: Scores,
    pub(super) tracks: Vec<TrackReport>,
}

impl BacktestReport {
    pub(super) fn new(
        parts: Tracks,
        test_period: (Hour, Hour),
        rejected: Vec<(String, u64)>,
    ) -> Self {
        let Tracks {
            days: (from, to),
            champion,
            scores,
            tracks,
        } = parts;
        let fixed_test = FixedTestReport {
            first: test_period.0.day(),
            last: test_period.1.day(),
            is_later: test_period.1.day() >= from,
        };
        let summary = |series: &WeeklyErrors| SeriesSummary::new(series, &scores);
        Self {
            from,
            to,
            champion,
            notes: notes(&fixed_test, rejected),
            fixed_test,
            weeks: weeks(&scores, tracks.first()),
            frozen: summary(&scores.frozen),
            frozen_corrected: summary(&scores.corrected),
            seasonal_naive: summary(&scores.seasonal_naive),
            tracks,
        }
    }
}

fn notes(fixed_test: &FixedTestReport, rejected: Vec<(String, u64)>) -> Vec<String> {
    let mut notes = Vec::new();
    let FixedTestReport {
        first,
        last,
        is_later,
    } = fixed_test;
    if *is_later {
        notes.push(format!(
            "the fixed test set, {first} to {last}, was not known at that time"
        ));
    }
    let rejected = rejected
        .into_iter()
        .map(|(name, rows)| format!("{rows} rows of {name} were rejected"));
    notes.extend(rejected);
    notes
}

/// The drift of a week does not depend on the policy, so any track shows it.
fn weeks(scores: &Scores, track: Option<&TrackReport>) -> Vec<WeekReport> {
    let week = |(position, week): (usize, &WeekRows)| {
        let of_track = track.and_then(|track| track.weeks.get(position));
        let judged = of_track.and_then(|week| week.judged.as_ref());
        WeekReport {
            week: week.week,
            rows: week.rows.len(),
            drifted_share: judged.and_then(|judged| judged.drifted_share),
            frozen: scores.frozen[position],
            frozen_corrected: scores.corrected[position],
            seasonal_naive: scores.seasonal_naive[position],
        }
    };
    scores.weeks.iter().enumerate().map(week).collect()
}

impl TrackReport {
    pub(super) fn new(
        scores: &Scores,
        played: &Played,
        policy: PromotionRule,
        strategy: &str,
        versions: &[VersionErrors],
    ) -> Self {
        let live = scores.published(played);
        let week = |(position, week): (usize, &WeekRows)| {
            let judged = played.weeks.iter().find(|judged| judged.week == week.week);
            TrackWeek {
                week: week.week,
                judged: judged.cloned(),
                live_mae: live[position],
                best: best(week.week, position, versions),
                next_week: judged.and_then(|judged| next_week(judged, scores, &live, versions)),
            }
        };
        let weeks: Vec<TrackWeek> = scores.weeks.iter().enumerate().map(week).collect();
        let number = |is_right| {
            let next = weeks.iter().filter_map(|week| week.next_week);
            next.filter(|next| next.right == is_right).count()
        };
        Self {
            policy,
            strategy: strategy.to_owned(),
            summary: SeriesSummary::new(&live, scores),
            promotions: played.weeks.iter().filter(|week| week.promoted).count(),
            right: number(true),
            wrong: number(false),
            weeks,
        }
    }
}

/// Returns the best forecasts of a week by a version that was registered by its Monday morning,
/// when the previous week is judged.
fn best(week: Week, position: usize, versions: &[VersionErrors]) -> Option<Best> {
    let tuesday = week.first_day().plus(1).at(0);
    let candidates = versions
        .iter()
        .filter(|version| version.trained_at < tuesday)
        .flat_map(|version| {
            let candidate = |(corrected, errors): (bool, &WeeklyErrors)| {
                errors[position].map(|mae| Best {
                    version: version.version,
                    corrected,
                    mae,
                })
            };
            [(true, &version.corrected), (false, &version.alone)]
                .map(candidate)
                .into_iter()
                .flatten()
        });
    candidates.min_by(|left, right| left.mae.total_cmp(&right.mae))
}

/// Compares the week after a promotion with the forecasts of the previous champion.
fn next_week(
    judged: &JudgedWeek,
    scores: &Scores,
    live: &WeeklyErrors,
    versions: &[VersionErrors],
) -> Option<NextWeek> {
    if !judged.promoted {
        return None;
    }
    let next = judged.week.last_day().plus(1).week();
    let position = scores.weeks.iter().position(|week| week.week == next)?;
    let previous = versions
        .iter()
        .find(|version| version.version == judged.champion_before)?;
    let (live_mae, previous_champion) = (live[position]?, previous.corrected[position]?);
    Some(NextWeek {
        live_mae,
        previous_champion,
        right: live_mae < previous_champion,
    })
}

impl SeriesSummary {
    fn new(series: &WeeklyErrors, scores: &Scores) -> Self {
        let weeks = scores.weeks.iter().map(|week| week.week);
        let known: Vec<_> = weeks
            .zip(series.iter().zip(&scores.frozen))
            .filter_map(|(week, (error, frozen))| Some((week, (*error)?, (*frozen)?)))
            .collect();
        let mean_of = |values: Vec<f64>| {
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let mean = mean_of(known.iter().map(|(_, error, _)| *error).collect());
        let frozen_mean = mean_of(known.iter().map(|(_, _, frozen)| *frozen).collect());
        let changes = known.iter().map(|(week, error, frozen)| WorstWeek {
            week: *week,
            change: error / frozen - 1.0,
        });
        Self {
            mean,
            improvement: mean
                .zip(frozen_mean)
                .map(|(mean, frozen)| 1.0 - mean / frozen),
            weeks: known.len(),
            better_weeks: known
                .iter()
                .filter(|(_, error, frozen)| error < frozen)
                .count(),
            worst: changes.max_by(|left, right| left.change.total_cmp(&right.change)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn version(number: u32, trained_at: &str, alone: f64, corrected: f64) -> VersionErrors {
        VersionErrors {
            version: Version::new(number),
            trained_at: trained_at.parse::<Timestamp>().unwrap(),
            alone: vec![Some(alone)],
            corrected: vec![Some(corrected)],
        }
    }

    /// Version 3 was trained on the Monday after the week, so nobody could have chosen it.
    #[test]
    fn best_in_hindsight_was_registered_by_monday_morning() {
        let week = "2021-W30".parse().unwrap();
        let versions = [
            version(1, "2021-05-15T22:00:00Z", 11.0, 10.0),
            version(2, "2021-07-26T05:00:00Z", 9.0, 9.5),
            version(3, "2021-08-02T05:00:00Z", 1.0, 1.0),
        ];
        let expected = Best {
            version: Version::new(2),
            corrected: false,
            mae: 9.0,
        };
        assert_eq!(best(week, 0, &versions), Some(expected));
        assert_eq!(best(week, 0, &versions[2..]), None);
    }

    #[test]
    fn fixed_test_set_is_noted_only_if_it_was_not_known() {
        let fixed_test = |is_later| FixedTestReport {
            first: "2021-05-16".parse().unwrap(),
            last: "2021-07-18".parse().unwrap(),
            is_later,
        };
        assert!(notes(&fixed_test(false), Vec::new()).is_empty());
        let notes = notes(&fixed_test(true), vec![("live.csv".to_owned(), 3)]);
        assert!(notes[0].contains("2021-05-16 to 2021-07-18"), "{notes:?}");
        assert_eq!(notes[1], "3 rows of live.csv were rejected");
    }
}
