//! The charts of the on-call page.

use forecasting::time::Day;
use jiff::civil::Weekday;

use crate::{
    html::{Markup, Table, element, folded, plain},
    index::{Calendar, Cell, CellState, NextDay, calendar::DAYS, words::instant},
    page::section,
    svg::{Chart, Curves, Margins, Scale, bar, key, label},
    text,
};

/// The height of a row of the calendar: its name and its cells.
const ROW: f64 = 46.0;
/// The height of the cells of the calendar.
const CELL: f64 = 22.0;
/// The share of a cell's width that is filled.
const FILLED: f64 = 0.9;
/// The longest reason that is shown while the pointer rests on a cell, in characters.
const LONGEST_REASON: usize = 280;
/// The height of the chart of the forecast, and its plotting area.
const HEIGHT: f64 = 236.0;
const PLOT: (f64, f64) = (12.0, 208.0);

const STATES: [CellState; 6] = [
    CellState::Done,
    CellState::Late,
    CellState::InProgress,
    CellState::Missing,
    CellState::Failed,
    CellState::DeadLettered,
];

/// Returns the calendar of the last days.
pub(super) fn calendar(calendar: &Calendar) -> Markup {
    let heading = calendar_heading(calendar);
    let how = format!(
        "The work of each function on the day on which it was due, {} to {}. Point at a day for the reason.",
        text::day(calendar.first),
        text::day(calendar.last())
    );
    let height = ROW * calendar.rows.len() as f64 + 22.0;
    let description = "One row for each function, one cell for each day; its symbol is its state.";
    let mut chart = Chart::new("days", heading.clone(), description, height).margins(Margins::None);
    let mut top = 0.0;
    for (function, cells) in &calendar.rows {
        chart.add(label("t-muted", (0.0, top + 13.0), function.name()));
        for (position, (day, cell)) in days(calendar).zip(cells).enumerate() {
            let x = position as f64 / f64::from(DAYS);
            let width = FILLED / f64::from(DAYS);
            let class = format!("state {}", class(cell.state));
            let hover = hover(day, cell);
            chart.add(bar(&class, (x, width), (top + 19.0, CELL)).hover(hover));
            let symbol = cell.state.symbol();
            if !symbol.is_empty() {
                let middle = (x + width / 2.0, top + 34.5);
                chart.add(label("mid symbol wide", middle, symbol));
            }
        }
        top += ROW;
    }
    for (position, day) in days(calendar).enumerate() {
        if day.date().weekday() == Weekday::Monday {
            // The last label ends with its day, so that it stays within the page. On narrow screens
            // there is then no space for the one before.
            let left = DAYS as usize - position;
            let (class, place) = match left {
                0..=3 => ("tick end", position + 1),
                8..=10 => ("tick wide", position),
                _ => ("tick", position),
            };
            let x = place as f64 / f64::from(DAYS);
            chart.add(label(class, (x, top + 12.0), short(day)));
        }
    }
    let figure = chart.figure(table(calendar));
    section(
        "calendar",
        &heading,
        how,
        Markup::from_iter([state_key(), figure, troubles(calendar)]),
    )
}

fn days(calendar: &Calendar) -> impl Iterator<Item = Day> {
    calendar.first.through(calendar.last())
}

/// Returns a day in short: `2 Aug`.
fn short(day: Day) -> String {
    day.date().strftime("%-d %b").to_string()
}

const fn class(state: CellState) -> &'static str {
    match state {
        CellState::Idle => "idle",
        CellState::Done => "done",
        CellState::InProgress => "running",
        CellState::Late => "late",
        CellState::Missing => "gap",
        CellState::Failed => "failed",
        CellState::DeadLettered => "dead",
    }
}

fn hover(day: Day, cell: &Cell) -> String {
    let reasons: Vec<_> = cell
        .reasons
        .iter()
        .map(|reason| shortened(reason))
        .collect();
    let head = format!("{}: {}", text::day(day), cell.state.name());
    if reasons.is_empty() {
        return head;
    }
    format!("{head}\n{}", reasons.join("\n"))
}

fn shortened(reason: &str) -> String {
    if reason.chars().count() <= LONGEST_REASON {
        return reason.to_owned();
    }
    let start: String = reason.chars().take(LONGEST_REASON).collect();
    format!("{start}…")
}

/// Returns the sentence that says what the calendar shows.
fn calendar_heading(calendar: &Calendar) -> String {
    let cells = calendar.rows.iter().flat_map(|(_, cells)| cells);
    let number = |state: CellState| {
        let found = cells.clone().filter(|cell| cell.state == state);
        found.count()
    };
    let parts: Vec<_> = STATES
        .into_iter()
        .skip(1)
        .filter(|state| number(*state) > 0)
        .map(|state| format!("{} {}", number(state), state.name()))
        .collect();
    if parts.is_empty() {
        return format!("All work of the last {DAYS} days was done in time");
    }
    format!("The last {DAYS} days: {}", text::list(&parts))
}

/// Returns the key of the symbols.
fn state_key() -> Markup {
    let items = STATES.into_iter().map(|state| {
        let symbol = element("b", &format!("keycell {}", class(state)), state.symbol());
        element("span", "key", symbol).child(state.name())
    });
    element("p", "how", items.collect::<Markup>()).into()
}

