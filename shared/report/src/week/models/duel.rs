//! The errors of both models on both sets, and the interval of their difference.

use forecasting::{metrics::DifferenceBound, policy::ScorePair};
use shared::{evaluation::Evaluation, registry::Version};

use crate::{
    html::{Element, Markup, Table},
    page::part,
    svg::{Chart, Margins, Pixels, Scale, Share, dot, label, upright},
    text,
};

const ROW: f64 = 78.0;

/// Returns the chart of both errors on each set.
pub(super) fn figure(evaluation: &Evaluation) -> Markup {
    let comparison = &evaluation.comparison;
    let mut sets = vec![("Fixed test set", comparison.fixed_test)];
    if let Some(fresh) = &comparison.fresh {
        sets.push(("Fresh holdout", fresh.scores));
    }
    let values = || {
        sets.iter().flat_map(|(_, pair)| {
            let naive = pair.seasonal_naive.map(|naive| naive.mae);
            [Some(pair.champion.mae), Some(pair.challenger.mae), naive]
        })
    };
    let low = values().flatten().fold(f64::INFINITY, f64::min) * 0.92;
    let high = values().flatten().fold(0.0, f64::max) * 1.04;
    let width = if high > low { high - low } else { 1.0 };
    let x = |value: f64| (value - low) / width;
    let height = ROW * sets.len() as f64;
    let (champion, challenger) = (evaluation.champion, evaluation.challenger);
    let sentences: Vec<_> = sets
        .iter()
        .map(|(name, pair)| {
            format!(
                "{name}: version {champion} {}, version {challenger} {}",
                text::number(pair.champion.mae),
                text::number(pair.challenger.mae)
            )
        })
        .collect();
    let mut chart = Chart::new(
        "models-duel",
        sentences.join("; "),
        "Dot chart of the mean absolute errors of both models on each set, with that of repeating last week.",
        height,
    )
    .margins(Margins::None);
    for (at, (name, pair)) in sets.iter().enumerate() {
        let y = ROW * at as f64;
        let rows = text::count(pair.champion.rows as i64);
        chart.add(label(
            "t-ink",
            (0.0, y + 14.0),
            format!("{name}, {rows} hours"),
        ));
        add_pair(&mut chart, y + 46.0, pair, x);
        chart.add(names(evaluation, y + 46.0, pair, x));
    }
    chart.figure(table(&sets))
}

fn add_pair(chart: &mut Chart, y: f64, pair: &ScorePair, x: impl Fn(f64) -> f64) {
    let (champion, challenger) = (pair.champion.mae, pair.challenger.mae);
    let class = if challenger > champion {
        "pair worse"
    } else {
        "pair"
    };
    chart.add(
        Element::new("line")
            .class(class)
            .attr("x1", Share(x(champion)))
            .attr("x2", Share(x(challenger)))
            .attr("y1", Pixels(y))
            .attr("y2", Pixels(y)),
    );
    if let Some(naive) = pair.seasonal_naive {
        let x = x(naive.mae);
        chart.add(upright("tickmark", x, (y + 8.0, y + 24.0)));
        let text = format!("last week's counts {}", text::number(naive.mae));
        let (anchor, offset) = if x < 0.5 {
            ("tick", 6)
        } else {
            ("tick end", -6)
        };
        chart.add(label(anchor, (x, y + 21.0), text).attr("dx", offset));
    }
    chart.add(dot("d-blue", (x(champion), y), 6.0));
    chart.add(dot("d-ring", (x(challenger), y), 6.0));
}

/// Returns the names of both models, on the outer sides of their dots.
fn names(evaluation: &Evaluation, y: f64, pair: &ScorePair, x: impl Fn(f64) -> f64) -> Markup {
    let (champion, challenger) = (pair.champion.mae, pair.challenger.mae);
    let is_left = champion <= challenger;
    let name = |class: &str, version: Version, mae: f64, is_left: bool| {
        let text = format!("v{version} {}", two_decimals(mae));
        // Names at the borders would leave the page, so they are above their dots.
        let is_at_border = if is_left { x(mae) < 0.2 } else { x(mae) > 0.8 };
        let (is_end, offset, y) = match (is_left, is_at_border) {
            (true, false) => (true, -10, y + 4.0),
            (false, false) => (false, 10, y + 4.0),
            (true, true) => (false, -4, y - 12.0),
            (false, true) => (true, 4, y - 12.0),
        };
        let class = if is_end {
            format!("{class} end")
        } else {
            class.to_owned()
        };
        label(&class, (x(mae), y), text).attr("dx", offset)
    };
    [
        name("t-blue", evaluation.champion, champion, is_left),
        name("t-orange", evaluation.challenger, challenger, !is_left),
    ]
    .into()
}

