//! The numbers of twelve weeks, with limits, promotions and rollbacks.

use forecasting::time::Week;
use shared::week_report::WeekReport;

use super::{MarkKind, WeekPage, numbers, standing};
use crate::{
    html::{Element, Markup, Table, element},
    page,
    svg::{Chart, Curves, Margins, Scale, dot, label, rule, spread},
    text,
};

/// The largest number of weeks, and the smallest if fewer were judged.
const WEEKS: i32 = 12;
const LEAST_WEEKS: usize = 4;
/// The largest number of weeks of which narrow screens have space for each name.
const NARROW_WEEKS: usize = 6;
const HEIGHT: f64 = 262.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 214.0;
/// The width of a week in the nested picture of the curves.
const WEEK: f64 = 100.0;
/// The relative change of the error that is worth a heading.
const NOTABLE: f64 = 0.05;

/// A week of the chart, with its report if it was judged.
struct Point<'a> {
    week: Week,
    report: Option<&'a WeekReport>,
}

impl Point<'_> {
    fn mae(&self) -> Option<f64> {
        Some(self.report?.live?.mae)
    }

    fn naive(&self) -> Option<f64> {
        Some(self.report?.accuracy?.seasonal_naive?.mae)
    }

    fn bias(&self) -> Option<f64> {
        self.report?.live?.relative_bias()
    }

    fn share(&self) -> Option<f64> {
        self.report?.live?.share
    }

    fn gain(&self) -> Option<f64> {
        numbers::gain(self.report?)
    }
}

fn points(page: &WeekPage) -> Vec<Point<'_>> {
    let weeks = (1 - WEEKS..=0).map(|back| page.week.first_day().plus(7 * back).week());
    let report = |week: Week| {
        let all = page.earlier.iter().chain([&page.report]);
        all.rev().find(|report| report.week == week)
    };
    let point = |week| Point {
        week,
        report: report(week),
    };
    let mut points: Vec<_> = weeks.map(point).collect();
    // Weeks before the first report would leave most of the chart empty.
    let unknown = points.iter().position(|point| point.report.is_some());
    let dropped = unknown.unwrap_or_default();
    points.drain(..dropped.min(points.len().saturating_sub(LEAST_WEEKS)));
    points
}

pub(super) fn section(page: &WeekPage) -> Markup {
    let points = points(page);
    let judged = points.iter().filter(|point| point.mae().is_some()).count();
    let heading = heading(&points);
    let how = "Mean absolute error of the published forecasts, in bicycles an hour. ▲ a version became \
               champion, ✕ a challenger was not better, ▼ rolled back.";
    if judged == 0 {
        let note = element(
            "p",
            "note",
            "No week of the last twelve has forecasts to compare.",
        );
        return page::section("trend", &heading, "", note);
    }
    let smaller: Markup = [
        small(
            "trend-bias",
            "Bias, in % of the counts",
            &points,
            |point| point.bias(),
            text::signed_percent,
        ),
        small(
            "trend-share",
            "Error, in % of the counts",
            &points,
            |point| point.share(),
            text::percent,
        ),
        small(
            "trend-gain",
            "Gain over repeating last week",
            &points,
            |point| point.gain(),
            text::signed_percent,
        ),
    ]
    .into();
    let content: Markup = [
        main_chart(page, &points, &heading),
        element("div", "three", smaller).into(),
    ]
    .into();
    page::section("trend", &heading, how, content)
}

