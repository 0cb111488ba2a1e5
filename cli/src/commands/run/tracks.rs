//! The three tracks of a run: the first champion alone, and the loop under each policy.

use std::{fmt, sync::Arc};

use anyhow::Context;
use forecasting::{
    counts::Counts,
    policy::{Policy, PromotionRule},
    time::{Day, Week},
};
use model::{FineTuneRecipe, Model, Threads};
use serde::Serialize;
use shared::{ports::Ports, registry::Version};
use tokio::task::JoinHandle;

use super::drive::Live;
use crate::{
    commands::train::TrainReport,
    support::{
        table::{Column, Table},
        tracks::{LiveRows, Plan, Played, RULES, Seed, WeekRows, mae, play, rule_name},
    },
};

/// The live errors of the tracks, on the same rows: those with a count and a forecast in all of
/// them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tracks {
    /// The policy that acted in the run. The other one was played in memory.
    pub acting: PromotionRule,
    /// The weeks, in order.
    pub weeks: Vec<TracksWeek>,
    /// The means of the weekly errors.
    pub mean: TracksErrors,
}

/// The live errors of one week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TracksWeek {
    /// The week.
    pub week: Week,
    /// The number of compared rows.
    pub rows: usize,
    /// The errors.
    #[serde(flatten)]
    pub errors: TracksErrors,
}

/// Mean absolute errors in bicycles an hour; `None` without compared rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TracksErrors {
    /// The first champion without the daily correction.
    pub first_champion: Option<f64>,
    /// The first champion with the daily correction.
    pub corrected: Option<f64>,
    /// The published forecasts of the loop under the policy `fixed-test`.
    pub fixed_test: Option<f64>,
    /// The published forecasts of the loop under the policy `guarded`.
    pub guarded: Option<f64>,
}

impl TracksErrors {
    const fn all(&self) -> [Option<f64>; 4] {
        [
            self.first_champion,
            self.corrected,
            self.fixed_test,
            self.guarded,
        ]
    }

    fn from_all([first_champion, corrected, fixed_test, guarded]: [Option<f64>; 4]) -> Self {
        Self {
            first_champion,
            corrected,
            fixed_test,
            guarded,
        }
    }
}

/// The tracks of a run in progress.
pub(super) struct Race {
    acting: PromotionRule,
    other: JoinHandle<anyhow::Result<Vec<Played>>>,
    counts: Counts,
    days: (Day, Day),
    first_champion: Version,
}

impl Race {
    /// Starts to play the live data in memory, under the policy that does not act in the run.
    pub(super) async fn start(
        ports: &Ports,
        live: &Live,
        trained: &TrainReport,
        policy: &Policy,
        fine_tune: FineTuneRecipe,
    ) -> anyhow::Result<Self> {
        let first_champion = trained
            .version
            .context("the first champion has no version")?;
        let acting = policy.promotion;
        let others = RULES.into_iter().filter(|rule| *rule != acting).collect();
        let (counts, days) = (live.with_history(), live.days());
        let plan = Plan {
            seed: Seed::read(ports, first_champion, None).await?,
            counts: counts.clone(),
            days,
            // All days since the training data are in the history.
            first_table: Plan::first_table(days.0, days.0.plus(-1)),
            policy: policy.clone(),
            fine_tune,
        };
        Ok(Self {
            acting,
            other: tokio::spawn(play(Arc::new(plan), others, Arc::new(|_| {}))),
            counts,
            days,
            first_champion,
        })
    }

