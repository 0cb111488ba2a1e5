//! The plot of the importance of features.

use std::fmt::Write;

pub(super) const IMPORTANCE_FILE: &str = "importance.svg";

const BAR_HEIGHT: usize = 20;
const LABEL_WIDTH: f64 = 170.0;
const BAR_WIDTH: f64 = 380.0;
const WIDTH: usize = 620;

/// Returns a bar chart of shares as SVG, the largest first.
pub(super) fn plot(importance: &[(&str, f64)]) -> String {
    let mut bars = importance.to_vec();
    bars.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let height = BAR_HEIGHT * (bars.len() + 2);
    let largest = bars.first().map_or(1.0, |(_, share)| share.max(1e-9));
    // MLflow shows nothing without width and height.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Share of each feature in the gain of all splits</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"18\" font-weight=\"bold\">Share of each feature in the gain of all splits</text>\n"
    );
    for (position, (column, share)) in bars.iter().enumerate() {
        let top = BAR_HEIGHT * (position + 1) + 8;
        let (middle, width) = (top + 13, BAR_WIDTH * share / largest);
        let end = LABEL_WIDTH + width + 6.0;
        let percent = 100.0 * share;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{column}</text>\
             <rect x=\"{LABEL_WIDTH}\" y=\"{top}\" width=\"{width:.1}\" height=\"16\" fill=\"#2a6fb0\"/>\
             <text x=\"{end:.1}\" y=\"{middle}\">{percent:.1} %</text>",
            LABEL_WIDTH - 6.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_share_comes_first_with_the_longest_bar() {
        let svg = plot(&[("hour", 0.2), ("mean_of_day", 0.8), ("holiday", 0.0)]);
        let positions = ["mean_of_day", "hour", "holiday"].map(|column| svg.find(column).unwrap());
        assert!(positions.is_sorted(), "{svg}");
        for expected in [
            "width=\"380.0\"",
            "width=\"95.0\"",
            "80.0 %",
            "width=\"620\" height=\"100\"",
        ] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
    }
}
