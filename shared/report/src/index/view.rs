//! The on-call page as HTML.

mod lists;
mod pictures;

use super::{Action, IndexPage, Light, words::instant};
use crate::{
    html::{Element, Markup, element, plain},
    page::{Page, section},
    reason, text,
};

/// The document that holds the runbook.
const RUNBOOK: &str = "docs/deploy.md";

/// Returns the page as the text of an HTML file.
pub fn render(page: &IndexPage) -> String {
    let eyebrow = [
        Markup::from(plain("b", "bike-traffic on call")),
        plain("span", format!("as of {}, Paris", instant(page.at))).into(),
    ];
    let body = [
        light(page.light),
        actions(page),
        pictures::calendar(&page.calendar),
        lists::counters(page),
        pictures::next_day(page.next_day.as_ref()),
        lists::champions(page),
        lists::decisions(page),
        lists::pages(page),
    ];
    Page {
        title: format!("{}: bike-traffic on call", page.light.name()),
        eyebrow: Markup::from_iter(eyebrow),
        heading: page.sentence.clone(),
        body: Markup::from_iter(body),
        footer: footer(page),
    }
    .render()
}

fn light(light: Light) -> Markup {
    let meaning = match light {
        Light::Green => "nothing to do",
        Light::Amber => "look at it today; the forecasts are made",
        Light::Red => "act now",
    };
    let class = format!("light {}", light.name());
    let dot = element("span", "lamp", "●").attr("aria-hidden", "true");
    element("p", &class, dot)
        .child(plain("b", text::sentence(light.name())))
        .child(format!(": {meaning}"))
        .into()
}

fn actions(page: &IndexPage) -> Markup {
    let how = Markup::from_iter([
        Markup::from("The runbook is "),
        plain("code", RUNBOOK).into(),
        Markup::from(", part “What to do on an alert”. A click selects a command."),
    ]);
    if page.actions.is_empty() {
        let command = format!("bike-traffic status{}", page.target);
        let rest = Markup::from_iter([
            Markup::from(plain("p", "Nothing. To see the present state:")),
            self::command(&command),
        ]);
        return section("now", "What to do now: nothing", how, rest);
    }
    let heading = format!(
        "What to do now: {}",
        text::plural(page.actions.len(), "thing")
    );
    let items = page.actions.iter().map(action).collect::<Markup>();
    section("now", &heading, how, plain("ol", items).class("actions"))
}

fn action(action: &Action) -> Element {
    let Action {
        light,
        finding,
        reasons,
        section,
        commands,
    } = action;
    let class = format!("light {}", light.name());
    let name = element("span", &class, light.name());
    let head = plain("p", plain("b", finding.as_str()))
        .child(" ")
        .child(name);
    let reasons = reasons.iter().map(|reason| reason::items(reason));
    let reasons = plain("ul", reasons.collect::<Markup>()).class("reasons");
    let section = section.map(|section| {
        element("p", "note", "Runbook: ")
            .child(plain("code", RUNBOOK))
            .child(format!(", “{section}”."))
    });
    plain("li", head).child(reasons).child(section).child(
        commands
            .iter()
            .map(|text| command(text))
            .collect::<Markup>(),
    )
}

/// Returns a command to copy.
pub(super) fn command(command: &str) -> Markup {
    element("pre", "command", plain("code", command))
        .attr("tabindex", 0)
        .into()
}

fn footer(page: &IndexPage) -> Markup {
    let again = format!("bike-traffic report{}", page.target);
    let sentences = [
        plain("p", format!("Written to {}.", page.address)),
        plain(
            "p",
            "Made from the ledger, the audit log, the daily tables and the registry, after each forecast, judgement, \
             dead letter and decision about the champion. To make it again: ",
        )
        .child(plain("code", again)),
    ];
    Markup::from_iter(sentences)
}
