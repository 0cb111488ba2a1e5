//! The city hour by hour: counted, forecast with its interval, and a week earlier.

use forecasting::{calendar::is_public_holiday, time::Day};

use super::{BandSource, CityHour, WeekPage};
use crate::{
    html::{Element, Markup, Table, element},
    page,
    svg::{Chart, Curves, Margins, Scale, key, label, upright},
    text,
};

const HEIGHT: f64 = 310.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 280.0;
/// The width of an hour in the nested picture of the curves.
const HOUR: f64 = 10.0;
/// Half of the width of a note on narrow screens, in hours.
const NOTE: usize = 30;
/// The deviation of a day's sum from its forecast below which the forecast followed the city.
const CLOSE: f64 = 0.05;

/// Returns the relative change of the mean count against the week before, over the counters with
/// counts in both weeks.
pub(super) fn change(page: &WeekPage) -> Option<f64> {
    let means = page.traffic.counters.iter();
    let means: Vec<_> = means
        .filter_map(|counter| counter.mean.zip(counter.mean_before))
        .collect();
    let (now, before) = means
        .iter()
        .fold((0.0, 0.0), |(now, before), (mean, mean_before)| {
            (now + mean, before + mean_before)
        });
    (before > 0.0).then(|| now / before - 1.0)
}

pub(super) fn section(page: &WeekPage) -> Markup {
    let hours = &page.traffic.city;
    let days = days(hours);
    let heading = heading(page, &days);
    if hours
        .iter()
        .all(|hour| hour.counted.is_none() && hour.forecast.is_none())
    {
        return page::section(
            "city",
            &heading,
            "",
            element("p", "note", "The daily tables of this week have no counts."),
        );
    }
    let mut chart = Chart::new("city", heading.as_str(), description(page), HEIGHT)
        .margins(Margins::BothIfWide);
    let high = hours.iter().flat_map(|hour| {
        let bound = hour.interval.map(|(_, high)| high);
        [hour.counted, hour.forecast, hour.week_earlier, bound]
    });
    let scale = Scale::from_zero(high.flatten().fold(0.0, f64::max), (TOP, BOTTOM));
    chart.add(curves(hours, &scale));
    chart.grid(&scale);
    chart.add(label("tick", (0.0, 10.0), "bicycles an hour").attr("dx", -50));
    add_days(&mut chart, hours.len(), &days);
    add_names(&mut chart, hours, &scale);
    if let Some(note) = largest_miss(hours, &scale) {
        chart.add(note);
    }
    page::section("city", &heading, how(page), chart.figure(table(hours)))
}

/// The hours of one day.
struct DayHours<'a> {
    day: Day,
    /// The position of the first hour.
    start: usize,
    hours: &'a [CityHour],
}

impl DayHours<'_> {
    /// Returns the relative deviation of the forecast from the counts: 0.1 for a forecast that is
    /// 10 % too high.
    fn deviation(&self) -> Option<f64> {
        let pairs = self
            .hours
            .iter()
            .filter_map(|hour| hour.forecast.zip(hour.counted));
        let (forecast, counted) = pairs.fold((0.0, 0.0), |sums: (f64, f64), pair| {
            (sums.0 + pair.0, sums.1 + pair.1)
        });
        (counted > 0.0).then(|| forecast / counted - 1.0)
    }

    fn is_holiday(&self) -> bool {
        is_public_holiday(self.day.date())
    }
}

fn days(hours: &[CityHour]) -> Vec<DayHours<'_>> {
    let mut start = 0;
    hours
        .chunk_by(|left, right| left.hour.day() == right.hour.day())
        .map(|hours| {
            let day = DayHours {
                day: hours[0].hour.day(),
                start,
                hours,
            };
            start += hours.len();
            day
        })
        .collect()
}

