//! The evaluation of the samples, and its scores on the page of the week.

use report::week::{WeekPage, render};
use serde_json::{Value, json};

use crate::{
    markup::{Node, parse},
    sample::{FULL, Sample, scores, week},
};

/// Returns an evaluation as JSON.
pub(crate) fn evaluation(challenger_mae: f64, counters: usize) -> Value {
    let group = |name: String, change: f64| {
        json!({
            "name": name, "rows": 168, "mean_count": 40.5, "share_of_counts": 0.02,
            "champion": { "mae": 12.0, "bias": -1.0, "rmse": 21.5, "r2": 0.875, "share": 0.3 },
            "challenger": {
                "mae": 12.0 * (1.0 + change), "bias": -0.5, "rmse": 20.25, "r2": 0.885, "share": 0.25,
            },
            "seasonal_naive_mae": 17.0,
        })
    };
    let of_counters: Vec<_> = (0..counters)
        .map(|counter| group(format!("{counter} rue"), (counter as f64 - 20.0) / 200.0))
        .collect();
    let bands: Vec<_> = [("0-5 h", -0.01), ("6-9 h", -0.08), ("10-15 h", 0.02)]
        .map(|(name, change)| group(name.to_owned(), change))
        .into();
    let hours: Vec<_> = (0..24)
        .map(|hour| group(format!("{hour} h"), f64::from(hour - 9) / 100.0))
        .collect();
    let of_all = |name: &str| [group(name.to_owned(), -0.03)];
    let breakdown = json!({
        "counters": of_counters, "bands": bands, "hours": hours, "days": of_all("workday"), "levels": of_all("25 to 75"),
    });
    let pair = |champion: f64, challenger: f64| {
        json!({
            "champion": scores(champion, 0.3), "challenger": scores(challenger, 0.2),
            "seasonal_naive": scores(champion * 1.4, 0.5),
        })
    };
    let is_better = challenger_mae < 14.63;
    json!({
        "week": week(),
        "champion": 1,
        "challenger": 2,
        "comparison": {
            "fixed_test": pair(15.4, challenger_mae),
            "fixed_test_living": pair(16.0, challenger_mae + 0.6),
            "fixed_test_breakdown": breakdown,
            "fresh": {
                "scores": pair(11.0, 10.2),
                "living": pair(11.4, 10.6),
                "model_alone": pair(12.5, 11.5),
                "bootstrap_lower_bound": 0.2,
                "bootstrap": {
                    "difference": 0.8, "probability": 0.97, "lower_bound_90": 0.35, "lower_bound": 0.2,
                    "upper_bound": 1.4, "days": 7,
                },
                "breakdown": breakdown,
            },
        },
        "fixed_test_uses": 3,
        "verdicts": {
            "fixed_test": { "promote": is_better, "reason": "more than 5 % lower is required" },
            "guarded": { "promote": true, "reason": "all four conditions are met" },
            "acting": "fixed-test",
        },
    })
}

#[tokio::test]
async fn evaluation_is_shown_with_all_scores_and_the_uses_of_the_fixed_test_set() {
    let sample = Sample {
        counters: 17,
        ..FULL
    };
    let page = WeekPage::gather(&sample.ports().await, week()).await;
    let page = parse(&render(&page.unwrap()));
    let all = page.all();
    let headings: Vec<_> = all.iter().filter(|node| node.name == "h3").collect();
    let uses = "This is evaluation 3 on this fixed test set";
    assert!(headings.iter().any(|node| node.text() == uses));
    let rows: Vec<Vec<_>> = all
        .iter()
        .filter(|node| node.name == "tr")
        .map(|row| row.elements().map(Node::text).collect())
        .collect();
    for (name, model, numbers) in [
        (
            "fixed test set, model alone",
            "champion",
            ["15.40", "27.72", "0.900", "+0.3"],
        ),
        (
            "fixed test set, model alone, living counters",
            "challenger",
            ["14.70", "26.46", "0.900", "+0.2"],
        ),
        (
            "fresh holdout, as served",
            "last week's counts",
            ["15.40", "27.72", "0.900", "+0.5"],
        ),
        (
            "fresh holdout, as served, living counters",
            "champion",
            ["11.40", "20.52", "0.900", "+0.3"],
        ),
        (
            "fresh holdout, model alone",
            "challenger",
            ["11.50", "20.70", "0.900", "+0.2"],
        ),
        ("6-9 h", "champion", ["12.00", "21.50", "0.875", "−1.0"]),
        ("workday", "challenger", ["11.64", "20.25", "0.885", "−0.5"]),
        ("25 to 75", "last week's counts", ["17.00", "–", "–", "–"]),
    ] {
        let row = rows
            .iter()
            .find(|row| row.starts_with(&[name.to_owned(), model.to_owned()]));
        // The number of hours precedes them, and the share of the counts follows.
        assert_eq!(
            row.map(|row| &row[3..7]),
            Some(&numbers.map(str::to_owned)[..]),
            "{name}"
        );
    }
}
