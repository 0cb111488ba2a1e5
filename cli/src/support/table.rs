//! Tables and sentences that fit the width of the terminal.

use std::{array, fmt, io, sync::OnceLock};

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, TableStyle, Width};

/// The width without a terminal, for example in a pipe.
const DEFAULT_WIDTH: usize = 80;
/// The smallest width that tables are fitted to.
const SMALLEST_WIDTH: usize = 40;
/// The distance between two columns: the padding of a column, and a junction.
const GAP: usize = 2;
/// The width below which no column is squeezed.
const NARROWEST_COLUMN: usize = 6;
/// The additional indentation of continuation lines.
const HANGING: usize = 4;

/// The width of the terminal at the start of the process.
static TERMINAL_WIDTH: OnceLock<usize> = OnceLock::new();

/// Fits all output to the terminal, if standard output is one.
pub(crate) fn use_terminal_width() {
    if let Some((width, _)) = terminal_size::terminal_size_of(io::stdout()) {
        TERMINAL_WIDTH.get_or_init(|| usize::from(width.0).max(SMALLEST_WIDTH));
    }
}

/// Returns the width of the terminal, or `None` without one.
pub(crate) fn terminal_width() -> Option<usize> {
    TERMINAL_WIDTH.get().copied()
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The title, which may have several lines.
    title: &'static str,
    is_number: bool,
    /// The smallest width to which the texts are wrapped; `None` for texts that stay on their lines.
    wraps_to: Option<usize>,
    /// The position in the order in which columns are dropped; `None` for a column that stays.
    dropped: Option<u8>,
}

impl Column {
    /// Creates a column of short texts, for example of names.
    pub(crate) const fn text(title: &'static str) -> Self {
        Self {
            title,
            is_number: false,
            wraps_to: None,
            dropped: None,
        }
    }

    /// Creates a column of numbers, which are aligned at the right.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self {
            is_number: true,
            ..Self::text(title)
        }
    }

    /// Wraps the texts between words, to `width` at least, if the table is too wide.
    pub(crate) const fn wrapped_to(self, width: usize) -> Self {
        Self {
            wraps_to: Some(width),
            ..self
        }
    }

    /// Drops the column if the table is too wide, those with the lowest `position` first.
    pub(crate) const fn dropped_at(self, position: u8) -> Self {
        Self {
            dropped: Some(position),
            ..self
        }
    }
}

/// A table whose only rule separates the titles from the rows.
#[derive(Clone, Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add_row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Adds a row with a text in the first column.
    pub(crate) fn add_text(&mut self, text: &str) {
        let mut cells: [String; N] = array::from_fn(|_| String::new());
        if let Some(first) = cells.first_mut() {
            text.clone_into(first);
        }
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table in lines of at most `width` columns.
    fn fitted(&self, width: usize) -> String {
        let layout = self.layout(width);
        let shown: Vec<_> = layout.iter().map(|(index, _)| *index).collect();
        let mut table = self.with_columns(&shown);
        let last = layout.len().saturating_sub(1);
        for (position, (index, width)) in layout.into_iter().enumerate() {
            let padding = u16::from(position < last);
            let width = u16::try_from(width).unwrap_or(u16::MAX - 1) + padding;
            let Some(column) = table.column_mut(position) else {
                continue;
            };
            column
                .set_padding((0, padding))
                .set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            if self.columns[index].is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    /// Returns the indices of the columns to show, each with its width.
    fn layout(&self, width: usize) -> Vec<(usize, usize)> {
        let all: Vec<_> = (0..N).collect();
        let natural = self.with_columns(&all).column_max_content_widths();
        let natural = |index: usize| usize::from(natural[index]);
        let smallest = |index: usize| match self.columns[index].wraps_to {
            Some(width) => natural(index).min(width),
            None => natural(index),
        };
        let mut layout: Vec<_> = all
            .into_iter()
            .map(|index| (index, smallest(index)))
            .collect();
        while total(&layout) > width {
            let dropped = |(index, _): &&(usize, usize)| self.columns[*index].dropped;
            let droppable = layout.iter().filter(|column| dropped(column).is_some());
            let Some(&(next, _)) = droppable.min_by_key(dropped) else {
                break;
            };
            layout.retain(|(index, _)| *index != next);
        }
        squeeze(&mut layout, width);
        let mut free = width.saturating_sub(total(&layout));
        for (index, width) in &mut layout {
            let more = natural(*index).saturating_sub(*width).min(free);
            *width += more;
            free -= more;
        }
        layout
    }

    /// Returns a table of the columns with these indices.
    fn with_columns(&self, shown: &[usize]) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        let titles = shown.iter().map(|index| self.columns[*index].title);
        table.load_style(style()).set_header(titles);
        for row in &self.rows {
            table.add_row(shown.iter().map(|index| row[*index].as_str()));
        }
        table
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.fitted(terminal_width().unwrap_or(DEFAULT_WIDTH)))
    }
}

/// Returns the style of all tables: one rule, below the titles.
fn style() -> TableStyle {
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'))
}

/// Returns a table without rows, whose columns after the first one have numbers. It is not fitted
/// to a width: its titles are known at run time only. [`comfy_table::Table::trim_fmt`] formats it.
pub(crate) fn of_numbers(titles: &[String]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(style()).set_header(titles);
    for (position, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(position + 1 < titles.len())));
        if position > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns the width of a table.
fn total(layout: &[(usize, usize)]) -> usize {
    let widths: usize = layout.iter().map(|(_, width)| width).sum();
    widths + GAP * layout.len().saturating_sub(1)
}

