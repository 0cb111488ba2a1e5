//! The frame of a page: one file without scripts and without references to a network.

use crate::html::{Element, Markup, element, plain};

/// The style sheet of all pages, with the colours of light and dark screens as variables.
pub const STYLE: &str = concat!(include_str!("style.css"), include_str!("index/style.css"));

/// The icon of a page. Without one, browsers request `favicon.ico`.
const NO_ICON: &str = "data:,";

/// A page without its frame.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The title of the browser's tab.
    pub title: String,
    /// The line above the heading: what the page is about, and links to other pages.
    pub eyebrow: Markup,
    /// The heading.
    pub heading: String,
    /// The content below the heading.
    pub body: Markup,
    /// The sources, and how to read the page.
    pub footer: Markup,
}

impl Page {
    /// Returns the text of the page's file.
    pub fn render(self) -> String {
        let Self {
            title,
            eyebrow,
            heading,
            body,
            footer,
        } = self;
        let meta = |name: &str, content: &str| {
            Element::new("meta")
                .attr("name", name)
                .attr("content", content)
        };
        let head = Element::new("head")
            .child(Element::new("meta").attr("charset", "utf-8"))
            .child(meta("viewport", "width=device-width, initial-scale=1"))
            .child(meta("color-scheme", "light dark"))
            .child(plain("title", title))
            .child(
                Element::new("link")
                    .attr("rel", "icon")
                    .attr("href", NO_ICON),
            )
            .child(plain("style", Markup::style(STYLE)));
        let header = Element::new("header")
            .child(element("p", "eyebrow", eyebrow))
            .child(plain("h1", heading));
        let main = Element::new("main")
            .child(header)
            .child(body)
            .child(plain("footer", footer));
        let html = Element::new("html")
            .attr("lang", "en")
            .child(head)
            .child(plain("body", main));
        format!("<!DOCTYPE html>\n{}\n", Markup::from(html).as_str())
    }
}

/// Returns a section whose heading says what one sees, with a line that says what is drawn.
pub fn section(
    id: &str,
    heading: &str,
    how: impl Into<Markup>,
    content: impl Into<Markup>,
) -> Markup {
    let heading_id = format!("{id}-heading");
    let how = how.into();
    let how = (!how.is_empty()).then(|| element("p", "how", how));
    Element::new("section")
        .attr("id", id)
        .attr("aria-labelledby", &heading_id)
        .child(plain("h2", heading).attr("id", &heading_id))
        .child(how)
        .child(content)
        .into()
}

/// Returns a part of a section, with a heading of its own.
pub fn part(heading: &str, how: impl Into<Markup>, content: impl Into<Markup>) -> Markup {
    let how = how.into();
    let how = (!how.is_empty()).then(|| element("p", "how", how));
    element("div", "part", plain("h3", heading))
        .child(how)
        .child(content)
        .into()
}

/// Returns a link to another page or object, by a path relative to the page.
pub fn link(path: &str, text: &str) -> Element {
    plain("a", text).attr("href", path)
}

/// The longest word of a command that fits a narrow screen, in characters.
const LONGEST_WORD: usize = 36;

/// Returns a command for a shell.
///
/// Browsers break lines after hyphens, so that `--` would stand alone. A word that fits a narrow
/// screen stays whole.
pub fn command(command: &str) -> Element {
    let mut words = Markup::default();
    for (at, word) in command.split(' ').enumerate() {
        if at > 0 {
            words.push(" ");
        }
        if word.contains('-') && word.chars().count() <= LONGEST_WORD {
            words.push(element("span", "whole", word));
        } else {
            words.push(word);
        }
    }
    plain("code", words)
}

/// Returns a number in large type, with its name and the numbers it is compared with.
pub fn key_number(
    name: &str,
    (value, unit): (&str, &str),
    is_alarm: bool,
    compared: Vec<Markup>,
) -> Markup {
    let unit = (!unit.is_empty()).then(|| element("span", "unit", format!(" {unit}")));
    let compared = compared
        .into_iter()
        .map(|line| element("dd", "compare", line));
    element(
        "div",
        if is_alarm { "alarm" } else { "" },
        plain("dt", name),
    )
    .child(element("dd", "value", value).child(unit))
    .child(compared.collect::<Markup>())
    .into()
}

#[cfg(test)]
mod tests;
