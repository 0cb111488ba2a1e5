//! The page of a week.
//!
//! Each module below makes one section of the page, in the order in which they are on it.

mod city;
mod counters;
mod data;
mod drift;
mod gather;
mod heat;
mod map;
mod models;
mod numbers;
mod quality;
mod standing;
mod traffic;
mod trend;
mod verdict;

use forecasting::time::Week;
use shared::{address::ObjectPath, evaluation::Evaluation, week_report};

pub use data::{
    BandSource, Bin, Category, Cell, CityHour, CounterWeek, DayCoverage, DayOfData, Histogram,
    Mark, MarkKind, Step, TestScores, Traffic, Training, Trial, WeekPage,
};
pub use gather::GatherError;

use self::{standing::Standing, verdict::NOTABLE_BIAS};
use crate::{
    html::{Markup, plain},
    page::{Page, link},
    text,
};

/// Returns the path of the page of a week.
pub fn path(week: Week) -> ObjectPath {
    ObjectPath::new(format_args!("reports/week/{week}.html"))
}

/// Makes the page of a week. Equal data give equal pages.
pub fn render(page: &WeekPage) -> String {
    let week = page.week;
    let is_too_high = matches!(Standing::of(page), Standing::Worse | Standing::Major);
    let body: Markup = [
        verdict::answers(page),
        numbers::key_numbers(page, is_too_high, NOTABLE_BIAS),
        city::section(page),
        trend::section(page),
        counters::section(page),
        heat::section(page),
        drift::section(page),
        models::section(page),
        quality::section(page),
    ]
    .into();
    Page {
        title: format!("Bicycles in Paris, {}", text::week(week)),
        eyebrow: [
            Markup::from(plain(
                "b",
                format!("Bicycles in Paris, {}", text::week(week)),
            )),
            plain("span", text::days(week)).into(),
            link("../index.html", "All weeks").into(),
        ]
        .into(),
        heading: verdict::heading(page),
        body,
        footer: footer(page),
    }
    .render()
}

/// Returns the sources of the page, as links relative to it.
fn footer(page: &WeekPage) -> Markup {
    let mut sources = vec![(
        format!("../../{}", week_report::path(&page.subject)),
        "drift report",
    )];
    if page.evaluation.is_some() {
        sources.push((
            format!("../../{}", Evaluation::path(&page.subject)),
            "evaluation",
        ));
    }
    let mut line = Markup::from("Made from stored objects: ");
    for (path, name) in &sources {
        line.push(link(path, name));
        line.push(", ");
    }
    line.push("daily tables of counts and forecasts, audit log.");
    let notes = "Times are local (Europe/Paris). MAE is the mean absolute error; bias is the mean of the \
                 forecasts minus the mean of the counts; the seasonal naive forecast repeats the count of \
                 the same hour, one week earlier.";
    let words = "The champion is the model in use; a challenger is a model that was fine-tuned to replace it. Both are \
                 compared on the fixed test set, which no model is trained on, and on the fresh holdout, the seven \
                 days before the check. A column is an input of the model, or the count itself; it drifts if its \
                 distribution in the week differs from that in the fixed test set by more than its threshold.";
    [plain("p", notes), plain("p", words), plain("p", line)].into()
}

/// Returns a number of things with a verb, as in `1 hour has` and `3 hours have`.
fn have(number: usize, noun: &str) -> String {
    let verb = if number == 1 { "has" } else { "have" };
    format!("{} {verb}", text::plural(number, noun))
}

#[cfg(test)]
mod tests;