/// Formats an error so that a small difference between two models shows.
fn two_decimals(value: f64) -> String {
    format!("{value:.2}")
}

fn table(sets: &[(&str, ScorePair)]) -> Table {
    let mut table = Table::new(&[
        "Set",
        "#Hours",
        "#Champion",
        "#Challenger",
        "#Change",
        "#Last week's counts",
    ])
    .caption("Mean absolute errors, in bicycles an hour");
    for (name, pair) in sets {
        table.row(
            *name,
            [
                text::count(pair.champion.rows as i64),
                two_decimals(pair.champion.mae),
                two_decimals(pair.challenger.mae),
                text::signed_percent(-pair.improvement()),
                pair.seasonal_naive
                    .map_or_else(|| "–".to_owned(), |naive| two_decimals(naive.mae)),
            ],
        );
    }
    table
}

/// Returns the interval of the difference between both errors on the fresh holdout.
pub(super) fn difference(evaluation: &Evaluation) -> Markup {
    let fresh = evaluation.comparison.fresh.as_ref();
    let Some(found) = fresh.and_then(|fresh| fresh.bootstrap) else {
        return Markup::default();
    };
    let heading = format!(
        "The challenger is better with a probability of {}",
        probability(found.probability)
    );
    let mut chart = Chart::new(
        "models-difference",
        heading.as_str(),
        "The difference of the mean absolute errors, champion minus challenger, with its 90 % interval.",
        96.0,
    )
    .margins(Margins::None);
    let scale = Scale::between(found.lower_bound, found.upper_bound, (0.0, 1.0));
    // The scale is vertical, and its bottom is its lowest value.
    let x = |value: f64| 0.06 + 0.88 * (1.0 - scale.y(value));
    for tick in scale.ticks() {
        let class = if tick == 0.0 { "base" } else { "grid" };
        chart.add(upright(class, x(tick), (8.0, 70.0)));
        chart.add(label(
            "tick mid",
            (x(tick), 88.0),
            format!("{}", (tick * 100.0).round() / 100.0),
        ));
    }
    chart.add(
        Element::new("line")
            .class("forecast")
            .attr("x1", Share(x(found.lower_bound)))
            .attr("x2", Share(x(found.upper_bound)))
            .attr("y1", 44)
            .attr("y2", 44),
    );
    chart.add(dot("d-blue", (x(found.difference), 44.0), 6.0));
    chart.add(label(
        "t-blue mid",
        (x(found.difference), 28.0),
        format!("{:+.2}", found.difference),
    ));
    part(
        &heading,
        "Champion minus challenger in bicycles an hour, right of 0 if the challenger is better; 90 % interval.",
        chart.figure(difference_table(&found)),
    )
}

/// Formats a probability of a sample, which is never certain.
fn probability(probability: f64) -> String {
    match probability {
        probability if probability >= 0.995 => "over 99 %".to_owned(),
        probability if probability < 0.005 => "under 1 %".to_owned(),
        probability => format!("{:.0} %", probability * 100.0),
    }
}

fn difference_table(found: &DifferenceBound) -> Table {
    let mut table = Table::new(&[
        "Difference",
        "#5 %",
        "#10 %",
        "#95 %",
        "#Probability",
        "#Days",
    ]);
    table.row(
        format!("{:+.2}", found.difference),
        [
            format!("{:+.2}", found.lower_bound),
            format!("{:+.2}", found.lower_bound_90),
            format!("{:+.2}", found.upper_bound),
            format!("{:.2}", found.probability),
            text::count(found.days as i64),
        ],
    );
    table
}
