//! All scores of both models: on each set of rows, and on groups of these rows.

use forecasting::{
    metrics::{Breakdown, Group, GroupScores, Scores},
    policy::ScorePair,
};
use shared::evaluation::Evaluation;

use crate::{
    html::{Element, Markup, Table, element, folded, plain},
    page::part,
    text,
};

/// The names of the columns after those of the rows and of the model.
const COLUMNS: [&str; 6] = [
    "#Hours",
    "#MAE",
    "#RMSE",
    "#R2",
    "#Bias",
    "#Share of the counts",
];
const CHAMPION: &str = "champion";
const CHALLENGER: &str = "challenger";
const SEASONAL_NAIVE: &str = "last week's counts";

/// Returns the number of evaluations on the fixed test set, with all scores folded below it.
pub(super) fn scores(evaluation: &Evaluation) -> Markup {
    let mut table = table("Rows");
    for (rows, pair) in sets(evaluation) {
        add_pair(&mut table, &rows, &pair);
    }
    let mut content = folded("All scores of both models", table.markup());
    for (rows, breakdown) in breakdowns(evaluation) {
        let summary = format!("Scores by part of the day, kind of day and level of {rows}");
        content.push(folded(&summary, of_groups(breakdown).markup()));
    }
    let units = "MAE, RMSE and bias are in bicycles an hour.";
    match evaluation.fixed_test_uses {
        Some(uses) => part(
            &format!("This is evaluation {uses} on this fixed test set"),
            format!(
                "The more often a fixed test set has decided, the less it says about other weeks. {units}"
            ),
            content,
        ),
        None => part("All scores of both models", units, content),
    }
}

/// Returns the compared rows by name, with the scores on them.
fn sets(evaluation: &Evaluation) -> Vec<(String, ScorePair)> {
    let comparison = &evaluation.comparison;
    let fresh = comparison.fresh.as_ref();
    let sets = [
        ("fixed test set, model alone", Some(comparison.fixed_test)),
        (
            "fixed test set, model alone, living counters",
            comparison.fixed_test_living,
        ),
        ("fresh holdout, as served", fresh.map(|fresh| fresh.scores)),
        (
            "fresh holdout, as served, living counters",
            fresh.and_then(|fresh| fresh.living),
        ),
        (
            "fresh holdout, model alone",
            fresh.and_then(|fresh| fresh.model_alone),
        ),
    ];
    let known = |(rows, pair): (&str, Option<ScorePair>)| Some((rows.to_owned(), pair?));
    sets.into_iter().filter_map(known).collect()
}

fn breakdowns(evaluation: &Evaluation) -> Vec<(&'static str, &Breakdown)> {
    let comparison = &evaluation.comparison;
    let fresh = comparison.fresh.as_ref();
    let breakdowns = [
        (
            "the fresh holdout, as served",
            fresh.and_then(|fresh| fresh.breakdown.as_ref()),
        ),
        (
            "the fixed test set, model alone",
            comparison.fixed_test_breakdown.as_ref(),
        ),
    ];
    let known = |(rows, breakdown): (&'static str, Option<_>)| Some((rows, breakdown?));
    breakdowns.into_iter().filter_map(known).collect()
}

fn table(rows: &str) -> Table {
    let columns: Vec<_> = [rows, "Model"].into_iter().chain(COLUMNS).collect();
    Table::new(&columns).caption("Scores of both models and of repeating last week")
}

fn add_pair(table: &mut Table, rows: &str, pair: &ScorePair) {
    let models = [
        (CHAMPION, Some(pair.champion)),
        (CHALLENGER, Some(pair.challenger)),
        (SEASONAL_NAIVE, pair.seasonal_naive),
    ];
    for (model, scores) in models {
        let Some(Scores {
            mae,
            rmse,
            r2,
            rows: hours,
            bias,
            share,
        }) = scores
        else {
            continue;
        };
        let all = [Some(mae), Some(rmse), Some(r2), bias, share];
        table.cells(cells(rows, model, hours, all));
    }
}

/// Returns the scores of the groups of a breakdown, except its counters and hours.
fn of_groups(breakdown: &Breakdown) -> Table {
    let mut table = table("Group");
    let groups = [&breakdown.bands, &breakdown.days, &breakdown.levels];
    for group in groups.into_iter().flatten() {
        add_group(&mut table, group);
    }
    table
}

fn add_group(table: &mut Table, group: &Group) {
    let all = |scores: GroupScores| {
        let GroupScores {
            mae,
            bias,
            rmse,
            r2,
            share,
        } = scores;
        [Some(mae), rmse, r2, Some(bias), share]
    };
    let naive = group.seasonal_naive_mae;
    let models = [
        (CHAMPION, Some(all(group.champion))),
        (CHALLENGER, group.challenger.map(all)),
        (
            SEASONAL_NAIVE,
            naive.map(|mae| [Some(mae), None, None, None, None]),
        ),
    ];
    for (model, scores) in models {
        if let Some(all) = scores {
            table.cells(cells(&group.name, model, group.rows, all));
        }
    }
}

/// Returns the cells of a row. `all` are MAE, RMSE, R2, bias and share.
fn cells(rows: &str, model: &str, hours: usize, all: [Option<f64>; 5]) -> Vec<Element> {
    let [mae, rmse, r2, bias, share] = all;
    let two_decimals = |value: f64| format!("{value:.2}");
    let numbers = [
        Some(text::count(hours as i64)),
        mae.map(two_decimals),
        rmse.map(two_decimals),
        r2.map(text::score),
        bias.map(text::signed),
        share.map(text::percent),
    ];
    let mut cells = vec![plain("th", rows).attr("scope", "row"), plain("td", model)];
    let number = |number: Option<String>| {
        let number = number.unwrap_or_else(|| "–".to_owned());
        element("td", "n", number)
    };
    cells.extend(numbers.map(number));
    cells
}
