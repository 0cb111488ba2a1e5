//! The drift columns, each with both distributions, its threshold and its scores of twelve weeks.

use forecasting::{
    drift::{ColumnDrift, EmptySide, Method},
    features::TARGET,
};
use shared::week_report::{WeekReport, is_made_of_counts};

use super::{Histogram, WeekPage};
use crate::{
    html::{Element, Markup, Table, element, folded, plain},
    page,
    svg::{Pixels, bar, histogram, sparkline, upright},
    text,
};

/// The multiple of the threshold at which the axis of the bars ends at least.
const LEAST_END: f64 = 4.0;
const BAR: f64 = 30.0;
/// The number of bins with the largest differences that the table of a column has.
const BINS: usize = 3;

pub(super) fn section(page: &WeekPage) -> Markup {
    let heading = heading(&page.report);
    let mut columns: Vec<_> = page.report.drift.columns.iter().collect();
    columns.sort_by(|left, right| {
        let order = |column: &ColumnDrift| (column.drifted, strength(column));
        let ((right_drifted, right), (left_drifted, left)) = (order(right), order(left));
        right_drifted
            .cmp(&left_drifted)
            .then(right.total_cmp(&left))
    });
    if columns.is_empty() {
        return page::section("drift", &heading, excluded(&page.report), "");
    }
    let distance = distance_head(&columns);
    let mut names = vec![
        "Column",
        distance.as_str(),
        "#Score",
        "~#Week before",
        "~12 weeks",
    ];
    if !page.histograms.is_empty() {
        names.push("Distribution");
    }
    let mut table = Table::new(&names).class("drift");
    let strengths = columns.iter().map(|column| strength(column));
    let end = strengths.fold(LEAST_END, f64::max);
    for column in &columns {
        let class = if column.drifted { "" } else { "calm" };
        table.cells_of(class, row(page, column, end));
    }
    let mut content = table.markup();
    content.push(scores(page, &columns).folded());
    let distributions = distributions(page, &columns);
    if !distributions.is_empty() {
        content.push(folded(
            "Largest differences of the distributions",
            distributions.markup(),
        ));
    }
    page::section("drift", &heading, how(page), content)
}

/// Returns the name of the bars, with the threshold if all columns have the same.
fn distance_head(columns: &[&ColumnDrift]) -> String {
    let mut thresholds = columns.iter().map(|column| column.threshold);
    let first = thresholds.next();
    let common = first.filter(|first| thresholds.all(|threshold| threshold == *first));
    let threshold = common.map_or_else(String::new, |threshold| format!(" of {threshold}"));
    format!("Distance, the line is the threshold{threshold}")
}

/// Returns the table behind the bars and the sparklines.
fn scores(page: &WeekPage, columns: &[&ColumnDrift]) -> Table {
    let reports: Vec<_> = page.earlier.iter().chain([&page.report]).collect();
    let weeks = reports
        .iter()
        .map(|report| format!("#{}", text::short_week(report.week)));
    let names: Vec<_> = ["Column", "Method", "#Threshold"]
        .into_iter()
        .map(str::to_owned)
        .chain(weeks)
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(&names).caption("The scores of the last weeks");
    for column in columns {
        let mut cells = Markup::from([
            plain("th", name(&column.column)).attr("scope", "row"),
            plain("td", method(column.method)),
            element("td", "n", column.threshold.to_string()),
        ]);
        for report in &reports {
            let score = score_of(report, &column.column);
            cells.push(element(
                "td",
                "n",
                score.map_or_else(|| "–".to_owned(), text::score),
            ));
        }
        table.cells(cells);
    }
    table
}

fn heading(report: &WeekReport) -> String {
    let drift = &report.drift;
    let drifted: Vec<_> = report.drifted_columns();
    let of_counts = drifted
        .iter()
        .filter(|column| is_made_of_counts(column))
        .count();
    let all = if drifted.is_empty() {
        ""
    } else if of_counts == drifted.len() {
        ", all of them made of counts"
    } else {
        ""
    };
    match drift.columns.len() {
        0 => "No column could be compared with the fixed test set".to_owned(),
        columns => format!("{} of {columns} columns drifted{all}", drift.drifted_count),
    }
}

fn how(page: &WeekPage) -> Markup {
    let report = &page.report;
    let mut sentences = vec![format!(
        "Distance between the fixed test set and the week, the largest first. {} of {} columns are the count \
         itself, its lags and means.",
        report.count_columns(),
        report.drift.columns.len()
    )];
    if !page.histograms.is_empty() {
        sentences.push("Distribution: grey the fixed test set, blue the week.".to_owned());
    }
    let mut markup = Markup::from(sentences.join(" "));
    let excluded = excluded(report);
    if !excluded.is_empty() {
        markup.push(" ");
        markup.push(excluded);
    }
    markup
}

/// Names the columns that could not be compared.
fn excluded(report: &WeekReport) -> Markup {
    let sentences = [
        (EmptySide::Reference, "in the fixed test set"),
        (EmptySide::Current, "in the week"),
        (EmptySide::Both, "on either side"),
    ]
    .into_iter()
    .filter_map(|(side, place)| {
        let excluded = report.drift.excluded.iter();
        let names: Vec<_> = excluded
            .filter(|column| column.empty == side)
            .map(|column| name(&column.column))
            .collect();
        (!names.is_empty()).then(|| format!("No values {place}: {}.", text::list(&names)))
    });
    sentences.collect::<Vec<_>>().join(" ").into()
}

