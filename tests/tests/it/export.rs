//! Exports that are interrupted and run again.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use cli::commands::export::{ExportPlan, ExportReport, export};
use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use shared::{clock::SimulatedClock, ports::Ports, warehouse::ExportFormat};
use tests::failing::{Fault, Faults};

const STEPS: usize = 16;

async fn ports() -> Ports {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
        "2021-08-02T09:30:00Z".parse().unwrap(),
    )));
    for text in ["2021-05-31", "2021-06-01", "2021-07-31"] {
        let (day, mut counts) = (text.parse::<Day>().unwrap(), Counts::default());
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        day.hours().for_each(|hour| counts.push(quai, hour, 7));
        ports
            .warehouse
            .replace_counts(day, &counts, day.plus(1).at(6))
            .await
            .unwrap();
    }
    ports
}

async fn export_to(ports: &Ports, out: &Path) -> anyhow::Result<ExportReport> {
    export(
        ports,
        &ExportPlan {
            from: None,
            to: None,
            out: out.to_owned(),
            format: ExportFormat::Csv,
            fresh: false,
        },
    )
    .await
}

/// Returns the files except `export.json`, whose object names differ between attempts.
fn files(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(out).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    };
    entries
        .map(file)
        .filter(|(name, _)| name != "export.json")
        .collect()
}

/// If this order changes, check that an interrupted export can still be resumed.
#[tokio::test]
async fn export_looks_up_versions_then_exports_each_month() {
    let (faults, out) = (Arc::new(Faults::default()), tempfile::tempdir().unwrap());
    export_to(&faults.wrap(&ports().await), out.path())
        .await
        .unwrap();
    let calls = faults.calls();
    assert_eq!((calls.len(), calls[0].as_str()), (STEPS, "look for counts"));
    for (month, calls) in ["2021-05", "2021-06", "2021-07"]
        .iter()
        .zip(calls[1..].chunks(5))
    {
        let [looked_up, exported, object, recorded, downloaded] = calls else {
            panic!("{calls:?}")
        };
        let record = format!("exports/{month}/export.json");
        assert_eq!(
            (looked_up, exported.as_str()),
            (&format!("read {record}"), "export counts")
        );
        assert!(
            object.starts_with(&format!("write exports/{month}/2021-08-02T09-30-00Z-")),
            "{object}"
        );
        assert_eq!(
            (recorded, downloaded),
            (
                &format!("write {record}"),
                &object.replacen("write", "read", 1)
            )
        );
    }
}

#[tokio::test]
async fn export_interrupted_at_any_step_is_completed_by_the_next_run() {
    let reference = tempfile::tempdir().unwrap();
    let expected = export_to(&ports().await, reference.path()).await.unwrap();
    for fault in [Fault::Outage, Fault::ResponseLost] {
        for step in 0..STEPS {
            let (ports, faults) = (ports().await, Arc::new(Faults::default()));
            let (failing, out) = (faults.wrap(&ports), tempfile::tempdir().unwrap());
            faults.plan(step, fault);
            export_to(&failing, out.path()).await.unwrap_err();
            let failed_call = faults.calls()[step].clone();
            faults.lift();
            let report = export_to(&failing, out.path()).await.unwrap();
            assert_eq!(
                (report.rows, report.exported),
                (expected.rows, expected.exported),
                "{failed_call}"
            );
            assert_eq!(files(out.path()), files(reference.path()), "{failed_call}");
            // Steps completed before the failure are not repeated.
            let exports = faults
                .calls()
                .iter()
                .filter(|call| *call == "export counts")
                .count();
            assert!(exports <= 4, "{failed_call}: {:?}", faults.calls());
        }
    }
}
