//! Charts as inline SVG.
//!
//! A chart is as wide as the page. Its horizontal positions are percentages and its vertical ones
//! are pixels, so text has one size on every screen. Curves lie in a nested picture with a view box
//! of their own, see [`Curves`], which is stretched to the width.

mod chart;
mod scale;
mod small;

pub use chart::{Chart, Curves, Margins};
pub use scale::{Pixels, Scale, Share, spread};
pub use small::{histogram, sparkline, step_path};

use crate::html::{Element, element};

/// Creates a horizontal line across a chart.
pub fn rule(class: &str, y: f64) -> Element {
    Element::new("line")
        .class(class)
        .attr("x2", "100%")
        .attr("y1", Pixels(y))
        .attr("y2", Pixels(y))
}

/// Creates a vertical line at a share of the width.
pub fn upright(class: &str, x: f64, (from, to): (f64, f64)) -> Element {
    Element::new("line")
        .class(class)
        .attr("x1", Share(x))
        .attr("x2", Share(x))
        .attr("y1", Pixels(from))
        .attr("y2", Pixels(to))
}

/// Creates a circle at a share of the width.
pub fn dot(class: &str, (x, y): (f64, f64), radius: f64) -> Element {
    Element::new("circle")
        .class(class)
        .attr("cx", Share(x))
        .attr("cy", Pixels(y))
        .attr("r", Pixels(radius))
}

/// Creates a rectangle. Position and width are shares of the width of the chart.
pub fn bar(class: &str, (x, width): (f64, f64), (y, height): (f64, f64)) -> Element {
    Element::new("rect")
        .class(class)
        .attr("x", Share(x))
        .attr("width", Share(width.max(0.0)))
        .attr("y", Pixels(y))
        .attr("height", Pixels(height.max(0.0)))
}

/// Creates the key of a curve, for narrow screens, which have no space for the names of curves.
pub fn key(class: &str, name: &str) -> Element {
    let line = Element::new("path").class(class).attr("d", "M0,5H22");
    let swatch = Element::new("svg").attr("aria-hidden", "true").child(line);
    element("span", "key narrow", swatch).child(name)
}

/// Creates a text whose baseline is at `y`.
pub fn label(class: &str, (x, y): (f64, f64), text: impl Into<crate::html::Markup>) -> Element {
    Element::new("text")
        .class(class)
        .attr("x", Share(x))
        .attr("y", Pixels(y))
        .child(text)
}
