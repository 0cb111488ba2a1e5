//! Exports of counts from BigQuery through a bucket into local files.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use cli::commands::{
    export::{ExportPlan, ExportReport, export},
    set_up,
};
use forecasting::{
    counts::{self, Coordinates, Counter, Counts},
    time::{Day, Hour},
};
use google_cloud::{BigQueryWarehouse, GcsStore};
use shared::{
    clock::{Clock, SimulatedClock},
    ports::Ports,
    warehouse::ExportFormat,
};

use crate::place;

#[tokio::test]
async fn export_writes_only_changed_months() {
    let (ports, folder) = (ports().await, tempfile::tempdir().unwrap());
    let days = ["2021-05-30", "2021-05-31", "2021-06-02"].map(|text| text.parse::<Day>().unwrap());
    for day in days {
        write(&ports, day, 7).await;
    }
    let first = export_to(&ports, folder.path()).await;
    assert_eq!(
        (first.rows, first.exported),
        (3 * 48, Some((days[0], days[2])))
    );
    assert_eq!(
        read(&first),
        days.iter()
            .flat_map(|day| rows(&counts_of(*day, 7)))
            .collect::<Vec<_>>()
    );
    let objects = ports.store.list("exports/").await.unwrap();

    let second = export_to(&ports, folder.path()).await;
    assert_eq!(ports.store.list("exports/").await.unwrap(), objects);
    assert!(
        second.months_written.is_empty() && second.files.iter().all(|file| !file.is_new),
        "{second:?}"
    );

    write(&ports, days[2], 9).await;
    let third = export_to(&ports, folder.path()).await;
    let are_new: Vec<_> = third.files.iter().map(|file| file.is_new).collect();
    assert_eq!(
        (third.months_written.clone(), are_new),
        (vec!["2021-06".to_owned()], vec![false, true])
    );
    assert_eq!(read(&third)[96..], rows(&counts_of(days[2], 9)));
}

#[tokio::test]
async fn parquet_export_has_the_same_counts_as_csv() {
    let (ports, folder) = (ports().await, tempfile::tempdir().unwrap());
    for text in ["2021-05-30", "2021-05-31"] {
        write(&ports, text.parse().unwrap(), 7).await;
    }
    let csv = export_to(&ports, folder.path()).await;
    let expected = read(&csv);
    let parquet = export_as(&ports, folder.path(), ExportFormat::Parquet).await;
    assert_eq!((parquet.rows, parquet.months_written.len()), (csv.rows, 1));
    assert_eq!(read(&parquet), expected);
    let names = fs::read_dir(folder.path().join("out")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let csv_files = names.filter(|name| name.ends_with(".csv"));
    assert_eq!(csv_files.count(), 0);
    let again = export_as(&ports, folder.path(), ExportFormat::Parquet).await;
    assert!(again.months_written.is_empty() && !again.files[0].is_new);
}

async fn ports() -> Ports {
    let (project, bucket, cloud) = (place::project(), place::bucket(), place::cloud());
    set_up::bucket(&project, &bucket, &cloud).await.unwrap();
    set_up::tables(&project, &cloud).await.unwrap();
    let clock: Arc<dyn Clock> =
        Arc::new(SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap()));
    Ports {
        store: Arc::new(GcsStore::open(&bucket, &cloud).await.unwrap()),
        warehouse: Arc::new(BigQueryWarehouse::open(&project, &cloud).await.unwrap()),
        ..Ports::in_memory(clock)
    }
}

async fn export_to(ports: &Ports, folder: &Path) -> ExportReport {
    export_as(ports, folder, ExportFormat::Csv).await
}

async fn export_as(ports: &Ports, folder: &Path, format: ExportFormat) -> ExportReport {
    let plan = ExportPlan {
        from: None,
        to: None,
        out: folder.join("out"),
        format,
        fresh: false,
    };
    export(ports, &plan).await.unwrap()
}

async fn write(ports: &Ports, day: Day, count: u32) {
    ports
        .warehouse
        .replace_counts(day, &counts_of(day, count), day.plus(1).at(6))
        .await
        .unwrap();
}

/// Returns a day of two counters. One has neither id nor coordinates and a name that needs quotes.
fn counts_of(day: Day, count: u32) -> Counts {
    let mut counts = Counts::default();
    let coordinates = Coordinates::new(48.846_028, 2.375_429);
    let bercy = counts.intern(Counter {
        id: Some("1".to_owned()),
        name: "Bercy".to_owned(),
        coordinates,
    });
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
        coordinates: None,
    });
    for hour in day.hours() {
        counts.push(bercy, hour, count);
        counts.push(quai, hour, 0);
    }
    counts
}

/// Reads the rows of all files of an export.
fn read(report: &ExportReport) -> Vec<(Hour, String, u32)> {
    let mut rejects = Vec::new();
    let counts = report.files.iter().map(|file| {
        let is_parquet = file
            .path
            .extension()
            .is_some_and(|ending| ending == "parquet");
        if !is_parquet {
            return counts::read_file(&file.path, &mut rejects).unwrap();
        }
        let csv = tables::parquet_as_csv(File::open(&file.path).unwrap()).unwrap();
        counts::read(&csv[..], &mut rejects).unwrap()
    });
    let rows = counts.flat_map(|counts| rows(&counts)).collect();
    assert!(rejects.is_empty(), "{rejects:?}");
    rows
}

fn rows(counts: &Counts) -> Vec<(Hour, String, u32)> {
    let rows = counts.rows().iter();
    rows.map(|row| {
        (
            row.hour,
            format!("{:?}", counts.counter(row.counter)),
            row.count,
        )
    })
    .collect()
}
