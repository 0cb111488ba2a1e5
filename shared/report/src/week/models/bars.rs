//! Charts of horizontal bars with names.

use crate::{
    html::{Markup, Table},
    svg::{Chart, Margins, bar, label, upright},
};

const ROW: f64 = 34.0;
/// The height of the space for the name of the reference line.
const TOP: f64 = 18.0;
/// The share of the width that all bars have, so that their labels fit.
const LONGEST: f64 = 0.8;
/// The share of the width that a label needs.
const LABEL: f64 = 0.12;

/// A bar with its name and its label.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) label: String,
    pub(super) class: &'static str,
}

/// Returns a chart with one bar per row, below its name, and the table behind it. Bars of negative
/// values point to the left. `reference` is a value with its name, drawn as a line.
pub(super) fn bars(
    id: &'static str,
    title: &str,
    rows: &[Bar],
    reference: Option<(f64, String)>,
    table: Table,
) -> Markup {
    if rows.is_empty() {
        return Markup::default();
    }
    let top = if reference.is_some() { TOP } else { 0.0 };
    let height = top + ROW * rows.len() as f64 + 6.0;
    let mut chart = Chart::new(id, title, "Bar chart with one bar for each name.", height)
        .margins(Margins::None);
    let values = || {
        let reference = reference.iter().map(|(value, _)| *value);
        rows.iter().map(|row| row.value).chain(reference)
    };
    let low = values().fold(0.0, f64::min);
    let high = values().fold(0.0, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    let x = |value: f64| (value - low) / width * LONGEST;
    let zero = x(0.0);
    let y = |at: usize| top + at as f64 * ROW;
    for (at, row) in rows.iter().enumerate() {
        let end = x(row.value);
        chart.add(
            bar(
                row.class,
                (zero.min(end), (end - zero).abs()),
                (y(at) + 17.0, 9.0),
            )
            .hover(format!("{}: {}", row.name, row.label)),
        );
    }
    if low < 0.0 {
        chart.add(upright("base", zero, (0.0, height)));
    }
    if let Some((value, name)) = &reference {
        chart.add(upright("limit", x(*value), (top, height)));
        chart.add(label("t-orange end", (x(*value), 12.0), name.as_str()));
    }
    let line = reference.map(|(value, _)| x(value));
    for (at, row) in rows.iter().enumerate() {
        chart.add(labels(row, right_of(x(row.value).max(zero), line), y(at)));
    }
    chart.figure(table)
}

/// Returns the start of a label at the end of a bar: beyond the line of the reference if that would
/// cross the label.
fn right_of(end: f64, line: Option<f64>) -> f64 {
    let crossing = line.filter(|line| (end..end + LABEL).contains(line));
    crossing.unwrap_or(end)
}

/// Returns the name of a bar, above it, and its label to the right of it.
fn labels(row: &Bar, start: f64, y: f64) -> Markup {
    [
        label("", (0.0, y + 12.0), row.name.as_str()),
        label("tick", (start, y + 26.0), row.label.as_str()).attr("dx", 6),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_beyond_a_line_that_would_cross_it() {
        assert_eq!(right_of(0.5, None), 0.5);
        for (line, expected) in [(0.4, 0.5), (0.5, 0.5), (0.55, 0.55), (0.7, 0.5)] {
            assert_eq!(right_of(0.5, Some(line)), expected, "{line}");
        }
    }
}
