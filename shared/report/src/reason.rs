//! Reasons of decisions, in parts that are easy to read.

use crate::{
    html::{Markup, element, folded, plain},
    text,
};

/// The length from which on a reason in a table is folded, in characters.
const LONGEST: usize = 110;

/// The words before the conditions of a promotion, and `true` if these conditions are met.
const GROUPS: [(&str, bool); 4] = [
    ("all four conditions are met: ", true),
    ("no condition is met: ", false),
    ("not met: ", false),
    ("met: ", true),
];

/// Returns a reason as a list of the conditions that it names, or as a sentence.
pub(crate) fn markup(reason: &str) -> Markup {
    let conditions = conditions(reason);
    if conditions.is_empty() {
        let sentence = text::sentence(reason.trim_end_matches('.'));
        return plain("p", format!("{sentence}.")).into();
    }
    let items = conditions.into_iter().map(|(is_met, condition)| {
        let (class, words) = if is_met {
            ("good", "✓ met: ")
        } else {
            ("bad", "✕ not met: ")
        };
        plain("li", element("span", class, words)).child(condition)
    });
    element("ul", "conditions", items.collect::<Markup>()).into()
}

/// Returns the beginning of a reason, with the whole of it folded behind.
pub(crate) fn short(reason: &str) -> Markup {
    let start = text::shortened(reason, LONGEST);
    if start == reason {
        return reason.into();
    }
    folded(&start, markup(reason))
}

/// Returns the parts of a reason as items of a list.
pub(crate) fn items(reason: &str) -> Markup {
    let parts = split(reason, "", "; ").into_iter();
    parts
        .map(|part| plain("li", text::sentence(part)))
        .collect()
}

/// Returns the conditions of a promotion that a reason names, with `true` for those that are met.
/// Empty if the reason is another one.
fn conditions(reason: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    for group in split(reason, "", "; ") {
        let conditions = GROUPS
            .iter()
            .find_map(|(words, is_met)| Some((group.strip_prefix(words)?, *is_met)));
        let Some((conditions, is_met)) = conditions else {
            return Vec::new();
        };
        // The limits of a condition are in parentheses at its end.
        found.extend(
            split(conditions, ")", ", ")
                .into_iter()
                .map(|text| (is_met, text)),
        );
    }
    found
}

/// Splits a text at each separator that is outside of parentheses and follows `after`.
fn split<'a>(text: &'a str, after: &str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && text[at..].starts_with(separator) && text[..at].ends_with(after) {
            parts.push(&text[start..at]);
            start = at + separator.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_split_outside_of_their_limits() {
        let reason = "not met: the error is 9.9, 1 % lower (2 % is required, 9.8 or less); met: the probability \
                      is 0.99 (0.9 is required; difference +0.2), no counter, in the rue, is worse (15 %)";
        assert_eq!(
            conditions(reason),
            [
                (
                    false,
                    "the error is 9.9, 1 % lower (2 % is required, 9.8 or less)"
                ),
                (
                    true,
                    "the probability is 0.99 (0.9 is required; difference +0.2)"
                ),
                (true, "no counter, in the rue, is worse (15 %)"),
            ]
        );
        let all = conditions("all four conditions are met: a (1), b (2)");
        assert_eq!(all, [(true, "a (1)"), (true, "b (2)")]);
    }

    #[test]
    fn other_reason_is_a_sentence() {
        let reason = "the error is 14.9; more than 5 % lower is required (below 14)";
        assert!(conditions(reason).is_empty());
        assert_eq!(markup("a < b").as_str(), "<p>A &lt; b.</p>");
    }

    #[test]
    fn long_reason_is_folded_behind_its_beginning() {
        assert_eq!(short("a short one").as_str(), "a short one");
        let long = "word ".repeat(40);
        let folded = short(&long);
        let text = folded.as_str();
        assert!(text.starts_with("<details><summary>word word"), "{text}");
        assert!(text.contains("word…</summary><p>Word word"), "{text}");
    }
}
