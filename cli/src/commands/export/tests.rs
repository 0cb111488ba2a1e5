use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use forecasting::counts::{self, Counter, Counts};
use shared::{address::ObjectPath, clock::SimulatedClock, store::Condition};
use tempfile::TempDir;

use super::*;

mod ranges;

/// A local state with counts of some days, and an output folder for exports.
struct Fixture {
    folder: TempDir,
    ports: Ports,
}

impl Fixture {
    async fn with(days: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap());
        let ports = Ports::in_folder(&folder.path().join("state"), Arc::new(clock)).unwrap();
        let fixture = Self { folder, ports };
        for text in days {
            fixture.write(text, 7).await;
        }
        fixture
    }

    async fn write(&self, text: &str, count: u32) {
        let (day, mut counts) = (day(text), Counts::default());
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai d'Orsay, E-O".to_owned(),
            coordinates: None,
        });
        day.hours().for_each(|hour| counts.push(quai, hour, count));
        self.ports
            .warehouse
            .replace_counts(day, &counts, day.plus(1).at(6))
            .await
            .unwrap();
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    async fn export(&self) -> ExportReport {
        self.export_as(|_| ()).await.unwrap()
    }

    async fn export_as(
        &self,
        change: impl FnOnce(&mut ExportPlan),
    ) -> anyhow::Result<ExportReport> {
        let mut plan = ExportPlan {
            from: None,
            to: None,
            out: self.out(),
            format: ExportFormat::Csv,
            fresh: false,
        };
        change(&mut plan);
        export(&self.ports, &plan).await
    }

    /// Returns the name and the inode of each file. The inode changes when the file is rewritten.
    fn files(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.out()).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    entry.metadata().unwrap().ino(),
                )
            })
            .filter(|(name, _)| name.ends_with(".csv"))
            .collect();
        files.sort();
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    /// Returns the count of each day after a merge of the folder, in which the later name wins.
    fn merged(&self) -> BTreeMap<String, u32> {
        let mut merged = BTreeMap::new();
        for name in self.names() {
            let counts = counts::read_file(&self.out().join(name), &mut Vec::new()).unwrap();
            merged.extend(
                counts
                    .rows()
                    .iter()
                    .map(|row| (row.hour.day().to_string(), row.count)),
            );
        }
        merged
    }

    async fn objects(&self) -> Vec<String> {
        let listed = self.ports.store.list("exports/").await.unwrap();
        listed
            .iter()
            .map(|path| path.to_string())
            .filter(|path| path.ends_with(".csv"))
            .collect()
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn days(file: &Path) -> Vec<(String, usize)> {
    let rows = counts::read_file(file, &mut Vec::new())
        .unwrap()
        .rows_per_day();
    rows.into_iter()
        .map(|(day, rows)| (day.to_string(), rows))
        .collect()
}

const MAY: &str = "2021-05-counts-000000000000.csv";
const JUNE: &str = "2021-06-counts-000000000000.csv";

#[tokio::test]
async fn each_month_is_exported_to_a_file_with_its_counts() {
    let fixture = Fixture::with(&["2021-05-30", "2021-05-31", "2021-06-02"]).await;
    let report = fixture.export().await;
    assert_eq!(
        (report.rows, report.exported),
        (72, Some((day("2021-05-30"), day("2021-06-02"))))
    );
    assert_eq!(report.months_written, ["2021-05", "2021-06"]);
    let exported: Vec<_> = report
        .files
        .iter()
        .map(|file| (file.path.clone(), file.rows, file.is_new))
        .collect();
    assert_eq!(
        exported,
        [
            (fixture.out().join(MAY), 48, true),
            (fixture.out().join(JUNE), 24, true)
        ]
    );
    assert_eq!(
        days(&exported[0].0),
        [("2021-05-30".to_owned(), 24), ("2021-05-31".to_owned(), 24)]
    );
    assert_eq!(days(&exported[1].0), [("2021-06-02".to_owned(), 24)]);
}

#[tokio::test]
async fn second_export_writes_and_downloads_nothing() {
    let fixture = Fixture::with(&["2021-05-31", "2021-06-02"]).await;
    let first = fixture.export().await;
    let (files, objects) = (fixture.files(), fixture.objects().await);
    let second = fixture.export().await;
    assert_eq!((fixture.files(), fixture.objects().await), (files, objects));
    assert_eq!(
        (second.rows, second.months_written.len(), second.months),
        (first.rows, 0, 2)
    );
    assert!(second.files.iter().all(|file| !file.is_new));
}

#[tokio::test]
async fn only_months_with_new_or_replaced_days_are_exported_again() {
    for changed in ["2021-06-02", "2021-06-03"] {
        let fixture = Fixture::with(&["2021-05-31", "2021-06-02"]).await;
        fixture.export().await;
        let before = fixture.files();
        fixture.write(changed, 9).await;
        let report = fixture.export().await;
        let after = fixture.files();
        assert_eq!(
            (after[0].clone(), report.months_written),
            (before[0].clone(), vec!["2021-06".to_owned()])
        );
        let june = counts::read_file(&fixture.out().join(JUNE), &mut Vec::new()).unwrap();
        let of_changed = june.days(day(changed), day(changed));
        assert!(
            of_changed.len() == 24 && of_changed.rows().iter().all(|row| row.count == 9),
            "{changed}"
        );
    }
}

#[tokio::test]
async fn missing_or_corrupt_file_is_downloaded_again_without_a_new_export() {
    let fixture = Fixture::with(&["2021-05-31", "2021-06-02"]).await;
    let report = fixture.export().await;
    let (objects, valid) = (
        fixture.objects().await,
        fs::read(fixture.out().join(MAY)).unwrap(),
    );
    fs::remove_file(fixture.out().join(JUNE)).unwrap();
    let mut damaged = valid.clone();
    *damaged.last_mut().unwrap() = b'X';
    fs::write(fixture.out().join(MAY), damaged).unwrap();
    let again = fixture.export().await;
    assert_eq!(
        (
            fixture.objects().await,
            again.months_written.len(),
            again.rows
        ),
        (objects, 0, report.rows)
    );
    assert_eq!(fs::read(fixture.out().join(MAY)).unwrap(), valid);
    // Simulates a process killed between writing a file and its record.
    fs::remove_file(fixture.out().join("export.json")).unwrap();
    assert_eq!(fixture.export().await, again);
}

#[tokio::test]
async fn month_with_deleted_object_is_exported_again() {
    let fixture = Fixture::with(&["2021-05-31", "2021-06-02"]).await;
    fixture.export().await;
    let may = fixture.objects().await.into_iter().next().unwrap();
    fs::remove_file(fixture.folder.path().join("state/objects").join(&may)).unwrap();
    let report = fixture.export().await;
    assert_eq!(report.months_written, ["2021-05"]);
    assert_eq!((report.rows, fixture.objects().await.len()), (48, 2));
}

#[tokio::test]
async fn stale_files_of_a_month_are_removed_and_unknown_files_are_kept() {
    let fixture = Fixture::with(&["2021-05-31"]).await;
    fixture.export().await;
    // Simulates an earlier export that split the month into two objects.
    let second = "2021-05-counts-000000000001.csv";
    let record = fixture.out().join("export.json");
    let mut known: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    known[second] = known[MAY].clone();
    fs::write(&record, known.to_string()).unwrap();
    for name in [second, "2021-05-own.csv"] {
        fs::write(fixture.out().join(name), "").unwrap();
    }
    fixture.export().await;
    assert_eq!(fixture.names(), [MAY, "2021-05-own.csv"]);
}

#[tokio::test]
async fn fresh_export_ignores_existing_objects_and_files() {
    let fixture = Fixture::with(&["2021-05-31"]).await;
    fixture.export().await;
    let before = fixture.files();
    let report = fixture.export_as(|plan| plan.fresh = true).await.unwrap();
    assert_eq!(
        (report.months_written.len(), fixture.objects().await.len()),
        (1, 2)
    );
    assert!(report.files[0].is_new && fixture.files() != before);
}

#[tokio::test]
async fn local_state_refuses_parquet_and_keeps_its_files() {
    let fixture = Fixture::with(&["2021-05-31"]).await;
    fixture.export().await;
    let parquet = fixture.export_as(|plan| plan.format = ExportFormat::Parquet);
    let error = format!("{:#}", parquet.await.unwrap_err());
    assert!(error.contains("export without --format parquet"), "{error}");
    assert_eq!(fixture.names(), [MAY]);
}

#[tokio::test]
async fn parquet_file_replaces_that_of_csv() {
    let fixture = Fixture::with(&["2021-05-31"]).await;
    fixture.export().await;
    let counts = tables::Values::Number(vec![Some(7.0); 3]);
    let mut contents = Vec::new();
    tables::write_parquet(vec![("comptage_horaire".to_owned(), counts)], &mut contents).unwrap();
    let object: ObjectPath = "exports/2021-05/a/counts-000000000000.parquet"
        .parse()
        .unwrap();
    let (store, warehouse) = (&*fixture.ports.store, &fixture.ports.warehouse);
    let written = store.write(&object, contents.clone().into(), Condition::Always);
    written.await.unwrap();

    let range = (day("2021-05-01"), day("2021-05-31"));
    let versions = warehouse.table_versions(range.0, range.1).await.unwrap();
    let months = Month::of_range(&versions, range, day("2021-08-01"));
    let mut files = Files::open(&fixture.out()).unwrap();
    let exported = files.update(store, &months[0], &[object]).await.unwrap();
    let path = fixture.out().join("2021-05-counts-000000000000.parquet");
    assert_eq!((&exported[0].path, exported[0].rows), (&path, 3));
    assert_eq!(fs::read(path).unwrap(), contents);
    assert!(fixture.names().is_empty());
}
