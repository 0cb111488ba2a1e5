//! The champion and the challenger: both sets, the interval of the difference, the parts of both,
//! the strategies tried, and the importance of features.

mod bars;
mod duel;
mod hours;
mod scores;

use forecasting::{metrics::Group, policy::Verdicts};
use shared::evaluation::Evaluation;

use super::{Training, WeekPage};
use crate::{
    html::{Markup, Table, element, folded, plain},
    page::{self, part},
    reason, text,
};

use bars::{Bar, bars};

/// The number of counters whose errors changed most that the chart shows.
const COUNTERS: usize = 10;
/// The number of features that the chart of their importance shows.
const FEATURES: usize = 10;
/// The strategy that is kept unless another is better by more than chance.
const SLIDING_WINDOW: &str = "sliding-window";

pub(super) fn section(page: &WeekPage) -> Markup {
    let Some(evaluation) = &page.evaluation else {
        return Markup::default();
    };
    let mut content = Markup::default();
    content.push(duel::figure(evaluation));
    content.push(rules(&evaluation.verdicts));
    let mut parts = Markup::default();
    parts.push(duel::difference(evaluation));
    parts.push(hours(evaluation));
    parts.push(counters(evaluation));
    if let Some(training) = &page.training {
        parts.push(strategies(training));
        parts.push(importance(training));
    }
    content.push(element("div", "even", parts));
    content.push(scores::scores(evaluation));
    let how = format!(
        "Version {} is the champion, version {} the challenger. Mean absolute error, in bicycles an hour. On the \
         fresh holdout the models are compared as served, with the daily correction.",
        evaluation.champion, evaluation.challenger
    );
    page::section("models", &heading(evaluation), how, content)
}

fn heading(evaluation: &Evaluation) -> String {
    let comparison = &evaluation.comparison;
    let is_better_on_test = comparison.fixed_test.improvement() > 0.0;
    let is_better_on_fresh = comparison
        .fresh
        .as_ref()
        .map(|fresh| fresh.scores.improvement() > 0.0);
    let found = match (is_better_on_test, is_better_on_fresh) {
        (true, Some(true)) => "was better on both sets",
        (true, Some(false)) => "was better on the fixed test set only",
        (false, Some(true)) => "was better on the fresh holdout only",
        (false, Some(false)) => "was better on neither set",
        (true, None) => "was better on the fixed test set",
        (false, None) => "was not better on the fixed test set",
    };
    let decided = match (
        evaluation.verdicts.acting().promote,
        is_better_on_test || is_better_on_fresh == Some(true),
    ) {
        (true, _) => "and may replace the champion",
        (false, true) => "but not by enough",
        (false, false) => "so the champion stays",
    };
    format!("Version {} {found}, {decided}", evaluation.challenger)
}

/// Returns the verdicts of both rules, the acting one first.
fn rules(verdicts: &Verdicts) -> Markup {
    let mut table = Table::new(&["Rule", "Verdict", "Reason"]).class("log");
    for (rule, note) in [
        (verdicts.acting, "acts"),
        (verdicts.acting.other(), "for comparison"),
    ] {
        let verdict = verdicts.of(rule);
        let (class, word) = if verdict.promote {
            ("good", "promote")
        } else {
            ("", "keep")
        };
        table.cells([
            plain("th", format!("{rule} ({note})")).attr("scope", "row"),
            element("td", class, word),
            element("td", "reason", reason::markup(&verdict.reason)),
        ]);
    }
    table.markup()
}

/// Returns both errors of a group, if the challenger has one.
fn errors(group: &Group) -> Option<(f64, f64)> {
    // The challenger is optional in breakdowns of a single model.
    let challenger: Option<forecasting::metrics::GroupScores> = group.challenger;
    Some((group.champion.mae, challenger?.mae))
}

/// Returns the relative change of the error of a group: 0.15 if the challenger's is 15 % higher.
fn change(group: &Group) -> Option<f64> {
    let (champion, challenger) = errors(group)?;
    (champion > 0.0).then(|| challenger / champion - 1.0)
}

fn breakdown_of(
    evaluation: &Evaluation,
) -> Option<(&forecasting::metrics::Breakdown, &'static str)> {
    let comparison = &evaluation.comparison;
    let fresh = comparison
        .fresh
        .as_ref()
        .and_then(|fresh| fresh.breakdown.as_ref());
    fresh
        .map(|found| (found, "on the fresh holdout"))
        .or_else(|| {
            let found = comparison.fixed_test_breakdown.as_ref()?;
            Some((found, "on the fixed test set"))
        })
}

fn hours(evaluation: &Evaluation) -> Markup {
    let Some((breakdown, place)) = breakdown_of(evaluation) else {
        return Markup::default();
    };
    if !breakdown.hours.is_empty() {
        return hours::figure(evaluation, &breakdown.hours, place);
    }
    // Evaluations of earlier program versions have the parts of the day only.
    let groups: Vec<_> = breakdown.bands.iter().collect();
    let better = groups
        .iter()
        .filter(|group| change(group).is_some_and(|change| change < 0.0))
        .count();
    let heading = format!(
        "The challenger was better in {better} of {} parts of the day {place}",
        groups.len()
    );
    let chart = changes("models-hours", &heading, &groups);
    part(&heading, "Change of the mean absolute error.", chart)
}

