//! The page of a week.

use std::{collections::BTreeSet, fs, path::Path};

use report::week::{BandSource, WeekPage, path, render};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    event::{EventId, Function},
    ports::Ports,
    registry::{Run, Version},
    store::{Condition, write_json},
    week_report,
};

use crate::{
    markup::{Node, parse},
    sample::{FULL, Fate, Sample, record, scores, week},
};

/// The samples, with the names of their pages.
pub(crate) const SAMPLES: [(&str, Sample); 6] = [
    ("promoted", FULL),
    (
        "refused",
        Sample {
            fate: Fate::Refused,
            ..FULL
        },
    ),
    (
        "silent-counter",
        Sample {
            has_faults: true,
            fate: Fate::NoChallenger,
            mae: 21.0,
            ..FULL
        },
    ),
    (
        "older-report",
        Sample {
            is_older: true,
            fate: Fate::NoChallenger,
            ..FULL
        },
    ),
    (
        "first-week",
        Sample {
            earlier: 0,
            counters: 3,
            fate: Fate::NoChallenger,
            ..FULL
        },
    ),
    (
        "without-forecasts",
        Sample {
            has_forecasts: false,
            fate: Fate::NoChallenger,
            counters: 3,
            ..FULL
        },
    ),
];

pub(crate) async fn gathered(ports: &Ports) -> WeekPage {
    WeekPage::gather(ports, week()).await.unwrap()
}

async fn rendered(sample: Sample) -> String {
    render(&gathered(&sample.ports().await).await)
}

/// Returns a sample with fewer counters, which is faster. It has as many sections.
pub(crate) fn small(sample: Sample) -> Sample {
    Sample {
        counters: sample.counters.min(17),
        ..sample
    }
}

/// Returns the pictures that are in no other picture.
fn pictures(node: &Node) -> Vec<&Node> {
    if node.name == "svg" {
        return vec![node];
    }
    node.elements().flat_map(pictures).collect()
}

fn headings(page: &Node) -> Vec<String> {
    let all = page.all();
    let headings = all
        .iter()
        .filter(|node| node.name == "h1" || node.name == "h2");
    headings.map(|node| node.text()).collect()
}

#[tokio::test]
async fn pages_are_written_for_a_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pages");
    fs::create_dir_all(&folder).unwrap();
    for (name, sample) in SAMPLES {
        let page = rendered(sample).await;
        parse(&page);
        assert!(page.len() < 300_000, "{name} has {} bytes", page.len());
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
}

#[tokio::test]
async fn page_requests_nothing_and_runs_nothing() {
    for (name, sample) in SAMPLES {
        let page = rendered(small(sample)).await;
        for reference in ["http:", "https:", "url(", "@import", "<script", " src="] {
            assert!(!page.contains(reference), "{name}: {reference}");
        }
        let root = parse(&page);
        for node in root.all() {
            let href = node.attribute("href");
            let is_local = href.is_empty() || href.starts_with("../") || href == "data:,";
            assert!(is_local, "{name}: {href}");
            let has_handler = node.attributes.keys().any(|name| name.starts_with("on"));
            assert!(!has_handler, "{name}: {node:?}");
        }
    }
}