/// Returns the row of a column. `end` is the multiple of the threshold at the end of the bars.
fn row(page: &WeekPage, column: &ColumnDrift, end: f64) -> Markup {
    let before = page
        .week_before()
        .and_then(|report| score_of(report, &column.column));
    let scores: Vec<_> = page
        .earlier
        .iter()
        .map(|report| score_of(report, &column.column))
        .chain([Some(column.score)])
        .collect();
    let is_distance = is_distance(column.method);
    let known = scores.iter().flatten().count();
    let title = format!(
        "{} of {}, the last {}",
        text::plural(known, "score"),
        name(&column.column),
        text::score(column.score)
    );
    let threshold = is_distance.then_some(column.threshold);
    let mut cells = Markup::from([
        plain("th", name(&column.column))
            .attr("scope", "row")
            .attr("title", &column.column),
        element("td", "barcell", distance(column, end)),
        element(
            "td",
            if column.drifted { "n alarm" } else { "n" },
            text::score(column.score),
        ),
        element(
            "td",
            "n wide",
            before.map_or_else(|| "–".to_owned(), text::score),
        ),
        element("td", "pic wide", sparkline(&scores, 1, threshold, &title)),
    ]);
    if !page.histograms.is_empty() {
        let found = page
            .histograms
            .iter()
            .find(|histogram| histogram.column == column.column);
        cells.push(element("td", "pic", found.map(picture)));
    }
    cells
}

/// Returns the bar of a distance, with the threshold as a line.
fn distance(column: &ColumnDrift, end: f64) -> Element {
    let length = (strength(column) / end).clamp(0.0, 1.0);
    let class = if column.drifted { "b worse" } else { "b mute" };
    Element::new("svg")
        .class("fluid")
        .attr("height", Pixels(BAR))
        .attr("role", "img")
        .hover(format!(
            "{} {}, threshold {}",
            method(column.method),
            text::score(column.score),
            column.threshold
        ))
        .child(bar(class, (0.0, length), (10.0, 10.0)))
        .child(upright("limit", 1.0 / end, (0.0, BAR)))
}

/// Returns the distance in units of the threshold: above 1 for a drifted column. For a p-value, it
/// is the ratio of the logarithms.
fn strength(column: &ColumnDrift) -> f64 {
    if is_distance(column.method) {
        return column.score / column.threshold;
    }
    column.score.max(1e-12).ln() / column.threshold.ln()
}

const fn is_distance(method: Method) -> bool {
    matches!(method, Method::Wasserstein | Method::JensenShannon)
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::KolmogorovSmirnov => "Kolmogorov-Smirnov, p-value",
        Method::ChiSquare => "chi-square, p-value",
        Method::ZTest => "Z-test, p-value",
        Method::Wasserstein => "Wasserstein distance in standard deviations",
        Method::JensenShannon => "Jensen-Shannon distance",
    }
}

fn score_of(report: &WeekReport, column: &str) -> Option<f64> {
    let columns = &report.drift.columns;
    let found = columns.iter().find(|drift| drift.column == column)?;
    Some(found.score)
}

/// Returns the name of a column in plain English.
fn name(column: &str) -> String {
    if column == TARGET {
        return "count of the hour".to_owned();
    }
    match column.strip_prefix("count_") {
        Some(lag) => lag.replace("h_earlier", " h earlier").replace('_', " "),
        None => column.replace('_', " "),
    }
}

fn picture(found: &Histogram) -> Element {
    let (reference, current): (Vec<f64>, Vec<f64>) = shares(found)
        .into_iter()
        .map(|(_, reference, current)| (reference, current))
        .unzip();
    let title = format!(
        "Distribution of {} in the fixed test set and in the week",
        name(&found.column)
    );
    histogram(&reference, &current, &title)
}

/// Returns the name and both shares of each bin or category.
fn shares(found: &Histogram) -> Vec<(String, f64, f64)> {
    let bins = found.bins.iter().map(|bin| {
        let ends = format!("{} to {}", text::number(bin.from), text::number(bin.to));
        (ends, bin.reference, bin.current)
    });
    let categories = found
        .categories
        .iter()
        .map(|category| (category.name.clone(), category.reference, category.current));
    bins.chain(categories).collect()
}

/// Returns the table behind the pictures of the distributions.
fn distributions(page: &WeekPage, columns: &[&ColumnDrift]) -> Table {
    let mut table = Table::new(&["Column", "Values", "#Fixed test set", "#Week"]);
    for column in columns {
        let Some(found) = page
            .histograms
            .iter()
            .find(|histogram| histogram.column == column.column)
        else {
            continue;
        };
        let mut shares = shares(found);
        let difference = |share: &(String, f64, f64)| (share.1 - share.2).abs();
        shares.sort_by(|left, right| difference(right).total_cmp(&difference(left)));
        for (values, reference, current) in shares.into_iter().take(BINS) {
            table.cells([
                plain("th", name(&column.column)).attr("scope", "row"),
                plain("td", values),
                element("td", "n", text::percent(reference)),
                element("td", "n", text::percent(current)),
            ]);
        }
    }
    table
}
