//! An export that is stopped at any step and run again ends with the same files.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use cli::commands::export::{ExportPlan, ExportReport, export};
use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use shared::{clock::SimulatedClock, ports::Ports};
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
            fresh: false,
        },
    )
    .await
}

/// Returns the files but for the record, which names objects of different attempts.
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

/// If this changes, look whether the order of the steps is still the one that repairs itself.
#[tokio::test]
async fn the_steps_of_an_export_are_versions_then_objects_record_file_of_each_month() {
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
        let [asked, exported, object, recorded, downloaded] = calls else {
            panic!("{calls:?}")
        };
        let record = format!("exports/{month}/export.json");
        assert_eq!(
            (asked, exported.as_str()),
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
async fn an_export_that_is_stopped_at_any_step_is_finished_by_the_next() {
    let reference = tempfile::tempdir().unwrap();
    let whole = export_to(&ports().await, reference.path()).await.unwrap();
    for fault in [Fault::Outage, Fault::AnswerLost] {
        for step in 0..STEPS {
            let (ports, faults) = (ports().await, Arc::new(Faults::default()));
            let (failing, out) = (faults.wrap(&ports), tempfile::tempdir().unwrap());
            faults.plan(step, fault);
            export_to(&failing, out.path()).await.unwrap_err();
            let stopped_at = faults.calls()[step].clone();
            faults.lift();
            let report = export_to(&failing, out.path()).await.unwrap();
            assert_eq!(
                (report.rows, report.exported),
                (whole.rows, whole.exported),
                "{stopped_at}"
            );
            assert_eq!(files(out.path()), files(reference.path()), "{stopped_at}");
            // What was done before the step is not done again.
            let exports = faults
                .calls()
                .iter()
                .filter(|call| *call == "export counts")
                .count();
            assert!(exports <= 4, "{stopped_at}: {:?}", faults.calls());
        }
    }
}