#[tokio::test]
async fn each_chart_has_a_text_alternative_and_a_table() {
    for (name, sample) in SAMPLES {
        let page = parse(&rendered(small(sample)).await);
        for picture in pictures(&page) {
            if picture.attribute("aria-hidden") == "true" {
                continue;
            }
            assert_eq!(picture.attribute("role"), "img", "{name}: {picture:?}");
            let title = picture.elements().next().unwrap();
            assert_eq!(title.name, "title", "{name}: {picture:?}");
            assert!(!title.text().is_empty(), "{name}");
        }
        for parent in page.all() {
            let elements: Vec<_> = parent.elements().collect();
            for (at, figure) in elements.iter().enumerate() {
                if figure.attribute("class").starts_with("plot") {
                    let next = elements[at + 1];
                    let tables = next
                        .all()
                        .iter()
                        .filter(|node| node.name == "table")
                        .count();
                    assert_eq!((next.name.as_str(), tables), ("details", 1), "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn ids_are_unique_and_references_to_them_exist() {
    for (name, sample) in SAMPLES {
        let page = parse(&rendered(small(sample)).await);
        let all = page.all();
        let ids: Vec<_> = all
            .iter()
            .map(|node| node.attribute("id"))
            .filter(|id| !id.is_empty())
            .collect();
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "{name}: {ids:?}");
        for id in all
            .iter()
            .flat_map(|node| node.attribute("aria-labelledby").split_whitespace())
        {
            assert!(distinct.contains(id), "{name}: {id}");
        }
    }
}

#[tokio::test]
async fn verdict_says_what_happened() {
    for (sample, expected) in [
        (
            FULL,
            "The forecast was good, 33 % better than repeating last week. 4 of 8 columns drifted. \
             Version 2 replaced version 1.",
        ),
        (
            SAMPLES[1].1,
            "The forecast was good, 33 % better than repeating last week. 4 of 8 columns drifted. \
             Version 2 was not good enough, so version 1 stays champion.",
        ),
        (
            SAMPLES[2].1,
            "The forecast was far worse than allowed, though 33 % better than repeating last week. 4 of 8 \
             columns drifted. A challenger is about to be trained.",
        ),
        (
            SAMPLES[3].1,
            "The forecast was good. 4 of 8 columns drifted. A challenger is about to be trained.",
        ),
        (
            SAMPLES[5].1,
            "No forecast can be compared with a count. 4 of 8 columns drifted. A challenger is about to be \
             trained.",
        ),
    ] {
        let page = parse(&rendered(small(sample)).await);
        assert_eq!(headings(&page)[0], expected);
    }
}

#[tokio::test]
async fn faults_are_shown_with_what_to_do() {
    let ports = small(SAMPLES[2].1).ports().await;
    let gathered = gathered(&ports).await;
    let missing = gathered
        .traffic
        .city
        .iter()
        .filter(|hour| hour.counted.is_none());
    assert_eq!(missing.count(), 6);
    let silent: Vec<_> = gathered
        .traffic
        .counters
        .iter()
        .filter(|counter| counter.silent_hours > 0)
        .map(|counter| (counter.silent_hours, counter.missing_hours))
        .collect();
    // The counter is silent for the week, of which six hours are missing.
    assert_eq!(silent, [(162, 6)]);
    let page = render(&gathered);
    let retrain = "bike-traffic retrain --quarterly --dry-run";
    assert!(parse(&page).text().contains(retrain), "{page}");
    for text in [
        "2 rue &lt;de&gt; l&#39;Exemple &amp; Fils S-N has counted nothing but zeros",
        "6 hours without counts of most counters",
        ">holiday</text>",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn interval_of_the_city_needs_past_errors() {
    let page = gathered(&FULL.ports().await).await;
    assert_eq!(page.traffic.band, BandSource::PastErrors { days: 28 });
    let hours: Vec<_> = page
        .traffic
        .city
        .iter()
        .filter_map(|hour| hour.interval.zip(hour.forecast))
        .collect();
    assert_eq!(hours.len(), 168);
    // The sum of 56 counters with independent errors is far more certain than one counter.
    for ((low, high), forecast) in hours {
        assert!(low > 0.8 * forecast && high < 1.2 * forecast && low < high);
    }
}

#[tokio::test]
async fn page_depends_on_stored_objects_up_to_its_week_only() {
    let ports = small(FULL).ports().await;
    let before = render(&gathered(&ports).await);
    assert_eq!(render(&gathered(&ports).await), before);
    let next = week().first_day().plus(7).week();
    write_json(
        &*ports.store,
        &week_report::path(next),
        &json!({}),
        Condition::Always,
    )
    .await
    .unwrap();
    let entry = AuditEntry {
        champion_version: Some(Version::new(1)),
        ..AuditEntry::new("rolled-back", "requested by an operator")
    };
    let id = EventId::of(Function::Promote, "rollback-2021-07-21T05-00-00Z");
    let at = "2021-07-21T05:00:00Z".parse().unwrap();
    record(&ports, Function::Promote, id, entry, at).await;
    assert_eq!(render(&gathered(&ports).await), before);
}

#[tokio::test]
async fn repeated_judgement_replaces_the_first() {
    let ports = small(FULL).ports().await;
    let (mut report, _) =
        shared::store::read_json::<serde_json::Value>(&*ports.store, &week_report::path(week()))
            .await
            .unwrap();
    report["days_with_counts"] = json!(5);
    let again = format!("{}@2021-07-20T05-00-00Z", week());
    write_json(
        &*ports.store,
        &week_report::path(&again),
        &report,
        Condition::Always,
    )
    .await
    .unwrap();
    let page = gathered(&ports).await;
    assert_eq!((page.subject, page.report.days_with_counts), (again, 5));
    // The evaluation belongs to the first judgement.
    assert!(page.evaluation.is_none());
}

#[tokio::test]
async fn week_without_report_is_an_error_with_a_command() {
    let error = WeekPage::gather(&small(FULL).ports().await, "2021-W40".parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("bike-traffic drift-check --week 2021-W40"),
        "{error}"
    );
    assert_eq!(path(week()).as_str(), "reports/week/2021-W28.html");
}

#[tokio::test]
async fn decision_that_is_not_recorded_yet_is_shown() {
    let page = gathered(&small(SAMPLES[3].1).ports().await).await;
    let entry = AuditEntry {
        champion_version: Some(Version::new(7)),
        challenger_version: Some(Version::new(7)),
        ..AuditEntry::new("promoted", "a reason")
    };
    let page = parse(&render(&page.with_step(Function::Promote, &entry)));
    let verdict = &headings(&page)[0];
    assert!(
        verdict.ends_with("Version 7 replaced version 1."),
        "{verdict}"
    );
}

/// The snapshot is the page without its style sheet, with one element in each line.
#[tokio::test]
async fn page_of_two_counters_is_unchanged() {
    let sample = Sample {
        counters: 2,
        earlier: 1,
        ..FULL
    };
    let page = rendered(sample).await;
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let page = format!("{head}{body}").replace("><", ">\n<");
    insta::assert_snapshot!("page_of_two_counters", page);
}

/// The card of a champion has the scores of its training. The first weeks have no evaluation.
#[tokio::test]
async fn scores_on_the_fixed_test_set_come_from_the_card_without_an_evaluation() {
    let sample = Sample {
        earlier: 0,
        counters: 3,
        fate: Fate::NoChallenger,
        ..FULL
    };
    let ports = sample.ports().await;
    assert_eq!(gathered(&ports).await.test, None);
    let mut run = Run::new("champion-1".parse().unwrap(), week().first_day().at(0));
    run.metrics.insert("test_mae_naive".to_owned(), 22.0);
    ports.registry.register(&run).await.unwrap();
    assert_eq!(gathered(&ports).await.test, None);
    let card = json!({ "model_type": "xgboost", "test_scores": scores(15.5, -3.0) });
    let path = run.artifacts.join("card.json");
    write_json(&*ports.store, &path, &card, Condition::Always)
        .await
        .unwrap();
    let test = gathered(&ports).await.test.unwrap();
    assert_eq!((test.champion.mae, test.champion.bias), (15.5, Some(-3.0)));
    assert_eq!(test.seasonal_naive_mae, Some(22.0));
}
