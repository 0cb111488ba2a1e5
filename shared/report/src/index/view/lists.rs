//! The tables and lists of the on-call page.

use super::command;
use crate::{
    html::{Element, Markup, Table, element, folded, plain},
    index::{
        Decision, IndexPage, OddCounter, Oddity, WeekLink, month_link, week_link, words::instant,
    },
    page::{link, section},
    reason, text,
};

/// The number of counters that are shown unfolded.
const COUNTERS: usize = 12;
/// The number of changes of the champion that are shown.
const CHANGES: usize = 10;
/// The number of weeks that are shown unfolded.
const WEEKS: usize = 12;

/// Returns the counters that need a look.
pub(super) fn counters(page: &IndexPage) -> Markup {
    let silent = page.odd.iter().filter(|odd| odd.kind.is_silent()).count();
    let other = page.odd.len() - silent;
    let heading = match (silent, other) {
        (0, 0) => format!(
            "All {} count as usual",
            text::plural(page.counters, "counter")
        ),
        (0, odd) => format!("{} on an unusual level", is_or_are(odd)),
        (silent, 0) => format!("{} silent", is_or_are(silent)),
        (silent, odd) => format!("{} silent, {odd} on an unusual level", is_or_are(silent)),
    };
    let silence = if silent > 0 {
        " A silent counter is forecast with 0 and is left out of nothing else."
    } else {
        ""
    };
    let how = format!(
        "Of {} with counts in the last 35 days.{silence}",
        text::plural(page.counters, "counter")
    );
    if page.odd.is_empty() {
        return section("counters", &heading, how, Markup::default());
    }
    let (first, rest) = page.odd.split_at(page.odd.len().min(COUNTERS));
    let mut content = counter_table(first);
    if !rest.is_empty() {
        let summary = format!("{} more", text::count(rest.len() as i64));
        content.push(folded(&summary, counter_table(rest)));
    }
    section("counters", &heading, how, content)
}

fn is_or_are(number: usize) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", text::plural(number, "counter"))
}

fn counter_table(odd: &[OddCounter]) -> Markup {
    let mut table = Table::new(&["Counter", "State", "Since"]);
    for counter in odd {
        let state = match counter.kind {
            Oddity::Missing => "no counts".to_owned(),
            Oddity::Zeros => "zeros only".to_owned(),
            Oddity::Stuck(count) => format!("{count} in every hour"),
            Oddity::Level(share) => {
                format!(
                    "{} of its usual level, against the city",
                    text::percent(share)
                )
            }
        };
        let before = if counter.is_older { "before " } else { "" };
        let since = format!("{before}{}", instant(counter.since.timestamp()));
        let mut row = Markup::from(plain("th", counter.name.as_str()).attr("scope", "row"));
        row.push(plain("td", state));
        row.push(plain("td", since));
        table.cells(row);
    }
    table.markup()
}

/// Returns the history of the champion.
pub(super) fn champions(page: &IndexPage) -> Markup {
    let champions = &page.champions;
    let mut changes = champions.changes.iter();
    let last = changes.find(|change| change.since.is_none());
    let heading = match (champions.champion, last) {
        (None, _) => "There is no champion".to_owned(),
        (Some(version), Some(change)) if change.version == version => {
            format!(
                "Version {version} is the champion since {}",
                instant(change.at)
            )
        }
        (Some(version), _) => format!("Version {version} is the champion"),
    };
    let mut content = Markup::default();
    if !champions.changes.is_empty() {
        let mut table =
            Table::new(&["Since", "Version", "~#Test MAE", "Decision", "Reason"]).class("log");
        for change in champions.changes.iter().take(CHANGES) {
            let mut row = Markup::from(plain("th", instant(change.at)).attr("scope", "row"));
            row.push(plain("td", format!("version {}", change.version)));
            let mae = change.test_mae.map(|mae| format!("{mae:.2}"));
            row.push(element(
                "td",
                "n wide",
                mae.unwrap_or_else(|| "–".to_owned()),
            ));
            let decision = match &change.since {
                None => change.decision.clone(),
                Some(since) => format!("{}; {since}", change.decision),
            };
            row.push(plain("td", decision));
            row.push(element("td", "reason", reason::short(&change.reason)));
            table.cells(row);
        }
        content.push(table.markup());
    }
    if let (Some(previous), Some(rollback)) = (champions.previous, &champions.rollback) {
        let text = format!("To return to version {previous}, the champion before:");
        content.push(element("p", "note", text));
        content.push(command(rollback));
    }
    let how = "Each version that became champion, newest first. The functions use a new champion from their next \
               message on.";
    section("champion", &heading, how, content)
}

/// Returns the last decisions about weeks and models.
pub(super) fn decisions(page: &IndexPage) -> Markup {
    let heading = match page.decisions.first() {
        None => "No week was judged yet".to_owned(),
        Some(last) => format!("Last decision: {} by {}", last.decision, author(last)),
    };
    if page.decisions.is_empty() {
        return section("decisions", &heading, "", Markup::default());
    }
    let mut table = Table::new(&["Time", "~By", "About", "Decision", "Reason"]).class("log");
    for decision in &page.decisions {
        let about: Markup = match decision.week {
            Some(week) => link(&week_link(week), &decision.event).into(),
            None => decision.event.as_str().into(),
        };
        let mut row = Markup::from(plain("th", instant(decision.at)).attr("scope", "row"));
        row.push(element("td", "wide", author(decision)));
        row.push(plain("td", about));
        row.push(plain("td", plain("b", decision.decision.as_str())));
        row.push(element("td", "reason", reason::short(&decision.reason)));
        table.cells(row);
    }
    let how = "The last ten rows of the audit log about weeks and models, newest first.";
    section("decisions", &heading, how, table.markup())
}

fn author(decision: &Decision) -> String {
    if decision.is_by_operator {
        return "an operator".to_owned();
    }
    decision.function.to_string()
}

/// Returns the links to the pages of all weeks and months.
pub(super) fn pages(page: &IndexPage) -> Markup {
    let heading = match (page.weeks.len(), page.months.len()) {
        (0, 0) => return section("pages", "No week has a page yet", "", Markup::default()),
        (weeks, months) => format!(
            "{} and {} have a page",
            text::plural(weeks, "week"),
            text::plural(months, "month")
        ),
    };
    let (first, rest) = page.weeks.split_at(page.weeks.len().min(WEEKS));
    let mut content = week_table(first);
    if !rest.is_empty() {
        let summary = format!("{} earlier", text::plural(rest.len(), "week"));
        content.push(folded(&summary, week_table(rest)));
    }
    let months = page.months.iter().map(|month| {
        let item: Element = link(&month_link(*month), &month.name());
        plain("li", item)
    });
    content.push(element("ul", "months", months.collect::<Markup>()));
    section("pages", &heading, "Newest first.", content)
}

fn week_table(weeks: &[WeekLink]) -> Markup {
    if weeks.is_empty() {
        return Markup::default();
    }
    let mut table = Table::new(&["Week", "~Days", "#MAE", "Judged", "Champion"]);
    for week in weeks {
        let name = link(&week_link(week.week), &week.week.to_string());
        let text_of = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let mut row = Markup::from(plain("th", name).attr("scope", "row"));
        row.push(element("td", "wide", text::days(week.week)));
        let mae = week.mae.map(text::number);
        row.push(element("td", "n", mae.unwrap_or_else(|| "–".to_owned())));
        row.push(plain("td", text_of(&week.judged)));
        row.push(plain("td", text_of(&week.decided)));
        table.cells(row);
    }
    table.markup()
}
