//! The on-call page and the page of a month, of the same generated weeks.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use jiff::SignedDuration;
use report::{
    index::{self, IndexPage},
    month::{self, Month, MonthPage},
};
use shared::{
    audit::AuditEntry,
    clock::SimulatedClock,
    event::{EventId, Function},
    ledger::{Claim, Ledger},
    ports::Ports,
    registry::{Operator, Promotion, Run, Version},
    store::Condition,
};

use crate::{
    markup::{Node, parse},
    sample::{FULL, Fate, Sample, record, week},
};

/// Returns a state with a promotion, a refusal, a dead letter and a silent counter, on the Monday
/// after the last week.
async fn ports() -> Ports {
    let monday = week().last_day().plus(1);
    let sample = Sample {
        has_faults: true,
        fate: Fate::Refused,
        ..FULL
    };
    let ports = Ports {
        clock: Arc::new(SimulatedClock::new(monday.at(9))),
        ..sample.ports().await
    };
    register(&ports).await;
    for day in monday.plus(-35).through(monday.plus(-1)) {
        let id = || EventId::of(Function::Ingest, day);
        let at = day.plus(1).at(6);
        let ingested = AuditEntry::new("ingested", "1344 counts of 56 counters");
        record(&ports, Function::Ingest, id(), ingested, at).await;
        if day != monday.plus(-4) {
            let forecast = AuditEntry::new("forecast", "1344 forecasts by version 1");
            record(&ports, Function::Predict, id(), forecast, at).await;
        }
    }
    let before = week().first_day().plus(-7).week();
    let promoted = AuditEntry {
        champion_version: Some(Version::new(2)),
        challenger_version: Some(Version::new(2)),
        ..AuditEntry::new("promoted", "the error on the fixed test set is 6 % lower")
    };
    let id = EventId::of(Function::Evaluate, before);
    let at = week().first_day().at(8);
    record(&ports, Function::Promote, id, promoted, at).await;
    dead_letter(&ports).await;
    for week in [before, week()] {
        let path = report::week_path(week);
        let written = ports.store.write(&path, "".into(), Condition::Always);
        written.await.unwrap();
    }
    ports
}

async fn register(ports: &Ports) {
    for name in ["champion-1", "fine-tune-2", "fine-tune-3"] {
        let run = Run::new(name.parse().unwrap(), week().first_day().at(0));
        ports.registry.register(&run).await.unwrap();
    }
    let operator = Operator::named("tests");
    for (from, to) in [(None, 1), (Some(Version::new(1)), 2)] {
        let promotion = Promotion::by_operator(&operator, from, Version::new(to));
        let _ = ports.registry.promote(&promotion).await.unwrap();
    }
}

async fn dead_letter(ports: &Ports) {
    let failed = week().last_day().plus(-2).at(6);
    let day = week().last_day().plus(-3);
    let lease = SignedDuration::from_secs(60);
    let ledger = Ledger::new(Arc::clone(&ports.store), Function::Predict, lease);
    let id = EventId::of(Function::Ingest, day);
    let Claim::Acquired(lease) = ledger.claim(&id, failed).await.unwrap() else {
        panic!("the event is new")
    };
    let reason = "the champion <version 2> cannot be read & the message is dead";
    ledger
        .dead_letter(&lease, failed, reason, "")
        .await
        .unwrap();
}

/// Returns both pages, with the names of their files.
async fn pages() -> [(&'static str, String); 2] {
    let ports = ports().await;
    let month = Month::of(week().last_day());
    [
        (
            "index",
            index::render(&IndexPage::gather(&ports).await.unwrap()),
        ),
        (
            "month",
            month::render(&MonthPage::gather(&ports, month).await.unwrap()),
        ),
    ]
}

#[tokio::test]
async fn pages_are_written_for_a_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pages");
    fs::create_dir_all(&folder).unwrap();
    for (name, page) in pages().await {
        assert!(page.len() < 300_000, "{name} has {} bytes", page.len());
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
}

#[tokio::test]
async fn pages_are_well_formed_and_every_chart_has_a_text_alternative() {
    for (name, page) in pages().await {
        let root = parse(&page);
        let all = root.all();
        let mut ids = BTreeSet::new();
        for node in &all {
            let id = node.attribute("id");
            assert!(id.is_empty() || ids.insert(id), "{name}: {id} is twice");
        }
        let is_chart = |node: &&&Node| node.name == "svg" && node.attribute("role") == "img";
        let charts: Vec<_> = all.iter().filter(is_chart).collect();
        assert!(!charts.is_empty(), "{name}");
        for chart in charts {
            for id in chart.attribute("aria-labelledby").split(' ') {
                assert!(ids.contains(id), "{name}: {id}");
            }
        }
        let tables = all.iter().filter(|node| node.name == "table");
        assert!(tables.count() >= 2, "{name}");
        for reference in ["http:", "https:", "url(", "@import", "<script", " src="] {
            assert!(!page.contains(reference), "{name}: {reference}");
        }
    }
}