fn heading(page: &WeekPage, days: &[DayHours<'_>]) -> String {
    let deviations: Vec<_> = days
        .iter()
        .filter_map(|day| Some((day.day, day.deviation()?)))
        .collect();
    let worst = deviations
        .iter()
        .max_by(|left, right| left.1.abs().total_cmp(&right.1.abs()));
    let Some((day, deviation)) = worst else {
        return match change(page) {
            Some(change) => format!(
                "The city counted {} against the week before",
                text::signed_percent(change)
            ),
            None => "The city, hour by hour".to_owned(),
        };
    };
    if deviation.abs() < CLOSE {
        return format!(
            "The forecast stayed within {} of the city's count on every day",
            text::percent(CLOSE)
        );
    }
    let direction = if *deviation > 0.0 { "high" } else { "low" };
    let same = deviations
        .iter()
        .filter(|(_, other)| other * deviation > 0.0 && other.abs() >= CLOSE / 2.0)
        .count();
    let weekday = text::WEEKDAYS[text::weekday(*day)];
    let share = text::percent(deviation.abs());
    if same == deviations.len() && same > 2 {
        return format!("The forecast was too {direction} on each day, by {share} on {weekday}");
    }
    format!("The forecast was {share} too {direction} on {weekday}, the worst day")
}

fn description(page: &WeekPage) -> String {
    format!(
        "Line chart of {}: bicycles an hour in the whole city, counted, forecast and a week earlier. \
         The band is the {}.",
        text::days(page.week),
        page.traffic.band.describe()
    )
}

/// Says what is drawn, with a key for narrow screens, which have no space for the names of curves.
fn how(page: &WeekPage) -> Markup {
    let hours = &page.traffic.city;
    let mut sentences = vec!["Sums over the counters that have a count and a forecast.".to_owned()];
    if page.traffic.band != BandSource::None {
        let within: Vec<_> = hours
            .iter()
            .filter_map(|hour| {
                let (low, high) = hour.interval?;
                Some((low..=high).contains(&hour.counted?))
            })
            .collect();
        let held = within.iter().filter(|is_within| **is_within).count();
        sentences.push(format!(
            "Band: {}; it held {} of this week's hours.",
            page.traffic.band.describe(),
            text::percent(held as f64 / within.len().max(1) as f64)
        ));
    }
    let missing = hours.iter().filter(|hour| hour.counted.is_none()).count();
    if missing > 0 {
        sentences.push(format!(
            "{} without counts of most counters: shaded in orange.",
            text::plural(missing, "hour")
        ));
    }
    let mut markup = Markup::from(sentences.join(" "));
    for (class, name) in [
        ("counted", "counted"),
        ("forecast", "forecast"),
        ("earlier", "a week earlier"),
    ] {
        markup.push(" ");
        markup.push(key(class, name));
    }
    markup
}

fn curves(hours: &[CityHour], scale: &Scale) -> Element {
    let mut curves = Curves::new(hours.len() as f64 * HOUR, BOTTOM);
    let x = |at: usize| at as f64 * HOUR;
    for day in days(hours).iter().filter(|day| day.is_holiday()) {
        curves.column("shade", (x(day.start), x(day.hours.len())), None);
    }
    for (at, hour) in hours.iter().enumerate() {
        if hour.counted.is_none() {
            curves.column("missing", (x(at), HOUR), None);
        }
    }
    let line = |value: fn(&CityHour) -> Option<f64>| {
        let y = move |hour: &CityHour| value(hour).map(|value| scale.y(value));
        hours
            .iter()
            .enumerate()
            .map(move |(at, hour)| (x(at) + HOUR / 2.0, y(hour)))
    };
    let band: Vec<_> = hours
        .iter()
        .enumerate()
        .map(|(at, hour)| {
            let ends = hour
                .interval
                .map(|(low, high)| (scale.y(low), scale.y(high)));
            (x(at) + HOUR / 2.0, ends)
        })
        .collect();
    curves.band("band", &band);
    curves.line("earlier", line(|hour| hour.week_earlier));
    curves.line("forecast", line(|hour| hour.forecast));
    curves.line("counted", line(|hour| hour.counted));
    for (at, hour) in hours.iter().enumerate() {
        curves.column("hit", (x(at), HOUR), Some(hover(hour)));
    }
    curves.markup()
}

fn hover(hour: &CityHour) -> String {
    let mut parts = vec![match hour.counted {
        Some(counted) => format!("counted {}", text::count(counted as i64)),
        None => format!("counts of {}", text::plural(hour.counters, "counter")),
    }];
    if let Some(forecast) = hour.forecast {
        parts.push(format!("forecast {}", text::count(forecast as i64)));
    }
    if let Some((low, high)) = hour.interval {
        parts.push(format!(
            "80 %: {} to {}",
            text::count(low as i64),
            text::count(high as i64)
        ));
    }
    if let Some(earlier) = hour.week_earlier {
        parts.push(format!("a week earlier {}", text::count(earlier as i64)));
    }
    format!("{}: {}", text::hour(hour.hour), parts.join(", "))
}

/// Adds the names of the days, and of public holidays.
fn add_days(chart: &mut Chart, hours: usize, days: &[DayHours<'_>]) {
    let x = |at: f64| at / hours as f64;
    for day in days {
        let middle = x(day.start as f64 + day.hours.len() as f64 / 2.0);
        chart.add(label(
            "tick mid wide",
            (middle, BOTTOM + 20.0),
            text::short_day(day.day),
        ));
        let weekday = text::short_weekday(text::weekday(day.day));
        chart.add(label("tick mid narrow", (middle, BOTTOM + 20.0), weekday));
        if day.start > 0 {
            chart.add(upright("day", x(day.start as f64), (TOP, BOTTOM + 6.0)));
        }
        if day.is_holiday() {
            chart.add(label("tick mid", (middle, TOP - 12.0), "holiday"));
        }
    }
}

/// Adds the names of the curves at their ends.
fn add_names(chart: &mut Chart, hours: &[CityHour], scale: &Scale) {
    let last = |value: fn(&CityHour) -> Option<f64>| hours.iter().rev().find_map(value);
    let ends = [
        ("t-ink wide", "counted", last(|hour| hour.counted)),
        ("t-blue wide", "forecast", last(|hour| hour.forecast)),
        (
            "t-muted wide",
            "a week earlier",
            last(|hour| hour.week_earlier),
        ),
        (
            "t-muted wide",
            "80 % band",
            last(|hour| Some(hour.interval?.1)),
        ),
    ];
    chart.names(scale, ends);
}

/// Returns a note at the hour with the largest difference between forecast and count.
fn largest_miss(hours: &[CityHour], scale: &Scale) -> Option<Markup> {
    let misses = hours.iter().enumerate().filter_map(|(at, hour)| {
        let (forecast, counted) = hour.forecast.zip(hour.counted)?;
        Some((at, *hour, counted - forecast, forecast.max(counted)))
    });
    let (at, hour, miss, high) =
        misses.max_by(|left, right| left.2.abs().total_cmp(&right.2.abs()))?;
    if miss.abs() < 1.0 {
        return None;
    }
    let x = (at as f64 + 0.5) / hours.len() as f64;
    // The note is above all curves near it.
    let near = hours.iter().skip(at.saturating_sub(NOTE)).take(2 * NOTE);
    let near = near.flat_map(|hour| [hour.counted, hour.forecast, hour.week_earlier]);
    let highest = near.flatten().fold(high, f64::max);
    let top = (scale.y(highest) - 12.0).max(TOP + 22.0);
    let direction = if miss < 0.0 { "fewer" } else { "more" };
    let anchor = match x {
        x if x < 0.25 => "t-ink",
        x if x > 0.75 => "t-ink end",
        _ => "t-ink mid",
    };
    let lines = [
        text::hour(hour.hour),
        format!(
            "{} {direction} than forecast",
            text::count(miss.abs() as i64)
        ),
    ];
    let [first, second] = lines;
    Some(
        [
            upright("lead", x, (top + 5.0, scale.y(high))),
            label(anchor, (x, top - 14.0), first),
            label(anchor, (x, top), second),
        ]
        .into(),
    )
}

fn table(hours: &[CityHour]) -> Table {
    let mut table = Table::new(&[
        "Hour",
        "#Counted",
        "#Forecast",
        "#80 % from",
        "#to",
        "#A week earlier",
    ])
    .caption("The city hour by hour, in bicycles an hour");
    let cell = |value: Option<f64>| {
        value.map_or_else(|| "–".to_owned(), |value| text::count(value.round() as i64))
    };
    for hour in hours {
        table.row(
            text::hour(hour.hour),
            [
                hour.counted,
                hour.forecast,
                hour.interval.map(|(low, _)| low),
                hour.interval.map(|(_, high)| high),
                hour.week_earlier,
            ]
            .map(cell),
        );
    }
    table
}
