//! Elements of a page, escaped and well-formed by construction.
//!
//! Text becomes [`Markup`] by `into()`, which escapes it. There is no other way from text to
//! markup, so a counter with the name `<b>` cannot break a page.

use std::fmt::{self, Display, Write};

/// Elements that HTML or SVG allows to be written as `<name/>` if they have no content.
const EMPTY: [&str; 10] = [
    "br", "circle", "col", "hr", "line", "link", "meta", "path", "polyline", "rect",
];

/// A part of a page: elements and escaped text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Returns a text, escaped. A number and its percent sign stay on one line.
    pub fn text(text: impl Display) -> Self {
        let mut markup = String::new();
        escape(&mut markup, &text.to_string().replace(" %", "\u{a0}%"));
        Self(markup)
    }

    /// Returns the content of `<style>`, which is not escaped.
    ///
    /// Style sheets are constants of this crate, so they need no escaping.
    pub(crate) fn style(css: &'static str) -> Self {
        Self(css.to_owned())
    }

    /// Appends markup or text.
    pub fn push(&mut self, markup: impl Into<Self>) {
        self.0.push_str(&markup.into().0);
    }

    /// Returns `true` if there is no content.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the markup as text of a page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Markup {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Markup {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&String> for Markup {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}

impl From<Element> for Markup {
    fn from(element: Element) -> Self {
        let Element {
            name,
            attributes,
            content,
        } = element;
        if content.is_empty() && EMPTY.contains(&name) {
            return Self(format!("<{name}{attributes}/>"));
        }
        Self(format!("<{name}{attributes}>{}</{name}>", content.0))
    }
}

impl<M: Into<Self>> From<Option<M>> for Markup {
    fn from(markup: Option<M>) -> Self {
        markup.map(Into::into).unwrap_or_default()
    }
}

impl<M: Into<Self>> From<Vec<M>> for Markup {
    fn from(parts: Vec<M>) -> Self {
        parts.into_iter().collect()
    }
}

impl<M: Into<Self>, const N: usize> From<[M; N]> for Markup {
    fn from(parts: [M; N]) -> Self {
        parts.into_iter().collect()
    }
}

impl<M: Into<Self>> FromIterator<M> for Markup {
    fn from_iter<I: IntoIterator<Item = M>>(parts: I) -> Self {
        let mut markup = Self::default();
        parts.into_iter().for_each(|part| markup.push(part));
        markup
    }
}

/// An element with its attributes and its content.
#[derive(Clone, Debug)]
#[must_use]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: Markup,
}

impl Element {
    /// Creates an element without attributes and content.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: String::new(),
            content: Markup::default(),
        }
    }

    /// Adds an attribute, with its value escaped.
    pub fn attr(mut self, name: &str, value: impl Display) -> Self {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(&mut self.attributes, &value);
        self.attributes.push('"');
        self
    }

    /// Adds the attribute `class`, unless the class is empty.
    pub fn class(self, class: &str) -> Self {
        if class.is_empty() {
            return self;
        }
        self.attr("class", class)
    }

    /// Appends markup or text to the content.
    pub fn child(mut self, child: impl Into<Markup>) -> Self {
        self.content.push(child);
        self
    }

    /// Appends a `<title>`, which browsers show while the pointer rests on an element of a chart.
    pub fn hover(self, text: impl Display) -> Self {
        self.child(Self::new("title").child(Markup::text(text)))
    }
}

/// Creates an element with a class and a content.
pub fn element(name: &'static str, class: &str, content: impl Into<Markup>) -> Element {
    Element::new(name).class(class).child(content)
}

/// Creates an element with a content and without attributes.
pub fn plain(name: &'static str, content: impl Into<Markup>) -> Element {
    Element::new(name).child(content)
}

/// A table: the alternative to a chart, or a list in its own right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    class: &'static str,
    caption: Option<String>,
    head: Vec<Element>,
    rows: Vec<Markup>,
}

