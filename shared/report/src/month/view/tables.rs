//! The tables of the page of a month.

use jiff::SignedDuration;

use crate::{
    html::{Markup, Table, element, folded, plain},
    index::words::instant,
    month::{MonthPage, VersionRecord, ancestors},
    page::section,
    text,
};

/// Returns the table of the days.
pub(super) fn days(page: &MonthPage) -> Table {
    let mut table = Table::new(&[
        "Day",
        "~Forecast at",
        "In time",
        "~Version",
        "#MAE",
        "#Naive MAE",
        "#Saved bicycles",
    ]);
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::number);
    for day in &page.days {
        let mut row = Markup::from(plain("th", day.day.to_string()).attr("scope", "row"));
        row.push(element(
            "td",
            "wide",
            day.predicted_at.map_or_else(|| "–".to_owned(), instant),
        ));
        row.push(plain("td", if day.is_in_time() { "yes" } else { "no" }));
        let version = day.version.map(|version| version.to_string());
        let version = version.unwrap_or_else(|| "–".to_owned());
        row.push(element("td", "wide", version));
        let saved = (day.gain.rows > 0).then(|| day.gain.saved());
        for value in [
            number(day.gain.mae()),
            number(day.gain.naive_mae()),
            saved.map_or_else(|| "–".to_owned(), text::signed),
        ] {
            row.push(element("td", "n", value));
        }
        table.cells(row);
    }
    table
}

/// Returns the latencies of the functions.
pub(super) fn latency(page: &MonthPage) -> Markup {
    let slowest = page
        .latencies
        .iter()
        .filter_map(|latency| Some((latency.quantile(1.0)?, latency.function)))
        .max();
    let heading = match slowest {
        Some((time, _)) if time < SignedDuration::from_secs(1) => {
            "No event took longer than a second".to_owned()
        }
        Some((time, function)) => {
            format!("The slowest event took {}, in {function}", duration(time))
        }
        None => "The latency of no event is known".to_owned(),
    };
    let how = "From the publication of an event to its decision, waits and repetitions included.";
    let mut table = Table::new(&["Function", "#Events", "#Median", "#95 % within", "#Longest"]);
    for latency in &page.latencies {
        let quantile = |share: f64| {
            let time = latency.quantile(share);
            time.map_or_else(|| "–".to_owned(), duration)
        };
        table.row(
            latency.function.name(),
            [
                text::count(latency.events as i64),
                quantile(0.5),
                quantile(0.95),
                quantile(1.0),
            ],
        );
    }
    section("latency", &heading, how, table.markup())
}

/// Formats a duration by its largest unit: `12 s`, `3.5 min`, `2.1 h`.
fn duration(time: SignedDuration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        "under 1 s".to_owned()
    } else if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5_400.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    }
}

/// Returns the line from the baseline to the champion, and all versions.
pub(super) fn lineage(page: &MonthPage) -> Markup {
    let champion = page.champion;
    let line = champion.map_or_else(Vec::new, |champion| ancestors(&page.versions, champion));
    let heading = match (champion, line.first()) {
        (Some(champion), Some(first)) if first.version != champion => format!(
            "Version {champion} descends from version {}{}",
            first.version,
            trained_on(first)
        ),
        (Some(champion), Some(first)) => {
            format!("Version {champion} was trained{}", trained_on(first))
        }
        _ => "There is no champion".to_owned(),
    };
    let mut items = Markup::default();
    if let Some(baseline) = line.first().and_then(|first| first.baseline.as_deref()) {
        items.push(plain("li", plain("b", "baseline")).child(baseline));
    }
    for record in &line {
        arrow(&mut items);
        let role = if Some(record.version) == champion {
            ", champion"
        } else {
            ""
        };
        let name = plain("b", format!("version {}{role}", record.version));
        // A champion that was trained on a baseline has no strategy.
        let trained_as = match record.base {
            Some(_) => record.trained_as.as_str(),
            None => "trained",
        };
        items.push(plain("li", name).child(trained_as));
    }
    // The last challenger of the champion that is not one of its ancestors.
    let challenger = page.versions.iter().rev().find(|record| {
        record.base.is_some() && record.base == champion && Some(record.version) != champion
    });
    if let Some(challenger) = challenger {
        arrow(&mut items);
        let decision = challenger.decision.as_deref().unwrap_or("not decided");
        let name = plain("b", format!("version {}, challenger", challenger.version));
        items.push(plain("li", name).child(format!("{}, {decision}", challenger.trained_as)));
    }
    let how = "From the baseline to the champion and its last challenger. Below, all versions with the days that \
               they forecast in this month.";
    let mut content = Markup::from(plain("ol", items).class("lineage"));
    let (made, others): (Vec<_>, Vec<_>) = page
        .versions
        .iter()
        .rev()
        .partition(|record| record.days > 0);
    if !made.is_empty() {
        content.push(versions(&made));
    }
    if !others.is_empty() {
        let summary = format!(
            "{} without a forecast",
            text::plural(others.len(), "version")
        );
        content.push(folded(&summary, versions(&others)));
    }
    section("lineage", &heading, how, content)
}

fn arrow(items: &mut Markup) {
    if !items.is_empty() {
        items.push(element("li", "arrow", "→").attr("aria-hidden", "true"));
    }
}

fn trained_on(record: &VersionRecord) -> String {
    let baseline = record.baseline.as_deref();
    baseline.map_or_else(String::new, |baseline| format!(", trained on {baseline}"))
}

fn versions(records: &[&VersionRecord]) -> Markup {
    let mut table = Table::new(&["Version", "~Run", "From", "#Test MAE", "#Days", "Decision"]);
    for record in records {
        let mut row = Markup::from(plain("th", record.version.to_string()).attr("scope", "row"));
        row.push(element("td", "wide", record.run.as_str()));
        let base = match (record.base, &record.baseline) {
            (Some(base), _) => format!("version {base}, {}", record.trained_as),
            (None, Some(baseline)) => baseline.clone(),
            (None, None) => record.trained_as.clone(),
        };
        row.push(plain("td", base));
        let mae = record.test_mae.map(|mae| format!("{mae:.2}"));
        row.push(element("td", "n", mae.unwrap_or_else(|| "–".to_owned())));
        row.push(element("td", "n", record.days.to_string()));
        let decision = record.decision.as_deref();
        row.push(plain("td", decision.unwrap_or("–")));
        table.cells(row);
    }
    table.markup()
}

/// Returns the estimated cost.
pub(super) fn cost(page: &MonthPage) -> Markup {
    let cost = &page.cost;
    let events: usize = cost.events.iter().map(|(_, events)| events).sum();
    let heading = format!(
        "About {:.2} US dollars on Google Cloud, for {}",
        cost.total(),
        text::plural(events, "event")
    );
    let how = "An estimate: the events of this month, each delivered twice, by the durations and list prices of the \
               table “What does it cost?” in docs/deploy.md. A local state costs nothing.";
    let mut table = Table::new(&["Service", "Quantity", "#US dollars"]);
    let mut row = |service: &str, quantity: &str, price: f64| {
        table.cells([
            plain("th", service).attr("scope", "row"),
            plain("td", quantity),
            element("td", "n", format!("{price:.2}")),
        ]);
    };
    for (service, quantity, price) in &cost.parts {
        row(service, quantity, *price);
    }
    row("Sum", "", cost.total());
    section("cost", &heading, how, table.markup())
}