fn heading(points: &[Point<'_>]) -> String {
    let known: Vec<_> = points
        .iter()
        .filter_map(|point| Some((point.week, point.mae()?)))
        .collect();
    let (Some((_, last)), Some((first_week, first))) = (known.last(), known.first()) else {
        return "No forecasts were scored in twelve weeks".to_owned();
    };
    if known.len() == 1 {
        return "This is the first week with a score".to_owned();
    }
    let change = last / first - 1.0;
    let since = text::short_week(*first_week);
    if change.abs() < NOTABLE {
        return format!("The error is about the same as in {since}");
    }
    let direction = if change < 0.0 { "fell" } else { "rose" };
    format!(
        "The error {direction} from {} in {since} to {}",
        text::number(*first),
        text::number(*last)
    )
}

fn main_chart(page: &WeekPage, points: &[Point<'_>], heading: &str) -> Markup {
    let limits = standing::limits(&page.report.verdict);
    let test = page.report.champion.test_mae;
    let values = points
        .iter()
        .flat_map(|point| [point.mae(), point.naive()])
        .flatten()
        .chain([test])
        .chain(limits.map(|(_, major)| major));
    let scale = Scale::from_zero(values.fold(0.0, f64::max), (TOP, BOTTOM));
    let mut chart = Chart::new(
        "trend",
        heading,
        "Line chart of the last weeks: the mean absolute error of the forecasts and of repeating the week before, \
         with the limits and the error on the fixed test set.",
        HEIGHT,
    )
    .margins(Margins::Both);
    chart.grid(&scale);
    chart.add(rule("base", scale.y(test)));
    if let Some((alarm, major)) = limits {
        chart.add(rule("limit", scale.y(alarm)));
        chart.add(rule("limit", scale.y(major)));
    }
    let mut curves = Curves::new(points.len() as f64 * WEEK, BOTTOM);
    let line = |value: fn(&Point<'_>) -> Option<f64>| {
        points.iter().enumerate().map(move |(at, point)| {
            (
                (at as f64 + 0.5) * WEEK,
                value(point).map(|value| scale.y(value)),
            )
        })
    };
    curves.line("earlier", line(|point| point.naive()));
    curves.line("forecast", line(|point| point.mae()));
    chart.add(curves.markup());
    for (at, point) in points.iter().enumerate() {
        add_week(&mut chart, page, (at, points.len()), point, &scale);
    }
    add_names(&mut chart, points, (limits, test), &scale);
    chart.figure(table(page, points))
}

/// Adds the dots, the decisions and the name of a week.
fn add_week(
    chart: &mut Chart,
    page: &WeekPage,
    (at, weeks): (usize, usize),
    point: &Point<'_>,
    scale: &Scale,
) {
    let x = (at as f64 + 0.5) / weeks as f64;
    let week = text::short_week(point.week);
    if let Some(naive) = point.naive() {
        chart.add(dot("d-faint", (x, scale.y(naive)), 2.5).hover(format!(
            "{week}: repeating last week {}",
            text::number(naive)
        )));
    }
    if let Some(mae) = point.mae() {
        chart.add(
            dot("d-blue", (x, scale.y(mae)), 4.0)
                .hover(format!("{week}: forecast {}", text::number(mae))),
        );
    }
    let marks: Vec<_> = page
        .marks
        .iter()
        .filter(|mark| mark.week == point.week)
        .collect();
    if !marks.is_empty() {
        let symbols: String = marks.iter().map(|mark| symbol(mark.kind)).collect();
        let sentences: Vec<_> = marks.iter().map(|mark| describe(mark)).collect();
        chart.add(
            label("t-ink mid", (x, BOTTOM + 18.0), symbols)
                .hover(format!("{week}: {}", sentences.join(", "))),
        );
    }
    let class = if weeks > NARROW_WEEKS && (weeks - at).is_multiple_of(2) {
        "tick mid wide"
    } else {
        "tick mid"
    };
    chart.add(label(class, (x, BOTTOM + 38.0), week));
}

const fn symbol(kind: MarkKind) -> char {
    match kind {
        MarkKind::Promoted => '▲',
        MarkKind::Kept => '✕',
        MarkKind::RolledBack => '▼',
    }
}

fn describe(mark: &super::Mark) -> String {
    let champion = mark.champion.map_or_else(
        || "the champion".to_owned(),
        |version| format!("version {version}"),
    );
    match (mark.kind, mark.challenger) {
        (MarkKind::Promoted, _) => format!("{champion} became champion"),
        (MarkKind::RolledBack, _) => format!("rolled back to {champion}"),
        (MarkKind::Kept, Some(challenger)) => {
            format!("{champion} stayed champion, version {challenger} was not better")
        }
        (MarkKind::Kept, None) => format!("{champion} stayed champion"),
    }
}

/// Adds the names and last values of lines in the right margin.
fn add_names(
    chart: &mut Chart,
    points: &[Point<'_>],
    (limits, test): (Option<(f64, f64)>, f64),
    scale: &Scale,
) {
    let last = |value: fn(&Point<'_>) -> Option<f64>| points.iter().rev().find_map(value);
    let names = [
        ("t-blue", "forecast", last(|point| point.mae())),
        ("t-muted", "last week's", last(|point| point.naive())),
        ("t-muted", "test set", Some(test)),
        ("t-orange", "limit", limits.map(|(alarm, _)| alarm)),
        ("t-orange", "major", limits.map(|(_, major)| major)),
    ];
    let known: Vec<_> = names
        .into_iter()
        .filter_map(|(class, name, value)| Some((class, name, value?)))
        .collect();
    let positions: Vec<_> = known.iter().map(|(_, _, value)| scale.y(*value)).collect();
    for ((class, name, value), y) in known.iter().zip(spread(&positions, 15.0, BOTTOM)) {
        chart.name(class, y, format!("{name} {}", text::number(*value)));
    }
}

/// Returns a small chart of one share, with the value of the last week.
fn small(
    id: &'static str,
    name: &str,
    points: &[Point<'_>],
    value: fn(&Point<'_>) -> Option<f64>,
    format: fn(f64) -> String,
) -> Markup {
    const SMALL: (f64, f64) = (12.0, 84.0);
    let values: Vec<_> = points.iter().map(value).collect();
    let Some(last) = values.iter().rev().find_map(|value| *value) else {
        return Markup::default();
    };
    let known = || values.iter().flatten().copied();
    let scale = Scale::between(
        known().fold(0.0, f64::min),
        known().fold(0.0, f64::max),
        SMALL,
    );
    let title = format!("{name}: {} in the last week", format(last));
    let mut chart = Chart::new(id, title.as_str(), "Line chart of the last weeks.", 106.0);
    let ticks = scale.ticks();
    let ends = ticks.first().into_iter().chain(ticks.last()).copied();
    let mut labelled: Vec<_> = ends.chain([0.0]).collect();
    labelled.sort_by(f64::total_cmp);
    labelled.dedup();
    for tick in labelled {
        let class = if tick == 0.0 { "grid zero" } else { "grid" };
        chart.add(rule(class, scale.y(tick)));
        let name = if tick == 0.0 {
            "0 %".to_owned()
        } else {
            format(tick)
        };
        chart.add(label("tick end", (0.0, scale.y(tick) + 4.0), name).attr("dx", -8));
    }
    let mut curves = Curves::new(points.len() as f64 * WEEK, SMALL.1);
    let x = |at: usize| at as f64 + 0.5;
    let line = values
        .iter()
        .enumerate()
        .map(|(at, value)| (x(at) * WEEK, value.map(|value| scale.y(value))));
    curves.line("forecast", line);
    chart.add(curves.markup());
    for (at, (value, point)) in values.iter().zip(points).enumerate() {
        let week = text::short_week(point.week);
        let x = x(at) / points.len() as f64;
        if at == 0 || at + 1 == points.len() {
            chart.add(label("tick mid", (x, SMALL.1 + 18.0), week.as_str()));
        }
        if let Some(value) = value {
            let hover = format!("{week}: {}", format(*value));
            chart.add(dot("d-blue", (x, scale.y(*value)), 3.0).hover(hover));
        }
    }
    let table = small_table(&title, points, &values, format);
    Element::new("div")
        .child(element("p", "how", title))
        .child(chart.figure(table))
        .into()
}

fn small_table(
    title: &str,
    points: &[Point<'_>],
    values: &[Option<f64>],
    format: fn(f64) -> String,
) -> Table {
    let mut table = Table::new(&["Week", "#Value"]).caption(title);
    for (point, value) in points.iter().zip(values) {
        let value = value.map_or_else(|| "–".to_owned(), format);
        table.row(point.week.to_string(), [value]);
    }
    table
}

fn table(page: &WeekPage, points: &[Point<'_>]) -> Table {
    let mut table = Table::new(&[
        "Week",
        "#Champion",
        "#MAE",
        "#Bias",
        "#Share of the counts",
        "#Last week's counts, MAE",
        "#Gain",
        "Decisions",
    ])
    .caption("The last weeks");
    for point in points {
        let cell = |value: Option<f64>, format: fn(f64) -> String| {
            value.map_or_else(|| "–".to_owned(), format)
        };
        let champion = point.report.map_or_else(
            || "–".to_owned(),
            |report| report.champion.version.to_string(),
        );
        let marks = page.marks.iter().filter(|mark| mark.week == point.week);
        let decisions: Vec<_> = marks.map(describe).collect();
        let mut cells = Markup::from(
            Element::new("th")
                .attr("scope", "row")
                .child(point.week.to_string()),
        );
        for number in [
            champion,
            cell(point.mae(), text::number),
            cell(point.bias(), text::signed_percent),
            cell(point.share(), text::percent),
            cell(point.naive(), text::number),
            cell(point.gain(), text::signed_percent),
        ] {
            cells.push(element("td", "n", number));
        }
        cells.push(Element::new("td").child(decisions.join("; ")));
        table.cells(cells);
    }
    table
}
