//! Charts of horizontal bars with names.

use crate::{
    html::{Markup, Table},
    svg::{Chart, Margins, bar, label, upright},
};

const ROW: f64 = 34.0;
/// The height of the space for the name of the reference line.
const TOP: f64 = 18.0;
/// The share of the width that the longest bar has, so that its label fits.
const LONGEST: f64 = 0.8;

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
    // Bars to the left need space for their labels as well.
    let (left, span) = if low < 0.0 {
        (1.0 - LONGEST, 2.0 * LONGEST - 1.0)
    } else {
        (0.0, LONGEST)
    };
    let x = |value: f64| left + (value - low) / width * span;
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
    // Labels come last, so that no line crosses them.
    for (at, row) in rows.iter().enumerate() {
        chart.add(labels(row, x(row.value), y(at)));
    }
    chart.figure(table)
}

/// Returns the name of a bar, above it, and its label at its end.
fn labels(row: &Bar, end: f64, y: f64) -> Markup {
    let (anchor, offset) = if row.value < 0.0 {
        ("tick end", -6)
    } else {
        ("tick", 6)
    };
    [
        label("", (0.0, y + 12.0), row.name.as_str()),
        label(anchor, (end, y + 26.0), row.label.as_str()).attr("dx", offset),
    ]
    .into()
}
