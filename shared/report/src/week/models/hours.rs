//! The errors of both models by local hour.

use forecasting::metrics::Group;
use shared::evaluation::Evaluation;

use super::{change, errors, table};
use crate::{
    html::Markup,
    page::part,
    svg::{Chart, Curves, Margins, Scale, key, label},
    text,
};

const HOURS: usize = 24;
const HEIGHT: f64 = 190.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 160.0;
/// The width of an hour in the nested picture of the curves.
const HOUR: f64 = 10.0;

/// A number of each local hour, if it is known.
type ByHour = [Option<f64>; HOURS];

/// Returns the chart of both errors by local hour. `groups` are those of the hours, and `place`
/// says on which rows the models are compared.
pub(super) fn figure(evaluation: &Evaluation, groups: &[Group], place: &str) -> Markup {
    let groups: Vec<_> = groups
        .iter()
        .filter(|group| errors(group).is_some())
        .collect();
    let better = groups
        .iter()
        .filter(|group| change(group).is_some_and(|change| change < 0.0))
        .count();
    let heading = format!(
        "The challenger was better in {better} of {} of the day {place}",
        text::plural(groups.len(), "hour")
    );
    let names =
        [evaluation.champion, evaluation.challenger].map(|version| format!("version {version}"));
    let [champion, challenger] = &names;
    let curves = [
        (
            "earlier",
            "t-muted wide",
            "last week's",
            by_hour(&groups, |group| group.seasonal_naive_mae),
        ),
        (
            "forecast",
            "t-blue wide",
            champion.as_str(),
            by_hour(&groups, |group| Some(errors(group)?.0)),
        ),
        (
            "challenger",
            "t-orange wide",
            challenger.as_str(),
            by_hour(&groups, |group| Some(errors(group)?.1)),
        ),
    ];
    let chart = chart(&heading, &curves).figure(table(&groups));
    let mut how = Markup::from("Mean absolute error by local hour, in bicycles an hour.");
    for (class, _, name, _) in &curves {
        how.push(" ");
        how.push(key(class, name));
    }
    part(&heading, how, chart)
}

fn by_hour(groups: &[&Group], value: fn(&Group) -> Option<f64>) -> ByHour {
    let mut values = [None; HOURS];
    for group in groups {
        let hour = group
            .name
            .strip_suffix(" h")
            .and_then(|hour| hour.parse::<usize>().ok());
        if let Some(hour) = hour.filter(|hour| *hour < HOURS) {
            values[hour] = value(group);
        }
    }
    values
}

/// Draws curves, each with its class, the class of its name, its name and its values.
fn chart(heading: &str, curves: &[(&str, &str, &str, ByHour)]) -> Chart {
    let mut chart = Chart::new(
        "models-hours",
        heading,
        "Line chart of the 24 hours of a day: the mean absolute errors of both models and of repeating last week.",
        HEIGHT,
    )
    .margins(Margins::BothIfWide);
    let known = curves.iter().flat_map(|(_, _, _, values)| values).flatten();
    let scale = Scale::from_zero(known.copied().fold(0.0, f64::max), (TOP, BOTTOM));
    chart.grid(&scale);
    let mut picture = Curves::new(HOURS as f64 * HOUR, BOTTOM);
    for (class, _, _, values) in curves {
        let points = values.iter().enumerate().map(|(hour, value)| {
            (
                (hour as f64 + 0.5) * HOUR,
                value.map(|value| scale.y(value)),
            )
        });
        picture.line(class, points);
    }
    for hour in 0..HOURS {
        let parts = curves.iter().filter_map(|(_, _, name, values)| {
            Some(format!("{name} {}", text::number(values[hour]?)))
        });
        let parts: Vec<_> = parts.collect();
        let hover = format!("{hour} h: {}", parts.join(", "));
        picture.column("hit", (hour as f64 * HOUR, HOUR), Some(hover));
        if hour % 6 == 0 {
            let x = (hour as f64 + 0.5) / HOURS as f64;
            chart.add(label("tick mid", (x, BOTTOM + 18.0), format!("{hour} h")));
        }
    }
    chart.add(picture.markup());
    let last = |values: &ByHour| values.iter().rev().find_map(|value| *value);
    let names = curves.iter();
    chart.names(
        &scale,
        names.map(|(_, class, name, values)| (*class, *name, last(values))),
    );
    chart
}
