//! A parser of pages, strict enough to find markup that a browser would have to repair.

use std::collections::BTreeMap;

/// An element of a page.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) children: Vec<Child>,
}

/// A part of an element.
#[derive(Clone, Debug)]
pub(crate) enum Child {
    Node(Node),
    Text(String),
}

impl Node {
    /// Returns an attribute, empty if it is absent.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Returns the child elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Child::Node(node) => Some(node),
            Child::Text(_) => None,
        })
    }

    /// Returns the element and all elements in it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        self.elements().for_each(|node| all.extend(node.all()));
        all
    }

    /// Returns the text of the element.
    pub(crate) fn text(&self) -> String {
        self.children
            .iter()
            .map(|child| match child {
                Child::Node(node) => node.text(),
                Child::Text(text) => text.clone(),
            })
            .collect()
    }
}

/// Parses a page as XML without declarations, entities beyond those of HTML, and comments.
///
/// # Panics
/// Panics if the page is not well-formed.
pub(crate) fn parse(page: &str) -> Node {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").unwrap().trim_end();
    let mut open: Vec<Node> = Vec::new();
    loop {
        let (text, after) = rest.split_once('<').unwrap();
        check_text(text);
        if !text.is_empty() {
            open.last_mut()
                .unwrap()
                .children
                .push(Child::Text(unescaped(text)));
        }
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        let closed = if let Some(name) = tag.strip_prefix('/') {
            let node = open.pop().unwrap();
            assert_eq!(node.name, name, "closed by another name");
            Some(node)
        } else if let Some(tag) = tag.strip_suffix('/') {
            Some(node(tag))
        } else {
            open.push(node(tag));
            None
        };
        if let Some(closed) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(Child::Node(closed)),
                None => {
                    assert_eq!(rest, "", "text after the page");
                    return closed;
                }
            }
        }
    }
}

fn node(tag: &str) -> Node {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let is_name = |character: char| character.is_ascii_alphanumeric();
    assert!(!name.is_empty() && name.chars().all(is_name), "{tag}");
    let mut attributes = BTreeMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        let (value, after) = after.split_once('"').unwrap();
        check_text(value);
        let known = attributes.insert(name.trim().to_owned(), unescaped(value));
        assert!(known.is_none(), "repeated attribute in {tag}");
        rest = after;
    }
    Node {
        name: name.to_owned(),
        attributes,
        children: Vec::new(),
    }
}

/// Asserts that each ampersand begins an entity.
fn check_text(text: &str) {
    for entity in text.split('&').skip(1) {
        let (name, _) = entity.split_once(';').unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{text}");
    }
}

fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("\u{a0}", " "),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}
