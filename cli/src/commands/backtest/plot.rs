//! The chart of the weekly errors, as SVG.

use std::fmt::Write;

use super::{BacktestReport, SeriesSummary, score::WeeklyErrors};

const WIDTH: f64 = 790.0;
const HEIGHT: f64 = 400.0;
/// The edges of the plotted area. On its right are the labels of the lines.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 350.0;
/// The smallest distance between two labels.
const LINE_HEIGHT: f64 = 17.0;
/// The largest number of weeks with a label each.
const MOST_WEEK_LABELS: usize = 8;

/// The colours of the lines on a light and on a dark background.
const COLOURS: [(&str, &str); 6] = [
    ("#6b7280", "#9ca3af"),
    ("#2563eb", "#60a5fa"),
    ("#b45309", "#fbbf24"),
    ("#047857", "#34d399"),
    ("#be185d", "#f472b6"),
    ("#6d28d9", "#a78bfa"),
];

/// A line with its label.
struct Line {
    label: String,
    errors: WeeklyErrors,
}

/// Returns a chart of the weekly errors of the first champion and of all tracks. It follows the
/// colour scheme of the reader and needs no other file.
pub(super) fn svg(report: &BacktestReport) -> String {
    let lines = lines(report);
    let scale = Scale::new(&lines);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title\">\n{}<rect class=\"background\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"title\" id=\"title\" x=\"12\" y=\"26\">{}</text>\n\
         <text x=\"12\" y=\"46\">Mean absolute error of each week, in bicycles an hour and counter</text>\n",
        style(),
        escaped(&title(report))
    );
    scale.draw_grid(&mut svg, report);
    let labels = label_positions(&lines, &scale);
    for (number, (line, label)) in lines.iter().zip(labels).enumerate() {
        draw_line(&mut svg, number % COLOURS.len(), line, label, &scale);
    }
    svg.push_str("</svg>\n");
    svg
}

fn lines(report: &BacktestReport) -> Vec<Line> {
    let weeks = report.weeks.iter();
    let mut lines = vec![
        Line {
            label: labelled("first champion", &report.frozen),
            errors: weeks.clone().map(|week| week.frozen).collect(),
        },
        Line {
            label: labelled("corrected daily", &report.frozen_corrected),
            errors: weeks.map(|week| week.frozen_corrected).collect(),
        },
    ];
    let tracks = report.names().into_iter().zip(&report.tracks);
    lines.extend(tracks.map(|(name, track)| Line {
        label: labelled(&format!("loop, {name}"), &track.summary),
        errors: track.weeks.iter().map(|week| week.live_mae).collect(),
    }));
    lines
}

fn labelled(name: &str, summary: &SeriesSummary) -> String {
    summary
        .mean
        .map_or_else(|| name.to_owned(), |mean| format!("{name} ({mean:.2})"))
}

/// Returns the finding: the best track compared with the first champion.
fn title(report: &BacktestReport) -> String {
    let improvement = |summary: &SeriesSummary| summary.improvement;
    let tracks = report.names().into_iter().zip(&report.tracks);
    let best = tracks
        .filter_map(|(name, track)| Some((name, improvement(&track.summary)?)))
        .max_by(|left, right| left.1.total_cmp(&right.1));
    match best {
        None => "No week can be compared".to_owned(),
        Some((name, improvement)) => {
            let direction = if improvement >= 0.0 {
                "lower"
            } else {
                "higher"
            };
            format!(
                "The error of the loop ({name}) is {:.1} % {direction} than the first champion's",
                improvement.abs() * 100.0
            )
        }
    }
}

fn style() -> String {
    let colours = |dark: bool| {
        let rule = |(number, (light_colour, dark_colour)): (usize, &(&str, &str))| {
            let colour = if dark { dark_colour } else { light_colour };
            format!(
                ".c{number} {{ stroke: {colour}; }} text.c{number} {{ fill: {colour}; stroke: none; }}"
            )
        };
        let rules: Vec<_> = COLOURS.iter().enumerate().map(rule).collect();
        rules.join(" ")
    };
    format!(
        "<style>\ntext {{ font: 13px system-ui, sans-serif; fill: #374151; }} .title {{ font-size: 16px; font-weight: \
         600; fill: #111827; }}\n.background {{ fill: #ffffff; }} .grid {{ stroke: #e5e7eb; }} polyline {{ fill: none; \
         stroke-width: 2; }}\n{}\n@media (prefers-color-scheme: dark) {{\ntext {{ fill: #d1d5db; }} .title {{ fill: \
         #f9fafb; }} .background {{ fill: #111827; }} .grid {{ stroke: #374151; }}\n{}\n}}\n</style>\n",
        colours(false),
        colours(true)
    )
}

/// The mapping of weeks and errors to the plotted area.
struct Scale {
    weeks: usize,
    lowest: f64,
    highest: f64,
    step: f64,
}