    /// Waits for the other policy, and compares all tracks with the forecasts that the run has
    /// published.
    pub(super) async fn finish(self, ports: &Ports) -> anyhow::Result<Tracks> {
        let played = self.other.await.context("cannot finish a track")??;
        let other = played.first().context("the other policy has no track")?;
        let (first, last) = self.days;
        let acted = ports.warehouse.forecasts(first, last).await?;
        let model = Model::load_version(
            &ports.store,
            &*ports.registry,
            self.first_champion,
            Threads::All,
        )
        .await?;
        let rows = LiveRows::new(&self.counts, self.days);
        let frozen = rows.forecast(&model)?;
        let corrected = rows.correct(&frozen);
        let (acted, other) = (rows.published(&acted), rows.published(&other.forecasts));
        let (fixed_test, guarded) = match self.acting {
            PromotionRule::FixedTest => (acted, other),
            PromotionRule::Guarded => (other, acted),
        };
        let tracks = [frozen, corrected, fixed_test, guarded];
        let compared = rows.compared(&tracks.each_ref().map(Vec::as_slice));
        let weeks = compared.into_iter().map(
            |WeekRows {
                 week,
                 rows: of_week,
             }| {
                let error = |forecasts: &Vec<f64>| mae(&of_week, forecasts, rows.counts());
                TracksWeek {
                    week,
                    rows: of_week.len(),
                    errors: TracksErrors::from_all(tracks.each_ref().map(error)),
                }
            },
        );
        Ok(Tracks::new(self.acting, weeks.collect()))
    }
}

impl Tracks {
    fn new(acting: PromotionRule, weeks: Vec<TracksWeek>) -> Self {
        let mean = |track: usize| {
            let errors = weeks.iter().filter_map(|week| week.errors.all()[track]);
            let known: Vec<_> = errors.collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        Self {
            acting,
            mean: TracksErrors::from_all([0, 1, 2, 3].map(mean)),
            weeks,
        }
    }

    /// Returns the rows of the table: the weeks, and their mean.
    fn rows(&self) -> Vec<[String; 5]> {
        let cells = |name: String, errors: &TracksErrors| {
            let [frozen, corrected, fixed_test, guarded] = errors
                .all()
                .map(|error| error.map_or_else(|| "-".to_owned(), |error| format!("{error:.2}")));
            [name, frozen, corrected, fixed_test, guarded]
        };
        let weeks = self.weeks.iter();
        let mut rows: Vec<_> = weeks
            .map(|week| cells(week.week.to_string(), &week.errors))
            .collect();
        rows.push(cells("mean".to_owned(), &self.mean));
        rows
    }

    /// Returns the tracks as a table in Markdown.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String; 5]| format!("| {} |\n", cells.join(" | "));
        let rows: String = self.rows().iter().map(line).collect();
        format!(
            "{}|---|---|---|---|---|\n{rows}\n{}\n",
            line(&HEADER.map(str::to_owned)),
            self.legend()
        )
    }

    fn legend(&self) -> String {
        format!(
            "live MAE on the same rows; this run acted under {}",
            rule_name(self.acting)
        )
    }
}

const HEADER: [&str; 5] = [
    "week",
    "first champion",
    "corrected daily",
    "loop, fixed-test",
    "loop, guarded",
];

impl fmt::Display for Tracks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [week, frozen, corrected, fixed_test, guarded] = HEADER;
        let mut table = Table::new([
            Column::text(week),
            Column::number(frozen),
            Column::number(corrected),
            Column::number(fixed_test),
            Column::number(guarded),
        ]);
        for row in self.rows() {
            table.add_row(row);
        }
        write!(formatter, "{table}\n{}", self.legend())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(name: &str, errors: [Option<f64>; 4]) -> TracksWeek {
        TracksWeek {
            week: name.parse().unwrap(),
            rows: 1344,
            errors: TracksErrors::from_all(errors),
        }
    }

    #[test]
    fn tracks_are_shown_side_by_side_with_their_means() {
        let tracks = Tracks::new(
            PromotionRule::FixedTest,
            vec![
                week("2021-W30", [Some(12.0), Some(11.0), Some(11.0), Some(10.0)]),
                week("2021-W31", [Some(10.0), Some(9.5), Some(9.5), None]),
            ],
        );
        let markdown = tracks.markdown();
        assert!(
            markdown.contains("| 2021-W31 | 10.00 | 9.50 | 9.50 | - |"),
            "{markdown}"
        );
        assert!(
            markdown.contains("| mean | 11.00 | 10.25 | 10.25 | 10.00 |"),
            "{markdown}"
        );
        let text = tracks.to_string();
        assert!(text.ends_with("this run acted under fixed-test"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let json = serde_json::to_value(&tracks).unwrap();
        assert_eq!(json["weeks"][0]["guarded"], 10.0);
        assert_eq!(json["acting"], "fixed-test");
    }
}
