//! The errors by weekday and hour.

use super::{Cell, WeekPage};
use crate::{
    html::{Element, Markup, Table, element, plain},
    page,
    svg::{Chart, bar, label},
    text,
};

const HOURS: usize = 24;
const ROW: f64 = 27.0;
/// The limits of the classes of colour, in bicycles an hour and counter. They are fixed, so that
/// pages of different weeks are comparable.
const STEPS: [f64; 4] = [2.0, 5.0, 10.0, 20.0];

pub(super) fn section(page: &WeekPage) -> Markup {
    let cells = &page.traffic.cells;
    if cells.iter().all(|cell| cell.rows == 0) {
        return Markup::default();
    }
    let heading = heading(cells);
    let description =
        "Heat map of 7 days by 24 hours: the mean of the forecasts minus the mean of the counts.";
    let mut chart = Chart::new("heat", heading.as_str(), description, 7.0 * ROW + 24.0);
    for (weekday, hours) in cells.chunks(HOURS).enumerate() {
        let y = weekday as f64 * ROW;
        let name = text::short_weekday(weekday);
        chart.add(label("tick end", (0.0, y + 18.0), name).attr("dx", -8));
        for (hour, cell) in hours.iter().enumerate() {
            let x = hour as f64 / HOURS as f64;
            let class = format!("cell {}", class(cell));
            chart.add(
                bar(&class, (x, 1.0 / HOURS as f64), (y, ROW)).hover(hover(weekday, hour, cell)),
            );
        }
    }
    for hour in (0..HOURS).step_by(3) {
        let x = (hour as f64 + 0.5) / HOURS as f64;
        chart.add(label(
            "tick mid",
            (x, 7.0 * ROW + 18.0),
            format!("{hour} h"),
        ));
    }
    let how = "Mean of the forecasts minus mean of the counts, in bicycles an hour and counter. Orange: the \
               forecasts were too high; blue: too low.";
    let content: Markup = [ramp(), chart.figure(table(cells))].into();
    page::section("heat", &heading, how, content)
}

fn heading(cells: &[Cell]) -> String {
    let Some(block) = largest_block(cells) else {
        return "No hour of the week stands out".to_owned();
    };
    let mean = block.sum / block.hours as f64;
    if mean.abs() < STEPS[0] {
        return format!(
            "No part of a day was off by more than {}",
            text::per_hour(STEPS[0])
        );
    }
    format!(
        "The largest deviation was on {} from {} to {} h: {} and counter too {}",
        text::WEEKDAYS[block.weekday],
        block.from,
        block.from + block.hours,
        text::per_hour(mean.abs()),
        if mean > 0.0 { "high" } else { "low" }
    )
}

/// Consecutive hours of one weekday with errors of one direction.
struct Block {
    weekday: usize,
    from: usize,
    hours: usize,
    sum: f64,
}

/// Returns the block with the largest sum of errors.
fn largest_block(cells: &[Cell]) -> Option<Block> {
    let mut blocks = Vec::new();
    for (weekday, hours) in cells.chunks(HOURS).enumerate() {
        let mut from = 0;
        let is_alike = |left: &Cell, right: &Cell| (left.bias > 0.0) == (right.bias > 0.0);
        for block in hours.chunk_by(is_alike) {
            blocks.push(trimmed(weekday, from, block));
            from += block.len();
        }
    }
    blocks
        .into_iter()
        .filter(|block| block.hours > 0)
        .max_by(|left, right| left.sum.abs().total_cmp(&right.sum.abs()))
}

/// Returns a block without the hours at its ends whose error is below the first step of colour.
fn trimmed(weekday: usize, from: usize, cells: &[Cell]) -> Block {
    let is_notable = |cell: &Cell| cell.bias.abs() >= STEPS[0];
    let first = cells.iter().position(is_notable).unwrap_or_default();
    let last = cells.iter().rposition(is_notable);
    let end = last.map_or(cells.len(), |last| last + 1);
    Block {
        weekday,
        from: from + first,
        hours: end - first,
        sum: cells[first..end].iter().map(|cell| cell.bias).sum(),
    }
}

/// Returns the class of a cell's colour.
fn class(cell: &Cell) -> &'static str {
    if cell.rows == 0 {
        return "none";
    }
    let step = STEPS
        .iter()
        .filter(|step| cell.bias.abs() >= **step)
        .count();
    let (high, low) = (["z", "m1", "m2", "m3", "m4"], ["z", "p1", "p2", "p3", "p4"]);
    if cell.bias > 0.0 {
        high[step]
    } else {
        low[step]
    }
}

fn hover(weekday: usize, hour: usize, cell: &Cell) -> String {
    let time = format!("{} {hour}:00", text::short_weekday(weekday));
    if cell.rows == 0 {
        return format!("{time}: no counts");
    }
    format!(
        "{time}: bias {}, error {}",
        text::signed(cell.bias),
        text::number(cell.mae)
    )
}

/// Returns the key of the colours.
fn ramp() -> Markup {
    let classes = ["m4", "m3", "m2", "m1", "z", "p1", "p2", "p3", "p4"];
    let cells = classes.iter().zip(0_u8..).map(|(class, at)| {
        Element::new("rect")
            .class(class)
            .attr("x", u32::from(at) * 23)
            .attr("width", 23)
            .attr("height", 12)
    });
    let picture = Element::new("svg")
        .attr("viewBox", "0 0 207 12")
        .attr("aria-hidden", "true")
        .child(cells.collect::<Markup>());
    element("p", "ramp", "too high")
        .child(picture)
        .child(plain("span", "too low"))
        .child(plain("span", "steps at 2, 5, 10 and 20 bicycles an hour"))
        .into()
}

fn table(cells: &[Cell]) -> Table {
    let columns: Vec<_> = (0..HOURS).map(|hour| format!("#{hour} h")).collect();
    let mut names = vec!["Bias"];
    names.extend(columns.iter().map(String::as_str));
    let mut table = Table::new(&names).caption("Bias by weekday and hour, in bicycles an hour");
    for (weekday, hours) in cells.chunks(HOURS).enumerate() {
        let biases = hours.iter().map(|cell| {
            if cell.rows == 0 {
                "–".to_owned()
            } else {
                text::signed(cell.bias)
            }
        });
        let biases: Vec<_> = biases.collect();
        table.row(text::WEEKDAYS[weekday], biases);
    }
    table
}
