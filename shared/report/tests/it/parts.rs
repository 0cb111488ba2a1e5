//! Single parts of the page of a week.

use std::sync::Arc;

use report::week::{WeekPage, render};
use shared::{ports::Ports, store::Condition};

use crate::{
    markup::{Node, parse},
    sample::{FULL, Sample},
    week::{SAMPLES, gathered, small},
};

/// Returns the text of a page of fewer counters.
async fn text_of(sample: Sample) -> String {
    text(&gathered(&small(sample).ports().await).await)
}

fn text(page: &WeekPage) -> String {
    parse(&render(page)).text()
}

/// Returns the texts of the cells of a table, by row.
fn rows(table: &Node) -> Vec<Vec<String>> {
    let all = table.all();
    let rows = all.iter().filter(|node| node.name == "tr");
    rows.map(|row| row.elements().map(Node::text).collect())
        .collect()
}

#[tokio::test]
async fn errors_of_both_models_are_shown_by_hour_or_by_part_of_the_day() {
    let mut page = gathered(&small(FULL).ports().await).await;
    let hours = "The challenger was better in 9 of 24 hours of the day on the fresh holdout";
    assert!(text(&page).contains(hours));
    // An evaluation of an earlier program version.
    let evaluation = page.evaluation.as_mut().unwrap();
    let fresh = evaluation.comparison.fresh.as_mut().unwrap();
    fresh.breakdown.as_mut().unwrap().hours.clear();
    let bands = "The challenger was better in 2 of 3 parts of the day on the fresh holdout";
    assert!(text(&page).contains(bands));
}

#[tokio::test]
async fn error_without_the_correction_is_named_if_it_is_stored() {
    for (sample, is_stored) in [(FULL, true), (SAMPLES[3].1, false)] {
        let text = text_of(sample).await;
        let sentence = "Without the daily correction it would have missed by 12.0.";
        assert_eq!(text.contains(sentence), is_stored, "{text}");
    }
}

#[tokio::test]
async fn table_of_the_drift_has_the_threshold_and_the_score_of_each_week() {
    let page = parse(&render(&gathered(&small(FULL).ports().await).await));
    let all = page.all();
    let section = all.iter().find(|node| node.attribute("id") == "drift");
    let in_section = section.unwrap().all();
    let mut tables = in_section.iter().filter(|node| node.name == "table");
    let rows = rows(tables.nth(1).unwrap());
    let weeks = (17..=28).map(|week| format!("W{week}"));
    let head = ["Column", "Method", "Threshold"].map(str::to_owned);
    assert_eq!(rows[0], head.into_iter().chain(weeks).collect::<Vec<_>>());
    let method = "Wasserstein distance in standard deviations";
    let first = ["mean of day", method, "0.1"].map(str::to_owned);
    let scores = std::iter::repeat_n("0.363".to_owned(), 12);
    assert_eq!(rows[1], first.into_iter().chain(scores).collect::<Vec<_>>());
}

#[tokio::test]
async fn commands_name_the_folder_of_a_local_state() {
    let sample = small(SAMPLES[2].1).ports().await;
    let folder = tempfile::tempdir().unwrap();
    let local = Ports::in_folder(folder.path(), Arc::clone(&sample.clock)).unwrap();
    for path in sample.store.list("").await.unwrap() {
        let bytes = sample.store.read(&path).await.unwrap().bytes;
        let written = local.store.write(&path, bytes, Condition::Always);
        written.await.unwrap();
    }
    let ports = Ports {
        store: local.store,
        ..sample
    };
    let text = text(&gathered(&ports).await);
    let retrain = format!(
        "bike-traffic retrain --quarterly --state {} --dry-run",
        folder.path().display()
    );
    assert!(text.contains(&retrain), "{text}");
}
