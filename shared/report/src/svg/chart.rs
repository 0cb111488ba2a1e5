//! The frame of a chart: a figure with a text alternative.

use std::fmt::Write;

use super::{Pixels, Scale, Share, label, rule, spread};
use crate::html::{Element, Markup, Table, element, plain};

/// The height of a label.
const LABEL: f64 = 15.0;

/// The margins beside a chart, in which labels stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Margins {
    /// No margin.
    None,
    /// A margin on the left, for the labels of an axis.
    Left,
    /// Margins on both sides: an axis on the left, the names of curves on the right.
    Both,
    /// Margins on both sides, but on narrow screens only that on the left.
    BothIfWide,
}

/// A chart with its title, its description and the table behind it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Chart {
    id: &'static str,
    title: String,
    description: String,
    height: f64,
    margins: Margins,
    content: Markup,
}

impl Chart {
    /// Creates an empty chart. The id must be unique on its page. Title and description are read
    /// by screen readers: the title says what one sees, the description what is drawn.
    pub fn new(
        id: &'static str,
        title: impl Into<String>,
        description: impl Into<String>,
        height: f64,
    ) -> Self {
        Self {
            id,
            title: title.into(),
            description: description.into(),
            height,
            margins: Margins::Left,
            content: Markup::default(),
        }
    }

    /// Replaces the margins, by default [`Margins::Left`].
    pub fn margins(mut self, margins: Margins) -> Self {
        self.margins = margins;
        self
    }

    /// Adds elements.
    pub fn add(&mut self, content: impl Into<Markup>) {
        self.content.push(content);
    }

    /// Adds the grid lines of a scale, with their values on the left.
    pub fn grid(&mut self, scale: &Scale) {
        for tick in scale.ticks() {
            let y = scale.y(tick);
            self.add(rule(if tick == 0.0 { "grid zero" } else { "grid" }, y));
            let text = if tick.fract() == 0.0 {
                crate::text::count(tick as i64)
            } else {
                crate::text::number(tick)
            };
            self.add(label("tick end", (0.0, y + 4.0), text).attr("dx", Pixels(-8.0)));
        }
    }

    /// Adds a label in the right margin.
    pub fn name(&mut self, class: &str, y: f64, text: impl Into<Markup>) {
        self.add(label(class, (1.0, y + 4.0), text).attr("dx", Pixels(8.0)));
    }

    /// Adds the names of curves in the right margin: class, name and last value of each. A curve
    /// without values has no name.
    pub fn names<'a>(
        &mut self,
        scale: &Scale,
        names: impl IntoIterator<Item = (&'a str, &'a str, Option<f64>)>,
    ) {
        let known: Vec<_> = names
            .into_iter()
            .filter_map(|(class, name, value)| Some((class, name, scale.y(value?))))
            .collect();
        let positions: Vec<_> = known.iter().map(|(_, _, y)| *y).collect();
        let (_, bottom) = scale.range();
        for ((class, name, _), y) in known.iter().zip(spread(&positions, LABEL, bottom)) {
            self.name(class, y, *name);
        }
    }

    /// Returns the chart as a figure, followed by its table.
    pub fn figure(self, table: Table) -> Markup {
        let Self {
            id,
            title,
            description,
            height,
            margins,
            content,
        } = self;
        let ids = [format!("{id}-title"), format!("{id}-desc")];
        let picture = Element::new("svg")
            .class("fluid")
            .attr("height", Pixels(height))
            .attr("role", "img")
            .attr("aria-labelledby", ids.join(" "))
            .child(plain("title", title).attr("id", &ids[0]))
            .child(plain("desc", description).attr("id", &ids[1]))
            .child(content);
        let class = match margins {
            Margins::None => "plot",
            Margins::Left => "plot left",
            Margins::Both => "plot left right",
            Margins::BothIfWide => "plot left right slim",
        };
        [element("figure", class, picture).into(), table.folded()].into()
    }
}

/// The curves of a chart. Their horizontal positions are numbers from 0 to `width`, which are
/// stretched to the width of the chart; the vertical ones are pixels.
#[derive(Clone, Debug)]
pub struct Curves {
    width: f64,
    height: f64,
    content: Markup,
}

