//! Small pictures in tables: sparklines and histograms.

use std::fmt::Write;

use super::Pixels;
use crate::html::{Element, Markup, plain};

const WIDTH: f64 = 112.0;
const HEIGHT: f64 = 28.0;
/// The space above and below a curve, so that thick lines are not cut.
const SPACE: f64 = 3.0;

/// Returns a sparkline of values from 0 to their maximum or `limit`, the higher of both. The last
/// `recent` values are bold, and `limit` is a dashed line. A missing value interrupts the line.
///
/// `title` is the text alternative.
pub fn sparkline(
    values: &[Option<f64>],
    recent: usize,
    limit: Option<f64>,
    title: &str,
) -> Element {
    let known = values.iter().flatten().copied().chain(limit);
    let high = known.fold(0.0, f64::max);
    let y = |value: f64| {
        let share = if high > 0.0 { value / high } else { 0.0 };
        HEIGHT - SPACE - share.clamp(0.0, 1.0) * (HEIGHT - 2.0 * SPACE)
    };
    let step = (WIDTH - 4.0) / values.len().saturating_sub(1).max(1) as f64;
    let x = |position: usize| 2.0 + step * position as f64;
    let first_recent = values.len().saturating_sub(recent);
    let mut content = Markup::from(plain("title", title));
    if let Some(limit) = limit {
        content.push(
            Element::new("path")
                .class("limit")
                .attr("d", format_args!("M0,{}H{WIDTH}", Pixels(y(limit)))),
        );
    }
    for (class, from, to) in [
        ("s", 0, (first_recent + 1).min(values.len())),
        ("s now", first_recent, values.len()),
    ] {
        let points = values.iter().enumerate().take(to).skip(from);
        let mut data = String::new();
        let mut is_drawing = false;
        for (position, value) in points {
            let Some(value) = value else {
                is_drawing = false;
                continue;
            };
            data.push(if is_drawing { ' ' } else { 'M' });
            is_drawing = true;
            // Writing to a string does not fail.
            let _ = write!(data, "{},{}", Pixels(x(position)), Pixels(y(*value)));
        }
        if !data.is_empty() {
            content.push(Element::new("path").class(class).attr("d", data));
        }
    }
    if let Some(Some(last)) = values.last() {
        content.push(
            Element::new("circle")
                .class("e")
                .attr("cx", Pixels(x(values.len() - 1)))
                .attr("cy", Pixels(y(*last)))
                .attr("r", 2),
        );
    }
    picture("sparkline").child(content)
}

/// Returns two histograms of the same bins over each other: the reference as an area, the current
/// shares as a line. `title` is the text alternative.
pub fn histogram(reference: &[f64], current: &[f64], title: &str) -> Element {
    let high = reference.iter().chain(current).copied().fold(0.0, f64::max);
    let shapes =
        [("ref", reference, true), ("cur", current, false)].map(|(class, shares, area)| {
            Element::new("path")
                .class(class)
                .attr("d", step_path(shares, high, (WIDTH, HEIGHT), area))
        });
    picture("histogram")
        .child(plain("title", title))
        .child(shapes)
}

fn picture(class: &str) -> Element {
    Element::new("svg")
        .class(class)
        .attr("viewBox", format_args!("0 0 {WIDTH} {HEIGHT}"))
        .attr("width", WIDTH)
        .attr("height", HEIGHT)
        .attr("role", "img")
}

/// Returns the data of a path with one step per value. `high` is the value at the top. An area is
/// closed along the bottom.
pub fn step_path(values: &[f64], high: f64, (width, height): (f64, f64), is_area: bool) -> String {
    let y = |value: f64| {
        let share = if high > 0.0 { value / high } else { 0.0 };
        height - share.clamp(0.0, 1.0) * (height - 2.0) - 1.0
    };
    let step = width / values.len().max(1) as f64;
    let mut data = format!("M0,{}", Pixels(height));
    for (position, value) in values.iter().enumerate() {
        let right = step * (position + 1) as f64;
        // Writing to a string does not fail.
        let _ = write!(data, "V{}H{}", Pixels(y(*value)), Pixels(right));
    }
    if is_area {
        let _ = write!(data, "V{}Z", Pixels(height));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparkline_breaks_where_a_value_is_missing() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0), Some(10.0)];
        let markup = Markup::from(sparkline(&values, 2, None, "five days"));
        let text = markup.as_str();
        assert!(
            text.contains("<path class=\"s\" d=\"M2,25 29,3M83,14\"/>"),
            "{text}"
        );
        assert!(
            text.contains("<path class=\"s now\" d=\"M83,14 110,3\"/>"),
            "{text}"
        );
        assert!(text.contains("<title>five days</title>"), "{text}");
    }

    #[test]
    fn histogram_draws_both_sides_on_one_scale() {
        let markup = Markup::from(histogram(&[0.5, 0.5], &[1.0, 0.0], "shares"));
        let text = markup.as_str();
        assert!(
            text.contains("class=\"ref\" d=\"M0,28V14H56V14H112V28Z\""),
            "{text}"
        );
        assert!(
            text.contains("class=\"cur\" d=\"M0,28V1H56V27H112\""),
            "{text}"
        );
    }

    #[test]
    fn sparkline_of_nothing_has_only_its_title() {
        let markup = Markup::from(sparkline(&[], 7, None, "no days"));
        assert!(!markup.as_str().contains("path"), "{}", markup.as_str());
    }
}
