//! The page of a month as HTML.

mod tables;

use super::{Gain, MonthPage};
use crate::{
    html::{Markup, plain},
    index::words::instant,
    page::{self, Page, key_number, link, section},
    svg::{Chart, Curves, Margins, Scale, key, label},
    text,
};

/// The height of the chart of the days, and its plotting area.
const HEIGHT: f64 = 232.0;
const PLOT: (f64, f64) = (12.0, 204.0);

/// The terms of the page.
const WORDS: &str = "MAE is the mean absolute error. The baseline is the data set that a champion was trained on. The \
                     champion is the model in use; a challenger is a model that was fine-tuned to replace it.";

/// Returns the page as the text of an HTML file.
pub fn render(page: &MonthPage) -> String {
    let eyebrow = [
        Markup::from(plain("b", page.month.name())),
        link("../index.html", "On-call page").into(),
        plain("span", format!("as of {}, Paris", instant(page.at))).into(),
    ];
    let body = [
        key_numbers(page),
        days(page),
        tables::latency(page),
        tables::lineage(page),
        tables::cost(page),
    ];
    let again = format!("bike-traffic report{} --month {}", page.target, page.month);
    let sources = "Made from the daily tables, the audit log and the registry. To make it again: ";
    let footer = [
        plain("p", WORDS),
        plain("p", sources).child(page::command(&again)),
    ];
    Page {
        title: format!("{}: bike-traffic", page.month.name()),
        eyebrow: Markup::from_iter(eyebrow),
        heading: heading(page),
        body: Markup::from_iter(body),
        footer: footer.into(),
    }
    .render()
}

/// Returns the month in one sentence.
fn heading(page: &MonthPage) -> String {
    let (days, in_time) = (page.days.len(), page.days_in_time());
    let punctual = format!(
        "{in_time} of {} forecast in time",
        text::plural(days, "day")
    );
    let gain = page.gain();
    match gain.share() {
        None => format!("{punctual}; no forecast has a count to compare with"),
        Some(share) if share >= 0.0 => format!(
            "{punctual}, {} nearer to the counts than last week’s numbers",
            text::percent(share)
        ),
        Some(share) => format!(
            "{punctual}, {} farther from the counts than last week’s numbers",
            text::percent(-share)
        ),
    }
}

fn key_numbers(page: &MonthPage) -> Markup {
    let gain = page.gain();
    let (days, in_time) = (page.days.len(), page.days_in_time());
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::number);
    let saved = text::signed(gain.saved());
    let cost = format!("{:.2}", page.cost.total());
    let made = page
        .versions
        .iter()
        .filter(|version| version.days > 0)
        .count();
    let hours = text::plural(gain.rows, "hour");
    let parts = [
        key_number(
            "Days forecast in time",
            (&in_time.to_string(), &format!("of {days}")),
            in_time < days,
            vec![Markup::from("before noon of the day")],
        ),
        key_number(
            "Gain over repeating last week",
            (&saved, "bicycles"),
            gain.saved() < 0.0,
            vec![
                Markup::from(format!(
                    "mean absolute error {} against {}",
                    number(gain.mae()),
                    number(gain.naive_mae())
                )),
                format!("{hours} of single counters").into(),
            ],
        ),
        key_number(
            "Versions in use",
            (&made.to_string(), ""),
            false,
            page.champion
                .map(|version| Markup::from(format!("version {version} is the champion")))
                .into_iter()
                .collect(),
        ),
        key_number(
            "Estimated cost",
            (&cost, "US dollars"),
            false,
            vec![Markup::from("by the prices of docs/deploy.md")],
        ),
    ];
    plain("dl", Markup::from_iter(parts)).class("kpis").into()
}

/// Returns the chart of the gain of each day.
fn days(page: &MonthPage) -> Markup {
    let heading = days_heading(page);
    let how = "Mean absolute error of each day, in bicycles an hour. Seasonal naive: the count of the same hour, one \
               week earlier.";
    let maes = page
        .days
        .iter()
        .flat_map(|day| [day.gain.mae(), day.gain.naive_mae()]);
    let scale = Scale::from_zero(maes.flatten().fold(0.0, f64::max), PLOT);
    let mut chart =
        Chart::new("month-days", heading.clone(), how, HEIGHT).margins(Margins::BothIfWide);
    chart.grid(&scale);
    let width = page.days.len().max(1) as f64;
    let mut curves = Curves::new(width, HEIGHT);
    let points = |values: Vec<Option<f64>>| {
        let place = |(at, value): (usize, Option<f64>)| {
            (at as f64 + 0.5, value.map(|value| scale.y(value)))
        };
        values
            .into_iter()
            .enumerate()
            .map(place)
            .collect::<Vec<_>>()
    };
    let naive = page.days.iter().map(|day| day.gain.naive_mae()).collect();
    let forecast = page.days.iter().map(|day| day.gain.mae()).collect();
    curves.line("earlier", points(naive));
    curves.line("forecast", points(forecast));
    for (at, day) in page.days.iter().enumerate() {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::number);
        let hover = format!(
            "{}: MAE {}, seasonal naive {}",
            day.day,
            number(day.gain.mae()),
            number(day.gain.naive_mae())
        );
        curves.column("hit", (at as f64, 1.0), Some(hover));
        if at % 7 == 0 {
            let x = (at as f64 + 0.5) / width;
            let date = day.day.date().day().to_string();
            chart.add(label("tick mid", (x, HEIGHT - 8.0), date));
        }
    }
    chart.add(curves.markup());
    chart.names(&scale, names(page));
    let keys = [
        key("forecast", "forecast"),
        key("earlier", "seasonal naive"),
    ];
    let how = Markup::from_iter([Markup::from(how), " ".into(), keys.into()]);
    section("days", &heading, how, chart.figure(tables::days(page)))
}

/// Returns the names of both curves, with their last values.
fn names(page: &MonthPage) -> [(&'static str, &'static str, Option<f64>); 2] {
    let last = |value: fn(&Gain) -> Option<f64>| {
        let mut gains = page.days.iter().rev().map(|day| &day.gain);
        gains.find_map(value)
    };
    [
        ("t-blue wide", "forecast", last(Gain::mae)),
        ("t-muted wide", "seasonal naive", last(Gain::naive_mae)),
    ]
}

fn days_heading(page: &MonthPage) -> String {
    let known = || page.days.iter().filter(|day| day.gain.rows > 0);
    let better = known().filter(|day| day.gain.saved() > 0.0).count();
    let all = known().count();
    if all == 0 {
        return "No day has counts and forecasts".to_owned();
    }
    format!(
        "The forecast beat the seasonal naive on {better} of {}",
        text::plural(all, "day")
    )
}
