//! The data of the week: coverage, duplicates, rejected records and late days.

use super::{DayCoverage, DayOfData, WeekPage};
use crate::{
    html::{Element, Markup, Table, element, plain},
    page,
    svg::{Chart, Margins, Scale, bar, label},
    text,
};

const HEIGHT: f64 = 168.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 130.0;
/// The share of its counts below which a day has gaps.
const COMPLETE: f64 = 0.995;

/// A day with its coverage and its ingestion.
struct Day<'a> {
    coverage: &'a DayCoverage,
    ingested: Option<&'a DayOfData>,
}

impl Day<'_> {
    fn is_late(&self) -> bool {
        self.ingested.is_some_and(DayOfData::is_late)
    }

    fn has_gaps(&self) -> bool {
        self.coverage.share() < COMPLETE
    }
}

pub(super) fn section(page: &WeekPage) -> Markup {
    let days: Vec<_> = page
        .traffic
        .days
        .iter()
        .map(|coverage| Day {
            coverage,
            ingested: page.days.iter().find(|day| day.day == coverage.day),
        })
        .collect();
    let heading = heading(&days);
    let mut chart = Chart::new(
        "quality",
        heading.as_str(),
        "Bar chart of the seven days: the share of the expected counts that are stored.",
        HEIGHT,
    )
    .margins(Margins::Left);
    let scale = Scale::from_zero(1.0, (TOP, BOTTOM));
    for tick in [0.0, 0.5, 1.0] {
        let y = scale.y(tick);
        let class = if tick == 0.0 { "grid zero" } else { "grid" };
        chart.add(crate::svg::rule(class, y));
        chart.add(
            label("tick end", (0.0, y + 4.0), format!("{:.0} %", tick * 100.0)).attr("dx", -8),
        );
    }
    let width = 1.0 / days.len().max(1) as f64;
    for (at, day) in days.iter().enumerate() {
        add_day(&mut chart, (at as f64 * width, width), day, &scale);
    }
    page::section("quality", &heading, how(page), chart.figure(table(&days)))
}

fn add_day(chart: &mut Chart, (x, width): (f64, f64), day: &Day<'_>, scale: &Scale) {
    let share = day.coverage.share();
    let y = scale.y(share);
    let class = if day.has_gaps() { "b worse" } else { "b" };
    let hover = format!(
        "{}: {} of {} counts",
        text::short_day(day.coverage.day),
        text::count(day.coverage.counts as i64),
        text::count(day.coverage.expected as i64)
    );
    chart.add(bar(class, (x + width * 0.2, width * 0.6), (y, BOTTOM - y)).hover(hover));
    let middle = x + width / 2.0;
    let class = if day.has_gaps() {
        "t-orange mid"
    } else {
        "tick mid"
    };
    chart.add(label(class, (middle, y - 6.0), percent(share)));
    chart.add(label(
        "tick mid wide",
        (middle, BOTTOM + 18.0),
        text::short_day(day.coverage.day),
    ));
    let weekday = text::short_weekday(text::weekday(day.coverage.day));
    chart.add(label("tick mid narrow", (middle, BOTTOM + 18.0), weekday));
    if day.is_late() {
        chart.add(label("t-orange mid", (middle, BOTTOM + 34.0), "late"));
    }
}

/// Formats a share so that only a complete day has 100 %.
fn percent(share: f64) -> String {
    if share < 1.0 && share > 0.995 {
        return "99.9 %".to_owned();
    }
    format!("{:.0} %", share * 100.0)
}

fn heading(days: &[Day<'_>]) -> String {
    let gaps = days.iter().filter(|day| day.has_gaps()).count();
    let late = days.iter().filter(|day| day.is_late()).count();
    let start = match gaps {
        0 => "All days have their counts".to_owned(),
        1 => format!("1 of {} days has gaps", days.len()),
        gaps => format!("{gaps} of {} days have gaps", days.len()),
    };
    match late {
        0 => start,
        1 => format!("{start}, 1 day came late"),
        late => format!("{start}, {late} days came late"),
    }
}

fn how(page: &WeekPage) -> Markup {
    let mut sentences = Vec::new();
    if let Some(coverage) = &page.report.coverage {
        sentences.push(format!("When the week was judged: {coverage}."));
    }
    if !page.days.is_empty() {
        let sum = |number: fn(&DayOfData) -> u64| page.days.iter().map(number).sum::<u64>();
        sentences.push(format!(
            "Of {} records, {} were duplicates and {} were rejected.",
            text::count(sum(|day| day.records)),
            text::count(sum(|day| day.duplicates)),
            text::count(sum(|day| day.rejected))
        ));
    }
    sentences.push("A day is late if its counts came more than a day after its end.".to_owned());
    sentences.join(" ").into()
}

fn table(days: &[Day<'_>]) -> Table {
    let mut table = Table::new(&[
        "Day",
        "#Counts",
        "#Expected",
        "#Share",
        "#Records",
        "#Duplicates",
        "#Rejected",
        "First ingested (UTC)",
    ])
    .caption("The data of the week");
    for day in days {
        let number = |value: fn(&DayOfData) -> u64| {
            day.ingested
                .map_or_else(|| "–".to_owned(), |ingested| text::count(value(ingested)))
        };
        let ingested = day.ingested.map_or_else(
            || "–".to_owned(),
            |ingested| {
                let late = if ingested.is_late() { ", late" } else { "" };
                let time = ingested.ingested_at.strftime("%Y-%m-%d %H:%M");
                format!("{time}{late}")
            },
        );
        let mut cells =
            Markup::from(plain("th", text::short_day(day.coverage.day)).attr("scope", "row"));
        for text in [
            text::count(day.coverage.counts as i64),
            text::count(day.coverage.expected as i64),
            percent(day.coverage.share()),
            number(|day| day.records),
            number(|day| day.duplicates),
            number(|day| day.rejected),
        ] {
            cells.push(element("td", "n", text));
        }
        cells.push(Element::new("td").child(ingested));
        table.cells(cells);
    }
    table
}
