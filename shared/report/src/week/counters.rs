//! The counters, worst first.

use super::{CounterWeek, WeekPage, have, map};
use crate::{
    html::{Element, Markup, Table, element, folded, plain},
    page,
    svg::{Share, dot, sparkline, upright},
    text,
};

/// The number of counters that are shown before the others are folded.
const SHOWN: usize = 15;
/// The number of days of a week, which are bold in the sparklines.
const WEEK: usize = 7;
/// The number of worst counters that the heading is about.
const WORST: usize = 10;

/// Returns the names of the counters without a count above 0 in the week.
pub(super) fn silent_all_week(page: &WeekPage) -> Vec<&str> {
    let counters = page.traffic.counters.iter();
    counters
        .filter(|counter| counter.mean.is_none_or(|mean| mean == 0.0))
        .map(|counter| counter.name.as_str())
        .collect()
}

pub(super) fn section(page: &WeekPage) -> Markup {
    let mut counters: Vec<_> = page.traffic.counters.iter().collect();
    counters.sort_by(|left, right| {
        let mae = |counter: &CounterWeek| counter.mae.unwrap_or(-1.0);
        mae(right).total_cmp(&mae(left))
    });
    let heading = heading(&counters);
    if counters.is_empty() {
        return page::section("counters", &heading, "", "");
    }
    let highest = counters
        .iter()
        .flat_map(|counter| [counter.mae, counter.naive_mae])
        .flatten()
        .fold(0.0, f64::max);
    let (shown, others) = counters.split_at(SHOWN.min(counters.len()));
    let mut tables = table(shown, highest).markup();
    if !others.is_empty() {
        let summary = format!("The other {}", text::plural(others.len(), "counter"));
        tables.push(folded(&summary, table(others, highest).markup()));
    }
    let content: Markup = [
        element("div", "", tables),
        element("div", "", map::figure(&counters)),
    ]
    .into();
    page::section(
        "counters",
        &heading,
        how(page),
        element("div", "split", content),
    )
}

fn how(page: &WeekPage) -> Markup {
    let silent: Vec<_> = page
        .traffic
        .counters
        .iter()
        .filter(|counter| counter.silent_hours > 0)
        .collect();
    let mut text = "Sorted by the mean absolute error, in bicycles an hour. Lines: daily sums of 28 days, this \
                    week in bold. Dot: the forecast's error; stroke: that of repeating last week."
        .to_owned();
    if !silent.is_empty() {
        text.push_str(&format!(
            " {} silent hours: 24 or more zeros in a row.",
            have(silent.len(), "counter")
        ));
    }
    text.into()
}

fn heading(counters: &[&CounterWeek]) -> String {
    let scored: Vec<_> = counters
        .iter()
        .filter(|counter| counter.mae.is_some())
        .collect();
    if scored.is_empty() {
        return match counters.len() {
            0 => "No counter has counts".to_owned(),
            number => format!(
                "{} counts, but no forecasts to compare",
                have(number, "counter")
            ),
        };
    }
    let total: f64 = scored.iter().map(|counter| counter.total_error()).sum();
    let mut errors: Vec<_> = scored.iter().map(|counter| counter.total_error()).collect();
    errors.sort_by(|left, right| right.total_cmp(left));
    let compared: Vec<_> = scored
        .iter()
        .filter_map(|counter| counter.mae.zip(counter.naive_mae))
        .collect();
    let better = compared.iter().filter(|(mae, naive)| mae < naive).count();
    let beats = if compared.is_empty() {
        "there are no counts of last week to compare with".to_owned()
    } else {
        format!(
            "the forecast beats last week's counts at {better} of {}",
            compared.len()
        )
    };
    if scored.len() <= WORST || total <= 0.0 {
        return format!("{} scored; {beats}", text::plural(scored.len(), "counter"));
    }
    let worst: f64 = errors.iter().take(WORST).sum();
    format!(
        "Ten of {} counters make {} of the error; {beats}",
        scored.len(),
        text::percent(worst / total)
    )
}

fn table(counters: &[&CounterWeek], highest: f64) -> Table {
    let mut table = Table::new(&[
        "Counter",
        "28 days",
        "~#Mean",
        "~#Change",
        "#MAE",
        "~Forecast and last week",
        "#Bias",
        "#Silent hours",
        "~#Missing hours",
    ])
    .class("counters");
    for counter in counters {
        table.cells(row(counter, highest));
    }
    table
}

fn row(counter: &CounterWeek, highest: f64) -> Markup {
    let number = |value: Option<f64>, format: fn(f64) -> String| {
        value.map_or_else(|| "–".to_owned(), format)
    };
    let hours = |hours: usize| {
        if hours == 0 {
            String::new()
        } else {
            hours.to_string()
        }
    };
    let change = counter.mean.zip(counter.mean_before);
    let change = change
        .filter(|(_, before)| *before > 0.0)
        .map(|(mean, before)| mean / before - 1.0);
    let class = if counter.silent_hours > 0 {
        "n alarm"
    } else {
        "n"
    };
    [
        plain("th", name(&counter.name)).attr("scope", "row"),
        element("td", "pic", line(counter)),
        element("td", "n wide", number(counter.mean, text::number)),
        element("td", "n wide", number(change, text::signed_percent)),
        element("td", "n", number(counter.mae, text::number)),
        element("td", "dotcell wide", pair(counter, highest)),
        element("td", "n", number(counter.bias, text::signed)),
        element("td", class, hours(counter.silent_hours)),
        element("td", "n wide", hours(counter.missing_hours)),
    ]
    .into()
}

/// Returns the name of a counter, without a line break in its direction.
fn name(counter: &str) -> Markup {
    match text::direction(counter) {
        Some((street, direction)) => [
            Markup::from(format!("{street} ")),
            element("span", "whole", direction).into(),
        ]
        .into(),
        None => counter.into(),
    }
}

fn line(counter: &CounterWeek) -> Element {
    let known = || counter.daily.iter().flatten().copied();
    let title = match known().count() {
        0 => "no daily sums".to_owned(),
        days => format!(
            "{}: {} to {} bicycles",
            text::plural(days, "day"),
            text::count(known().fold(f64::INFINITY, f64::min) as i64),
            text::count(known().fold(0.0, f64::max) as i64)
        ),
    };
    sparkline(&counter.daily, WEEK, None, &title)
}

/// Returns the errors of the forecast and of repeating the week before, on one line.
fn pair(counter: &CounterWeek, highest: f64) -> Option<Element> {
    let mae = counter.mae?;
    let x = |error: f64| {
        if highest > 0.0 { error / highest } else { 0.0 }
    };
    let is_worse = counter.naive_mae.is_some_and(|naive| mae > naive);
    let mut title = format!("forecast {}", text::number(mae));
    let mut picture = Element::new("svg")
        .class("fluid")
        .attr("height", 18)
        .attr("role", "img");
    if let Some(naive) = counter.naive_mae {
        title.push_str(&format!(", last week {}", text::number(naive)));
    }
    picture = picture.hover(title);
    if let Some(naive) = counter.naive_mae {
        let class = if is_worse { "pair worse" } else { "pair" };
        picture = picture
            .child(
                Element::new("line")
                    .class(class)
                    .attr("x1", Share(x(mae)))
                    .attr("x2", Share(x(naive)))
                    .attr("y1", 9)
                    .attr("y2", 9),
            )
            .child(upright("tickmark", x(naive), (3.0, 15.0)));
    }
    let class = if is_worse { "d-orange" } else { "d-blue" };
    Some(picture.child(dot(class, (x(mae), 9.0), 4.0)))
}