impl Table {
    /// Creates a table with the names of its columns.
    ///
    /// Columns whose name begins with `#` hold numbers: they are aligned to the right. A `~` before
    /// it hides the head of the column on narrow screens; its cells need the class `wide`. Both
    /// characters are dropped.
    pub fn new(columns: &[&str]) -> Self {
        let head = columns.iter().map(|column| {
            let (is_wide, name) = match column.strip_prefix('~') {
                Some(name) => (true, name),
                None => (false, *column),
            };
            let (is_number, name) = match name.strip_prefix('#') {
                Some(name) => (true, name),
                None => (false, name),
            };
            let class = match (is_number, is_wide) {
                (true, true) => "n wide",
                (true, false) => "n",
                (false, true) => "wide",
                (false, false) => "",
            };
            element("th", class, name).attr("scope", "col")
        });
        Self {
            head: head.collect(),
            ..Self::default()
        }
    }

    /// Adds a class, for the style sheet.
    #[must_use]
    pub fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// Adds a caption, read by screen readers before the table.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// Appends a row: the name of the row, and its numbers.
    pub fn row(&mut self, name: impl Into<Markup>, numbers: impl IntoIterator<Item = String>) {
        let mut cells = Markup::from(plain("th", name).attr("scope", "row"));
        numbers
            .into_iter()
            .for_each(|number| cells.push(element("td", "n", number)));
        self.cells(cells);
    }

    /// Appends a row of cells, `th` and `td`.
    pub fn cells(&mut self, cells: impl Into<Markup>) {
        self.cells_of("", cells);
    }

    /// Appends a row of cells, `th` and `td`, with a class.
    pub fn cells_of(&mut self, class: &str, cells: impl Into<Markup>) {
        self.rows.push(element("tr", class, cells).into());
    }

    /// Returns `true` if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table, which scrolls sideways if it is wider than the page.
    pub fn markup(self) -> Markup {
        let caption = self
            .caption
            .map(|caption| element("caption", "hidden", caption));
        let table = Element::new("table").class(self.class);
        element(
            "div",
            "scroll",
            table
                .child(caption)
                .child(plain("thead", plain("tr", self.head)))
                .child(plain("tbody", self.rows)),
        )
        .into()
    }

    /// Returns the table folded behind the word `Table`, as the alternative to a chart. It is not
    /// printed.
    pub fn folded(self) -> Markup {
        element("details", "data", plain("summary", "Table"))
            .child(self.markup())
            .into()
    }
}

/// Returns content that the reader unfolds by a click on its summary. It is unfolded in print.
pub fn folded(summary: &str, content: impl Into<Markup>) -> Markup {
    plain("details", plain("summary", summary))
        .child(content)
        .into()
}

/// Appends a value with the five special characters of HTML escaped.
fn escape(target: &mut String, value: &impl Display) {
    struct Escaping<'a>(&'a mut String);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for character in text.chars() {
                match character {
                    '&' => self.0.push_str("&amp;"),
                    '<' => self.0.push_str("&lt;"),
                    '>' => self.0.push_str("&gt;"),
                    '"' => self.0.push_str("&quot;"),
                    '\'' => self.0.push_str("&#39;"),
                    // Control characters are invalid in HTML, but a name may have them.
                    control if control.is_control() => self.0.push(' '),
                    other => self.0.push(other),
                }
            }
            Ok(())
        }
    }
    // Writing to a string does not fail.
    let _ = write!(Escaping(target), "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let markup = Markup::from(
            Element::new("p")
                .attr("title", "\"a\" & 'b'")
                .child("<script>alert(1)</script>\u{0}"),
        );
        assert_eq!(
            markup.as_str(),
            "<p title=\"&quot;a&quot; &amp; &#39;b&#39;\">&lt;script&gt;alert(1)&lt;/script&gt; </p>"
        );
    }

    #[test]
    fn number_and_percent_sign_stay_on_one_line() {
        assert_eq!(Markup::from("13 % more").as_str(), "13\u{a0}% more");
    }

    #[test]
    fn only_elements_that_may_be_empty_close_themselves() {
        let markup: Markup = [Element::new("line"), Element::new("td")].into();
        assert_eq!(markup.as_str(), "<line/><td></td>");
    }

    #[test]
    fn table_aligns_columns_of_numbers() {
        let mut table = Table::new(&["Counter", "#MAE"]);
        table.row("Quai", ["15.4".to_owned()]);
        assert_eq!(
            table.markup().as_str(),
            "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Counter</th>\
             <th class=\"n\" scope=\"col\">MAE</th></tr></thead><tbody><tr><th scope=\"row\">Quai</th>\
             <td class=\"n\">15.4</td></tr></tbody></table></div>"
        );
    }
}