/// Narrows the widest columns until the table fits, if it can.
fn squeeze(layout: &mut [(usize, usize)], width: usize) {
    while total(layout) > width {
        let widest = layout.iter_mut().max_by_key(|(_, width)| *width);
        match widest {
            Some((_, width)) if *width > NARROWEST_COLUMN => *width -= 1,
            _ => return,
        }
    }
}

/// Breaks a name with hyphens into lines of at most `width` characters, if there are hyphens to
/// break it at.
pub(crate) fn break_at_hyphens(name: &str, width: usize) -> String {
    let (mut text, mut length) = (String::new(), 0);
    for part in name.split_inclusive('-') {
        let part_length = part.chars().count();
        if length > 0 && length + part_length > width {
            text.push('\n');
            length = 0;
        }
        text.push_str(part);
        length += part_length;
    }
    text
}

/// Wraps each line that is wider than `width` between words, with indented continuation lines. An
/// entry of an indented list, such as `  promote      kept: …`, goes on below its text. A word that
/// is wider than a line, such as a path, stays whole.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        wrap_line(line, width, &mut lines);
    }
    lines.join("\n")
}

fn wrap_line(line: &str, width: usize, lines: &mut Vec<String>) {
    let (mut rest, mut prefix) = (line, String::new());
    let indent = line.len() - line.trim_start_matches(' ').len();
    loop {
        let available = width.saturating_sub(prefix.len());
        let Some((limit, _)) = rest.char_indices().nth(available) else {
            lines.push(format!("{prefix}{rest}"));
            return;
        };
        // The indentation of the first line is no place for a break.
        let start = rest.len() - rest.trim_start_matches(' ').len();
        let spaces = rest[start..].match_indices(' ');
        let spaces: Vec<_> = spaces.map(|(position, _)| start + position).collect();
        let fitting = spaces.partition_point(|position| *position <= limit);
        // Without a fitting space, the first word is too long, and the line ends after it.
        let position = match fitting {
            0 if spaces.is_empty() => rest.len(),
            0 => spaces[0],
            fitting => spaces[fitting - 1],
        };
        lines.push(format!("{prefix}{}", rest[..position].trim_end()));
        rest = rest[position..].trim_start();
        if rest.is_empty() {
            return;
        }
        let hanging = (indent + HANGING).min(width / 2);
        prefix = " ".repeat(text_column(line, indent, width).unwrap_or(hanging));
    }
}

/// Returns the column of the text in an indented line that begins with names and gaps of two spaces
/// or more. Returns `None` if there is no gap in the first third of the line.
fn text_column(line: &str, indent: usize, width: usize) -> Option<usize> {
    let (mut column, mut spaces) = (None, 0);
    for (position, character) in line.chars().enumerate().skip(indent).take(width / 3) {
        if character == ' ' {
            spaces += 1;
        } else {
            if spaces >= 2 && indent > 0 {
                column = Some(position);
            }
            spaces = 0;
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new([
            Column::text("function"),
            Column::number("rows"),
            Column::text("message").dropped_at(1),
            Column::text("reason").wrapped_to(16),
        ]);
        let row = [
            "ingest",
            "7",
            "message-1",
            "cannot read the object of the day: no route",
        ];
        table.add_row(row.map(str::to_owned));
        table.add_row(["predict", "1234", "", "é"].map(str::to_owned));
        table
    }

    fn widest(text: &str) -> usize {
        let widths = text.lines().map(|line| line.chars().count());
        widths.max().unwrap_or_default()
    }

    #[test]
    fn wide_terminal_shows_each_row_on_one_line_below_one_rule() {
        let expected = "\
function  rows  message    reason
──────────────────────────────────────────────────────────────────────────
ingest       7  message-1  cannot read the object of the day: no route
predict   1234             é";
        assert_eq!(
            table().fitted(100).replace('─', ""),
            expected.replace('─', "")
        );
        assert_eq!(table().fitted(100).lines().count(), 4);
    }

    #[test]
    fn texts_are_wrapped_before_columns_are_dropped() {
        let at_60 = table().fitted(60);
        assert!(
            at_60.contains("message-1") && at_60.contains("no route"),
            "{at_60}"
        );
        assert!(at_60.lines().count() > 4, "{at_60}");
        let at_40 = table().fitted(40);
        assert!(!at_40.contains("message"), "{at_40}");
        for (text, width) in [(at_60, 60), (at_40, 40)] {
            assert!(widest(&text) <= width, "{text}");
            assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        }
    }

    #[test]
    fn table_of_long_names_is_squeezed_into_the_width() {
        let mut table = Table::new([Column::text("a"), Column::text("b")]);
        table.add_row(["x".repeat(70), "y".repeat(70)]);
        let text = table.fitted(80);
        assert!(widest(&text) <= 80, "{text}");
        assert_eq!(text.matches('x').count(), 70);
    }

    #[test]
    fn long_lines_are_wrapped_between_words_and_keep_their_gaps() {
        let text = "short\n  promote      kept: the error is not lower\n/a/very/long/path";
        assert_eq!(
            wrapped(text, 30),
            "short\n  promote      kept: the error\n      is not lower\n/a/very/long/path"
        );
        assert_eq!(
            wrapped("  promote      kept: the error is not lower at all", 45),
            "  promote      kept: the error is not lower\n               at all"
        );
        assert_eq!(
            wrapped("state: /a/path/that/is/long (the last run)", 20),
            "state:\n    /a/path/that/is/long\n    (the last run)"
        );
        assert_eq!(wrapped("é é é", 3), "é é\n é");
    }

    #[test]
    fn names_are_broken_after_hyphens() {
        assert_eq!(
            break_at_hyphens("challenger-trained", 12),
            "challenger-\ntrained"
        );
        assert_eq!(break_at_hyphens("no-drift", 12), "no-drift");
        assert_eq!(break_at_hyphens("promoted", 4), "promoted");
    }
}
