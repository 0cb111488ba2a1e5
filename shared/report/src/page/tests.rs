//! Tests of the frame and of the colours.

use std::collections::BTreeMap;

use super::*;

/// The colours of text, and the grounds it stands on.
const TEXT: [&str; 5] = ["ink", "muted", "blue", "orange", "green"];
const GROUNDS: [&str; 2] = ["paper", "shade"];

/// Returns the variables of the first `:root` after `start`.
fn variables(start: &str) -> BTreeMap<&'static str, [u8; 3]> {
    let position = STYLE.find(start).unwrap();
    let block = STYLE[position..].split_once("{color-scheme:light dark;");
    let block = match block {
        Some((_, block)) if start == ":root" => block,
        _ => STYLE[position..].split_once(":root{").unwrap().1,
    };
    let block = block.split_once('}').unwrap().0;
    let declarations = block.split(';').filter_map(|line| line.split_once(':'));
    declarations
        .filter_map(|(name, value)| Some((name.strip_prefix("--")?, value.strip_prefix('#')?)))
        .map(|(name, value)| {
            let channel = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).unwrap();
            (name, [channel(0), channel(2), channel(4)])
        })
        .collect()
}

/// Returns the relative luminance of WCAG 2.1.
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.03928 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

/// The reference values are those of the contrast checker of WebAIM.
#[test]
fn contrast_is_that_of_wcag() {
    let white = [255; 3];
    assert!((contrast([0; 3], white) - 21.0).abs() < 1e-9);
    assert!((contrast([0x77; 3], white) - 4.48).abs() < 0.01);
}

#[test]
fn text_has_a_contrast_of_at_least_four_and_a_half() {
    for scheme in [":root", "prefers-color-scheme:dark"] {
        let variables = variables(scheme);
        for (text, ground) in TEXT
            .into_iter()
            .flat_map(|text| GROUNDS.map(|ground| (text, ground)))
        {
            let found = contrast(variables[text], variables[ground]);
            assert!(found >= 4.5, "{scheme}: {text} on {ground} has {found:.2}");
        }
    }
}

#[test]
fn both_schemes_have_the_same_variables() {
    let names = |scheme| variables(scheme).into_keys().collect::<Vec<_>>();
    assert_eq!(names(":root"), names("prefers-color-scheme:dark"));
}

#[test]
fn word_of_a_command_stays_whole_if_it_fits_a_narrow_screen() {
    let folder = "/srv/a-folder-with-a-name/of-a-long-state";
    let text = format!("bike-traffic retrain --quarterly --state {folder}");
    assert_eq!(
        Markup::from(command(&text)).as_str(),
        format!(
            "<code><span class=\"whole\">bike-traffic</span> retrain \
             <span class=\"whole\">--quarterly</span> <span class=\"whole\">--state</span> {folder}</code>"
        )
    );
}

#[test]
fn page_is_one_file_without_network() {
    let page = Page {
        title: "A <week>".to_owned(),
        heading: "It was good".to_owned(),
        body: section("a", "A finding", "Lines.", "text"),
        ..Page::default()
    };
    let text = page.render();
    assert!(text.starts_with("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"));
    assert!(text.contains("<title>A &lt;week&gt;</title>"), "{text}");
    for reference in ["http:", "https:", "url(", "@import", "<script", "src="] {
        assert!(!text.contains(reference), "{reference}");
    }
}
