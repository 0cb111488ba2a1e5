use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use forecasting::counts::{self, Counter, Counts};
use shared::clock::SimulatedClock;
use tempfile::TempDir;

use super::*;

/// A state with these days, each with a count an hour, and a folder for exports.
struct Place {
    folder: TempDir,
    ports: Ports,
}

impl Place {
    async fn with(days: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap());
        let ports = Ports::in_folder(&folder.path().join("state"), Arc::new(clock)).unwrap();
        let place = Self { folder, ports };
        for text in days {
            place.write(text, 7).await;
        }
        place
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
            fresh: false,
        };
        change(&mut plan);
        export(&self.ports, &plan).await
    }

    /// Returns the name of each file with its number on the disk, which changes when it is written anew.
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

    /// Returns the count of each day as a merge of the folder has it, in which the later name wins.
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

fn only(first: &str, last: &str) -> impl FnOnce(&mut ExportPlan) + use<> {
    let range = (Some(day(first)), Some(day(last)));
    move |plan: &mut ExportPlan| (plan.from, plan.to) = range
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
async fn each_month_is_a_file_with_the_counts_of_its_days() {
    let place = Place::with(&["2021-05-30", "2021-05-31", "2021-06-02"]).await;
    let report = place.export().await;
    assert_eq!(
        (report.rows, report.exported),
        (72, Some((day("2021-05-30"), day("2021-06-02"))))
    );
    assert_eq!(report.months_written, ["2021-05", "2021-06"]);
    let found: Vec<_> = report
        .files
        .iter()
        .map(|file| (file.path.clone(), file.rows, file.is_new))
        .collect();
    assert_eq!(
        found,
        [
            (place.out().join(MAY), 48, true),
            (place.out().join(JUNE), 24, true)
        ]
    );
    assert_eq!(
        days(&found[0].0),
        [("2021-05-30".to_owned(), 24), ("2021-05-31".to_owned(), 24)]
    );
    assert_eq!(days(&found[1].0), [("2021-06-02".to_owned(), 24)]);
}

#[tokio::test]
async fn a_second_export_exports_and_downloads_nothing() {
    let place = Place::with(&["2021-05-31", "2021-06-02"]).await;
    let first = place.export().await;
    let (files, objects) = (place.files(), place.objects().await);
    let second = place.export().await;
    assert_eq!((place.files(), place.objects().await), (files, objects));
    assert_eq!(
        (second.rows, second.months_written.len(), second.months),
        (first.rows, 0, 2)
    );
    assert!(second.files.iter().all(|file| !file.is_new));
}

#[tokio::test]
async fn only_the_month_of_a_day_that_is_new_or_was_replaced_is_exported_again() {
    for changed in ["2021-06-02", "2021-06-03"] {
        let place = Place::with(&["2021-05-31", "2021-06-02"]).await;
        place.export().await;
        let before = place.files();
        place.write(changed, 9).await;
        let report = place.export().await;
        let after = place.files();
        assert_eq!(
            (after[0].clone(), report.months_written),
            (before[0].clone(), vec!["2021-06".to_owned()])
        );
        let june = counts::read_file(&place.out().join(JUNE), &mut Vec::new()).unwrap();
        let of_changed = june.days(day(changed), day(changed));
        assert!(
            of_changed.len() == 24 && of_changed.rows().iter().all(|row| row.count == 9),
            "{changed}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_lost_or_damaged_is_downloaded_again_and_not_exported() {
    let place = Place::with(&["2021-05-31", "2021-06-02"]).await;
    let report = place.export().await;
    let (objects, valid) = (
        place.objects().await,
        fs::read(place.out().join(MAY)).unwrap(),
    );
    fs::remove_file(place.out().join(JUNE)).unwrap();
    let mut damaged = valid.clone();
    *damaged.last_mut().unwrap() = b'X';
    fs::write(place.out().join(MAY), damaged).unwrap();
    let again = place.export().await;
    assert_eq!(
        (
            place.objects().await,
            again.months_written.len(),
            again.rows
        ),
        (objects, 0, report.rows)
    );
    assert_eq!(fs::read(place.out().join(MAY)).unwrap(), valid);
    // As after a kill between a file and the record.
    fs::remove_file(place.out().join("export.json")).unwrap();
    assert_eq!(place.export().await, again);
}

#[tokio::test]
async fn a_month_whose_object_was_deleted_is_exported_again() {
    let place = Place::with(&["2021-05-31", "2021-06-02"]).await;
    place.export().await;
    let may = place.objects().await.into_iter().next().unwrap();
    fs::remove_file(place.folder.path().join("state/objects").join(&may)).unwrap();
    let report = place.export().await;
    assert_eq!(report.months_written, ["2021-05"]);
    assert_eq!((report.rows, place.objects().await.len()), (48, 2));
}

#[tokio::test]
async fn files_of_an_earlier_export_of_more_objects_go_and_others_stay() {
    let place = Place::with(&["2021-05-31"]).await;
    place.export().await;
    // As a service leaves them that splits a month in two.
    let second = "2021-05-counts-000000000001.csv";
    let record = place.out().join("export.json");
    let mut known: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    known[second] = known[MAY].clone();
    fs::write(&record, known.to_string()).unwrap();
    for name in [second, "2021-05-own.csv"] {
        fs::write(place.out().join(name), "").unwrap();
    }
    place.export().await;
    assert_eq!(place.names(), [MAY, "2021-05-own.csv"]);
}

#[tokio::test]
async fn a_fresh_export_does_everything_again() {
    let place = Place::with(&["2021-05-31"]).await;
    place.export().await;
    let before = place.files();
    let report = place.export_as(|plan| plan.fresh = true).await.unwrap();
    assert_eq!(
        (report.months_written.len(), place.objects().await.len()),
        (1, 2)
    );
    assert!(report.files[0].is_new && place.files() != before);
}

#[tokio::test]
async fn the_range_ends_yesterday_unless_told_otherwise() {
    // In Paris it is the second of August.
    let place = Place::with(&["2021-07-31", "2021-08-01", "2021-08-02"]).await;
    let found = place.export().await.exported;
    assert_eq!(found, Some((day("2021-07-31"), day("2021-08-01"))));
    let report = place
        .export_as(only("2021-08-02", "2021-08-02"))
        .await
        .unwrap();
    assert_eq!(
        report.exported,
        Some((day("2021-08-02"), day("2021-08-02")))
    );
    // That of a day that is not over does not stand in for the month.
    assert_eq!(
        place.names()[1..],
        [
            "2021-08-counts-000000000000.csv",
            "2021-08-from-02-to-02-counts-000000000000.csv"
        ]
    );
    let report = place
        .export_as(only("2021-06-01", "2021-06-01"))
        .await
        .unwrap();
    assert_eq!((report.files.len(), report.exported), (0, None));
    assert_eq!(
        report.to_string(),
        "no day from 2021-06-01 to 2021-06-01 has a table: there is nothing to export"
    );
    let error = place
        .export_as(only("2021-08-02", "2021-08-01"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the last day comes before the first"),
        "{error}"
    );
}

#[tokio::test]
async fn a_part_of_a_month_leaves_the_whole_month_as_it_is_until_that_is_exported_again() {
    let place = Place::with(&["2021-05-29", "2021-05-30", "2021-05-31"]).await;
    // All days that there are make the month, whoever asks for them.
    place
        .export_as(only("2021-05-20", "2021-05-31"))
        .await
        .unwrap();
    let whole = place.files();
    assert_eq!(place.names(), [MAY]);

    let part = place
        .export_as(only("2021-05-30", "2021-05-30"))
        .await
        .unwrap();
    assert_eq!(
        (part.rows, part.months_written),
        (24, vec!["2021-05-from-30-to-30".to_owned()])
    );
    assert_eq!((&place.files()[..1], place.files().len()), (&whole[..], 2));
    // Neither were the objects of the month touched.
    assert!(place.export().await.months_written.is_empty());
    assert_eq!(place.files(), whole);

    place.write("2021-05-30", 9).await;
    place
        .export_as(only("2021-05-30", "2021-05-30"))
        .await
        .unwrap();
    let expected = [("2021-05-29", 7), ("2021-05-30", 9), ("2021-05-31", 7)];
    let expected = BTreeMap::from(expected.map(|(day, count)| (day.to_owned(), count)));
    assert_eq!(place.merged(), expected);
    place.export().await;
    assert_eq!(
        (place.names(), place.merged()),
        (vec![MAY.to_owned()], expected)
    );
}

#[tokio::test]
async fn parts_that_overlap_hold_the_same_and_go_with_a_part_that_has_their_days() {
    let place = Place::with(&[
        "2021-05-10",
        "2021-05-11",
        "2021-05-12",
        "2021-05-13",
        "2021-05-14",
    ])
    .await;
    place
        .export_as(only("2021-05-11", "2021-05-13"))
        .await
        .unwrap();
    place.write("2021-05-12", 9).await;
    let report = place
        .export_as(only("2021-05-10", "2021-05-12"))
        .await
        .unwrap();
    assert_eq!(
        (report.rows, report.files.len(), place.names().len()),
        (72, 1, 2)
    );
    assert_eq!(place.merged()["2021-05-12"], 9);
    // A smaller part that is asked for is there, too.
    let report = place
        .export_as(only("2021-05-11", "2021-05-11"))
        .await
        .unwrap();
    assert!(report.files[0].path.exists());
    place
        .export_as(only("2021-05-10", "2021-05-13"))
        .await
        .unwrap();
    assert_eq!(
        place.names(),
        ["2021-05-from-10-to-13-counts-000000000000.csv"]
    );
    assert_eq!(
        place.merged().into_values().collect::<Vec<_>>(),
        [7, 7, 9, 7]
    );
}