fn table(calendar: &Calendar) -> Table {
    let mut columns = vec!["Day"];
    columns.extend(calendar.rows.iter().map(|(function, _)| function.name()));
    let mut table = Table::new(&columns).caption("The state of each function's work on each day");
    for (position, day) in days(calendar).enumerate() {
        let mut row = Markup::from(plain("th", day.to_string()).attr("scope", "row"));
        for (_, cells) in &calendar.rows {
            let state = cells
                .get(position)
                .map_or(CellState::Idle, |cell| cell.state);
            let name = if state == CellState::Idle {
                ""
            } else {
                state.name()
            };
            row.push(plain("td", name));
        }
        table.cells(row);
    }
    table
}

/// Returns the reasons of all cells that are not done, newest first.
fn troubles(calendar: &Calendar) -> Markup {
    let mut table = Table::new(&["Day", "Function", "State", "Reason"]);
    let mut found = Vec::new();
    for (function, cells) in &calendar.rows {
        for (day, cell) in days(calendar).zip(cells) {
            if cell.state > CellState::Done {
                found.push((day, *function, cell));
            }
        }
    }
    found.sort_by_key(|(day, function, _)| (std::cmp::Reverse(*day), *function));
    for (day, function, cell) in found {
        let reasons: Vec<_> = cell
            .reasons
            .iter()
            .map(|reason| shortened(reason))
            .collect();
        let mut row = Markup::from(plain("th", day.to_string()).attr("scope", "row"));
        row.push(plain("td", function.name()));
        row.push(plain("td", cell.state.name()));
        row.push(element("td", "reason", reasons.join("; ")));
        table.cells(row);
    }
    if table.is_empty() {
        return Markup::default();
    }
    folded("Reasons", table.markup())
}

/// Returns the forecast of the latest day against the week before.
pub(super) fn next_day(next_day: Option<&NextDay>) -> Markup {
    let Some(next_day) = next_day else {
        let note = element(
            "p",
            "note",
            "The function predict makes it after the next ingested day.",
        );
        return section(
            "next-day",
            "There is no forecast of today or tomorrow",
            "",
            note,
        );
    };
    let heading = next_day_heading(next_day);
    let how = format!(
        "Bicycles an hour at {}: forecast by version {}, {}, and counted one week earlier.{}",
        text::plural(next_day.counters, "counter"),
        next_day.version,
        instant(next_day.predicted_at),
        match next_day.silent {
            0 => String::new(),
            silent => format!(
                " {} silent, with a forecast of 0.",
                text::plural(silent, "counter")
            ),
        }
    );
    let chart = Chart::new("hours", heading.clone(), how.clone(), HEIGHT);
    let keys = [
        key("forecast", "forecast"),
        key("earlier", "a week earlier"),
    ];
    let how = Markup::from_iter([Markup::from(how), " ".into(), keys.into()]);
    let chart = hours(chart.margins(Margins::BothIfWide), next_day);
    section("next-day", &heading, how, chart)
}

/// Draws the hours of the forecast and those of the week before.
fn hours(mut chart: Chart, next_day: &NextDay) -> Markup {
    let hours = next_day.forecast.iter().zip(&next_day.week_earlier);
    let high = hours
        .clone()
        .flat_map(|(one, other)| [*one, *other])
        .flatten();
    let scale = Scale::from_zero(high.fold(0.0, f64::max), PLOT);
    chart.grid(&scale);
    let mut curves = Curves::new(next_day.forecast.len() as f64, HEIGHT);
    let points = |values: &[Option<f64>]| -> Vec<(f64, Option<f64>)> {
        let place = |(hour, value): (usize, &Option<f64>)| {
            (hour as f64 + 0.5, value.map(|value| scale.y(value)))
        };
        values.iter().enumerate().map(place).collect()
    };
    curves.line("earlier", points(&next_day.week_earlier));
    curves.line("forecast", points(&next_day.forecast));
    let mut table = Table::new(&["Hour", "#Forecast", "#Week earlier"]);
    for (hour, (forecast, earlier)) in hours.enumerate() {
        let texts =
            [*forecast, *earlier].map(|value| value.map_or_else(|| "–".to_owned(), text::number));
        let hover = format!(
            "{hour}:00: forecast {}, a week earlier {}",
            texts[0], texts[1]
        );
        curves.column("hit", (hour as f64, 1.0), Some(hover));
        table.row(format!("{hour}:00"), texts);
        if hour % 6 == 0 {
            let x = (hour as f64 + 0.5) / next_day.forecast.len() as f64;
            chart.add(label("tick mid", (x, HEIGHT - 8.0), format!("{hour}:00")));
        }
    }
    chart.add(curves.markup());
    let last = |values: &[Option<f64>]| values.iter().rev().find_map(|value| *value);
    let (forecast, earlier) = (last(&next_day.forecast), last(&next_day.week_earlier));
    chart.names(
        &scale,
        [
            ("t-blue wide", "forecast", forecast),
            ("t-muted wide", "a week earlier", earlier),
        ],
    );
    chart.figure(table)
}

fn next_day_heading(next_day: &NextDay) -> String {
    let day = format!(
        "{} {}",
        text::WEEKDAYS[text::weekday(next_day.day)],
        text::day(next_day.day)
    );
    let total = text::count(next_day.total().round() as i64);
    match next_day.total_week_earlier() {
        Some(earlier) if earlier > 0.0 => {
            let change = next_day.total() / earlier - 1.0;
            format!(
                "{day}: {total} bicycles are forecast, {} against the week before",
                text::signed_percent(change)
            )
        }
        _ => format!("{day}: {total} bicycles are forecast"),
    }
}