impl Curves {
    /// Creates an empty picture.
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            content: Markup::default(),
        }
    }

    /// Adds a line through points. A missing value interrupts the line.
    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) {
        let data = path(points);
        if !data.is_empty() {
            self.content
                .push(Element::new("path").class(class).attr("d", data));
        }
    }

    /// Adds the area between two curves, given as position, lower and upper value. A missing value
    /// interrupts the area.
    pub fn band(&mut self, class: &str, points: &[(f64, Option<(f64, f64)>)]) {
        let mut data = String::new();
        for part in points.split(|(_, ends)| ends.is_none()) {
            let ends = |point: &(f64, Option<(f64, f64)>)| Some((point.0, point.1?));
            let part: Vec<_> = part.iter().filter_map(ends).collect();
            if part.len() < 2 {
                continue;
            }
            let upper = part.iter().map(|(x, (_, high))| (*x, Some(*high)));
            let lower = part.iter().rev().map(|(x, (low, _))| (*x, Some(*low)));
            data.push_str(&path(upper.chain(lower)));
            data.push('Z');
        }
        if !data.is_empty() {
            self.content
                .push(Element::new("path").class(class).attr("d", data));
        }
    }

    /// Adds a rectangle over the whole height.
    pub fn column(&mut self, class: &str, (x, width): (f64, f64), hover: Option<String>) {
        let mut column = Element::new("rect")
            .class(class)
            .attr("x", Pixels(x))
            .attr("width", Pixels(width))
            .attr("height", Pixels(self.height));
        if let Some(text) = hover {
            column = column.hover(text);
        }
        self.content.push(column);
    }

    /// Returns the picture, to be added to a chart.
    pub fn markup(self) -> Element {
        Element::new("svg")
            .attr("width", Share(1.0))
            .attr("height", Pixels(self.height))
            .attr(
                "viewBox",
                format_args!("0 0 {} {}", Pixels(self.width), Pixels(self.height)),
            )
            .attr("preserveAspectRatio", "none")
            .attr("aria-hidden", "true")
            .child(self.content)
    }
}

/// Returns the data of a path through points. A missing value interrupts it.
fn path(points: impl IntoIterator<Item = (f64, Option<f64>)>) -> String {
    let mut data = String::new();
    let mut is_drawing = false;
    for (x, y) in points {
        let Some(y) = y else {
            is_drawing = false;
            continue;
        };
        data.push(if is_drawing { ' ' } else { 'M' });
        is_drawing = true;
        // Writing to a string does not fail.
        let _ = write!(data, "{},{}", Pixels(x), Pixels(y));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_value_interrupts_a_line() {
        let points = [Some(1.0), Some(2.5), None, Some(4.0)];
        let points = points.into_iter().zip(0..).map(|(y, x)| (f64::from(x), y));
        assert_eq!(path(points), "M0,1 1,2.5M3,4");
    }

    #[test]
    fn band_is_closed_and_interrupted() {
        let mut curves = Curves::new(4.0, 10.0);
        curves.band(
            "b",
            &[
                (0.0, Some((9.0, 5.0))),
                (1.0, Some((8.0, 4.0))),
                (2.0, None),
                (3.0, Some((7.0, 3.0))),
            ],
        );
        let markup = Markup::from(curves.markup());
        assert!(
            markup.as_str().contains("d=\"M0,5 1,4 1,8 0,9Z\""),
            "{}",
            markup.as_str()
        );
    }

    #[test]
    fn chart_has_title_description_and_table() {
        let mut chart = Chart::new("c", "It rises", "Two points.", 10.0);
        chart.add("x");
        let mut table = Table::new(&["Day"]);
        table.row("Monday", []);
        let figure = chart.figure(table);
        let text = figure.as_str();
        assert!(text.contains(
            "role=\"img\" aria-labelledby=\"c-title c-desc\"><title id=\"c-title\">It rises</title>"
        ));
        assert!(
            text.contains("<details class=\"data\"><summary>Table</summary>"),
            "{text}"
        );
    }
}
