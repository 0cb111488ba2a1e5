//! The report of a backtest as text, at most 80 columns wide.

use std::fmt;

use comfy_table::Table;
use shared::event::Function;

use super::{BacktestReport, Best, SeriesSummary, TrackReport, TrackWeek};
use crate::support::{
    table::of_numbers,
    tracks::{RuleVerdicts, rule_name},
};

/// The number of tracks whose errors fit into one table.
const TRACKS_PER_TABLE: usize = 4;
/// The width of their columns.
const NAMES_WIDTH: usize = 33;
/// A name that does not fit.
const WIDE: &str = "a policy with one of several strategies";

impl BacktestReport {
    /// Returns the name of each track: the policy or the strategy, if that suffices and fits into
    /// the table of errors, and a single character otherwise.
    pub(super) fn names(&self) -> Vec<String> {
        let is_same = |key: fn(&TrackReport) -> String| {
            let mut keys = self.tracks.iter().map(key);
            let first = keys.next();
            keys.all(|key| Some(key) == first)
        };
        let name: fn(&TrackReport) -> String = if is_same(|track| track.strategy.clone()) {
            |track| rule_name(track.policy).to_owned()
        } else if is_same(|track| rule_name(track.policy).to_owned()) {
            |track| track.strategy.clone()
        } else {
            |_| WIDE.to_owned()
        };
        let names: Vec<_> = self.tracks.iter().map(name).collect();
        let width: usize = names.iter().map(|name| name.len() + 3).sum();
        if width <= NAMES_WIDTH {
            return names;
        }
        let characters = ('A'..='Z').chain('a'..='z').cycle();
        characters.take(names.len()).map(String::from).collect()
    }

    /// Returns the weekly errors of tracks side by side.
    fn errors(&self, names: &[String], tracks: &[TrackReport]) -> Table {
        let header = ["week", "drift", "naive", "frozen", "corrected"].map(str::to_owned);
        let header: Vec<_> = header.into_iter().chain(names.iter().cloned()).collect();
        let mut table = of_numbers(&header);
        for (position, week) in self.weeks.iter().enumerate() {
            let tracks = tracks.iter().map(|track| track.weeks.get(position));
            let live = tracks.map(|week| error(week.and_then(|week| week.live_mae)));
            let of_week = [
                week.week.to_string(),
                percent(week.drifted_share),
                error(week.seasonal_naive),
                error(week.frozen),
                error(week.frozen_corrected),
            ];
            table.add_row(of_week.into_iter().chain(live));
        }
        table
    }

    /// Returns the summary of each track.
    fn summaries(&self) -> Table {
        let header = ["", "mean", "change", "better weeks", "worst week"].map(str::to_owned);
        let mut table = of_numbers(&header);
        let fixed = [
            ("seasonal naive".to_owned(), &self.seasonal_naive),
            ("frozen: first champion".to_owned(), &self.frozen),
            ("corrected daily".to_owned(), &self.frozen_corrected),
        ];
        let names = self.names();
        let tracks = self.tracks.iter().map(|track| &track.summary);
        for (name, summary) in fixed.into_iter().chain(names.into_iter().zip(tracks)) {
            table.add_row(summary_row(name, summary));
        }
        table
    }
}

impl fmt::Display for BacktestReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        let champion = &self.champion;
        writeln!(formatter, "{from} to {to}, live MAE in bicycles an hour")?;
        writeln!(
            formatter,
            "first champion: {} rows up to {}, MAE {:.2} on the fixed test set",
            champion.rows, champion.until, champion.test_mae
        )?;
        for note in &self.notes {
            writeln!(formatter, "note: {note}")?;
        }
        let names = self.names();
        let tracks = self.tracks.chunks(TRACKS_PER_TABLE);
        for (names, tracks) in names.chunks(TRACKS_PER_TABLE).zip(tracks) {
            writeln!(formatter, "\n{}", self.errors(names, tracks).trim_fmt())?;
        }
        write!(formatter, "\n{}", self.summaries().trim_fmt())?;
        for (name, track) in names.into_iter().zip(&self.tracks) {
            let (policy, strategy) = (rule_name(track.policy), &track.strategy);
            let number = track.promotions;
            let plural = if number == 1 { "" } else { "s" };
            write!(
                formatter,
                "\n\n{name}: policy {policy}, strategy {strategy}\n{number} promotion{plural}: {} right and {} wrong in \
                 the week after\n{}",
                track.right,
                track.wrong,
                decisions(track).trim_fmt()
            )?;
        }
        Ok(())
    }
}

/// Returns the decisions of a track, week by week.
fn decisions(track: &TrackReport) -> Table {
    let header = [
        "week",
        "check",
        "fixed-test",
        "guarded",
        "champion",
        "best in hindsight",
    ]
    .map(str::to_owned);
    let mut table = of_numbers(&header);
    for week in &track.weeks {
        table.add_row(decision_row(week));
    }
    table
}

fn decision_row(week: &TrackWeek) -> [String; 6] {
    let judged = week.judged.as_ref();
    let verdicts = judged.and_then(|judged| judged.verdicts);
    let verdict = |of: fn(RuleVerdicts) -> bool| {
        let promotes = |verdicts| if of(verdicts) { "promote" } else { "keep" };
        verdicts.map_or("-", promotes).to_owned()
    };
    let check = judged.map_or("not judged", |judged| {
        match judged.decision_of(Function::DriftCheck) {
            "live-error-too-high" => "live error",
            decision => decision,
        }
    });
    let champion = judged.map(|judged| {
        let mark = if judged.promoted { ", new" } else { "" };
        format!("v{}{mark}", judged.champion)
    });
    [
        week.week.to_string(),
        check.to_owned(),
        verdict(|verdicts| verdicts.fixed_test),
        verdict(|verdicts| verdicts.guarded),
        champion.unwrap_or_else(|| "-".to_owned()),
        week.best.map_or_else(|| "-".to_owned(), best),
    ]
}

fn best(best: Best) -> String {
    let Best {
        version,
        corrected,
        mae,
    } = best;
    let alone = if corrected { "" } else { " alone" };
    format!("v{version} {mae:.2}{alone}")
}

fn summary_row(name: String, summary: &SeriesSummary) -> [String; 5] {
    let change = |change: f64| format!("{:+.1} %", change * 100.0);
    let worst = summary
        .worst
        .map(|worst| format!("{} {}", change(worst.change), worst.week));
    [
        name,
        error(summary.mean),
        summary
            .improvement
            .map_or_else(|| "-".to_owned(), |improvement| change(-improvement)),
        format!("{} of {}", summary.better_weeks, summary.weeks),
        worst.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn error(mae: Option<f64>) -> String {
    mae.map_or_else(|| "-".to_owned(), |mae| format!("{mae:.2}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}