impl Scale {
    fn new(lines: &[Line]) -> Self {
        let known = || lines.iter().flat_map(|line| line.errors.iter().flatten());
        let lowest = known().copied().fold(f64::INFINITY, f64::min);
        let highest = known().copied().fold(f64::NEG_INFINITY, f64::max);
        // A report without any error has empty axes.
        let (lowest, highest) = if lowest.is_finite() {
            (lowest, highest)
        } else {
            (0.0, 1.0)
        };
        let step = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
            .into_iter()
            .find(|step| (highest - lowest) / step <= 6.0)
            .unwrap_or(100.0);
        let lowest = (lowest / step).floor() * step;
        Self {
            weeks: lines
                .iter()
                .map(|line| line.errors.len())
                .max()
                .unwrap_or(0),
            lowest,
            highest: ((highest / step).ceil() * step).max(lowest + step),
            step,
        }
    }

    fn x(&self, week: usize) -> f64 {
        let last = self.weeks.saturating_sub(1).max(1);
        LEFT + (RIGHT - LEFT) * week as f64 / last as f64
    }

    fn y(&self, error: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (error - self.lowest) / (self.highest - self.lowest)
    }

    /// Draws the horizontal lines of round errors, and the names of some weeks.
    fn draw_grid(&self, svg: &mut String, report: &BacktestReport) {
        let lines = ((self.highest - self.lowest) / self.step).round() as u32;
        for number in 0..=lines {
            let error = self.lowest + f64::from(number) * self.step;
            let y = self.y(error);
            let decimals = if self.step < 1.0 { 1 } else { 0 };
            push(
                svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{error:.decimals$}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
        }
        let every = self.weeks.div_ceil(MOST_WEEK_LABELS).max(1);
        for (number, week) in report.weeks.iter().enumerate().step_by(every) {
            push(
                svg,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    self.x(number),
                    BOTTOM + 22.0,
                    week.week
                ),
            );
        }
    }
}

/// Returns the height of each label: that of the end of its line, moved so that no two overlap.
fn label_positions(lines: &[Line], scale: &Scale) -> Vec<f64> {
    let end = |line: &Line| {
        let last = line.errors.iter().flatten().last();
        last.map_or(BOTTOM, |error| scale.y(*error))
    };
    let mut positions: Vec<_> = lines.iter().map(end).enumerate().collect();
    positions.sort_by(|left, right| left.1.total_cmp(&right.1));
    let mut lowest_free = TOP;
    for (_, y) in &mut positions {
        *y = y.max(lowest_free);
        lowest_free = *y + LINE_HEIGHT;
    }
    // Labels that were moved below the axis move up again.
    let mut highest_free = BOTTOM;
    for (_, y) in positions.iter_mut().rev() {
        *y = y.min(highest_free);
        highest_free = *y - LINE_HEIGHT;
    }
    positions.sort_by_key(|(number, _)| *number);
    positions.into_iter().map(|(_, y)| y).collect()
}

fn draw_line(svg: &mut String, colour: usize, line: &Line, label: f64, scale: &Scale) {
    let known = line.errors.iter().enumerate();
    let points: Vec<_> = known
        .filter_map(|(week, error)| Some((scale.x(week), scale.y((*error)?))))
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    push(
        svg,
        format_args!(
            "<polyline class=\"c{colour}\" points=\"{}\"/><text class=\"c{colour}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            points.join(" "),
            RIGHT + 8.0,
            label + 4.0,
            escaped(&line.label)
        ),
    );
}

fn push(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(svg, "{element}");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(errors: &[f64]) -> Line {
        Line {
            label: "a & b".to_owned(),
            errors: errors.iter().copied().map(Some).collect(),
        }
    }

    #[test]
    fn labels_of_equal_lines_do_not_overlap_or_leave_the_chart() {
        let lines = [
            line(&[12.0, 10.0]),
            line(&[11.0, 10.0]),
            line(&[13.0, 10.0]),
        ];
        let scale = Scale::new(&lines);
        let mut labels = label_positions(&lines, &scale);
        labels.sort_by(f64::total_cmp);
        assert!(
            labels
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= LINE_HEIGHT)
        );
        assert!(
            labels.iter().all(|y| (TOP..=BOTTOM).contains(y)),
            "{labels:?}"
        );
    }

    #[test]
    fn scale_has_round_errors_around_all_lines() {
        let scale = Scale::new(&[line(&[7.3, 16.5])]);
        assert_eq!((scale.lowest, scale.highest, scale.step), (6.0, 18.0, 2.0));
        assert_eq!((scale.y(6.0), scale.y(18.0)), (BOTTOM, TOP));
        assert_eq!((scale.x(0), scale.x(1)), (LEFT, RIGHT));
    }

    #[test]
    fn line_is_drawn_with_its_label() {
        let line = line(&[12.0, 10.0]);
        let scale = Scale::new(std::slice::from_ref(&line));
        let mut svg = String::new();
        draw_line(&mut svg, 1, &line, 100.0, &scale);
        assert!(svg.contains("points=\"44.0,64.0 560.0,350.0\""), "{svg}");
        assert!(svg.contains("a &amp; b"), "{svg}");
    }
}