fn counters(evaluation: &Evaluation) -> Markup {
    let Some((breakdown, place)) = breakdown_of(evaluation) else {
        return Markup::default();
    };
    let mut groups: Vec<_> = breakdown
        .counters
        .iter()
        .filter(|group| change(group).is_some())
        .collect();
    let size = |group: &Group| change(group).unwrap_or_default().abs();
    groups.sort_by(|left, right| size(right).total_cmp(&size(left)));
    let better = groups
        .iter()
        .filter(|group| change(group).is_some_and(|change| change < 0.0))
        .count();
    let heading = format!(
        "The challenger was better at {better} of {} {place}",
        text::plural(groups.len(), "counter")
    );
    let shown = &groups[..COUNTERS.min(groups.len())];
    let mut chart = changes("models-counters", &heading, shown);
    if groups.len() > shown.len() {
        chart.push(folded("All counters", table(&groups).markup()));
    }
    part(
        &heading,
        "Change of the mean absolute error, the largest changes.",
        chart,
    )
}

/// Returns the chart of the changes of groups, with the table behind it.
fn changes(id: &'static str, title: &str, groups: &[&Group]) -> Markup {
    let rows = groups.iter().filter_map(|group| {
        let change = change(group)?;
        Some(Bar {
            name: group.name.clone(),
            value: change,
            label: text::signed_percent(change),
            class: if change > 0.0 { "b worse" } else { "b now" },
        })
    });
    bars(id, title, &rows.collect::<Vec<_>>(), None, table(groups))
}

fn table(groups: &[&Group]) -> Table {
    let mut table = Table::new(&[
        "Group",
        "#Counts an hour",
        "#Champion",
        "#Challenger",
        "#Change",
        "#Last week's counts",
        "#Champion's bias",
        "#Challenger's bias",
    ])
    .caption("Mean absolute errors and biases, in bicycles an hour");
    for group in groups {
        let number = |value: Option<f64>, format: fn(f64) -> String| {
            value.map_or_else(|| "–".to_owned(), format)
        };
        table.row(
            group.name.as_str(),
            [
                text::number(group.mean_count),
                text::number(group.champion.mae),
                number(
                    errors(group).map(|(_, challenger)| challenger),
                    text::number,
                ),
                number(change(group), text::signed_percent),
                number(group.seasonal_naive_mae, text::number),
                text::signed(group.champion.bias),
                number(
                    group.challenger.map(|challenger| challenger.bias),
                    text::signed,
                ),
            ],
        );
    }
    table
}

fn strategies(training: &Training) -> Markup {
    if training.trials.is_empty() {
        return Markup::default();
    }
    let chosen = training.strategy.as_deref().unwrap_or("no strategy");
    let heading = match training.trials.len() {
        1 => format!("{} made the challenger", text::sentence(chosen)),
        tried => format!(
            "{} made the challenger, of {tried} strategies tried",
            text::sentence(chosen)
        ),
    };
    let mut table = Table::new(&["Strategy", "#MAE on the selection days", "Error"]);
    let mut rows = Vec::new();
    for trial in &training.trials {
        table.cells([
            plain("th", trial.strategy.as_str()).attr("scope", "row"),
            element(
                "td",
                "n",
                trial.mae.map_or_else(|| "–".to_owned(), text::number),
            ),
            plain("td", trial.error.as_deref().unwrap_or_default()),
        ]);
        rows.push(Bar {
            name: trial.strategy.clone(),
            value: trial.mae.unwrap_or_default(),
            label: trial.mae.map_or_else(|| "failed".to_owned(), text::number),
            class: if trial.strategy == chosen {
                "b now"
            } else {
                "b"
            },
        });
    }
    let champion = training
        .champion_mae
        .map(|mae| (mae, format!("champion {}", text::number(mae))));
    let chart = bars("models-strategies", &heading, &rows, champion, table);
    part(&heading, rule(training), chart)
}

/// Describes how the strategies are compared. Only a trial of several can favor the sliding window.
fn rule(training: &Training) -> String {
    let mut rule =
        "Mean absolute error on the selection days, which no strategy was trained on.".to_owned();
    let mut trials = training.trials.iter();
    let has_window = trials.any(|trial| trial.strategy == SLIDING_WINDOW);
    if has_window && training.trials.len() > 1 {
        rule.push_str(&format!(
            " {} is kept unless another is at least 1 % better.",
            text::sentence(SLIDING_WINDOW)
        ));
    }
    rule
}

fn importance(training: &Training) -> Markup {
    let Some((first, share)) = training.importance.first() else {
        return Markup::default();
    };
    let heading = format!(
        "{} is the most important feature of the challenger, with {}",
        text::sentence(&feature_name(first)),
        text::percent(*share)
    );
    let rows: Vec<_> = training
        .importance
        .iter()
        .take(FEATURES)
        .map(|(feature, share)| Bar {
            name: feature_name(feature),
            value: *share,
            label: text::percent(*share),
            class: "b now",
        })
        .collect();
    let mut table = Table::new(&["Feature", "#Importance"]);
    for (feature, share) in &training.importance {
        table.row(feature.as_str(), [text::percent(*share)]);
    }
    let chart = bars("models-importance", &heading, &rows, None, table);
    part(&heading, "Share of the gain in all splits.", chart)
}

/// Returns the name of a feature in plain English: `count 24 h earlier`.
fn feature_name(feature: &str) -> String {
    feature.replace("h_earlier", " h earlier").replace('_', " ")
}
