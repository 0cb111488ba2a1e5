//! Drift of real counts of Paris compared with recorded results of Evidently.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;
use forecasting::drift::{self, Column};
use jiff::{
    Timestamp,
    civil::{Date, Weekday},
};
use serde::Deserialize;

use super::ExpectedDrift;
use crate::reference_data;

#[test]
fn weeks_of_paris_agree_with_evidently() {
    let Some(data) = reference_data::folder() else {
        return;
    };
    let reference = read_rows(&data.join("paris/test_baseline.csv.gz"));
    let live = read_rows(&data.join("paris/live.csv.gz"));

    for monday in ["2021-07-19", "2021-08-02", "2021-08-16"] {
        let first: Date = monday.parse().unwrap();
        let following = first.saturating_add(jiff::Span::new().weeks(1));
        let current: Vec<Row> = live
            .iter()
            .filter(|row| (first..following).contains(&row.day))
            .cloned()
            .collect();

        assert_agrees(&data, &format!("week-{monday}"), &reference, &current);
    }
}

#[test]
fn small_samples_of_paris_agree_with_evidently() {
    let Some(data) = reference_data::folder() else {
        return;
    };
    for case in ["small-800-vs-500", "small-two-weekdays"] {
        let rows = |side: &str| read_rows(&data.join(format!("drift/{case}.{side}.csv")));

        assert_agrees(&data, case, &rows("reference"), &rows("current"));
    }
}

#[derive(Deserialize)]
struct Recorded {
    rows: (usize, usize),
    drifted: Drifted,
    columns: BTreeMap<String, ExpectedDrift>,
}

#[derive(Deserialize)]
struct Drifted {
    count: f64,
    share: f64,
}

#[derive(Deserialize)]
struct RawRow {
    #[serde(rename = "Nom du compteur")]
    counter: String,
    #[serde(rename = "Comptage horaire")]
    count: f64,
    #[serde(rename = "Date et heure de comptage")]
    instant: Timestamp,
    #[serde(rename = "Coordonnées géographiques")]
    coordinates: String,
}

#[derive(Clone)]
struct Row {
    counter: String,
    count: f64,
    latitude: f64,
    longitude: f64,
    day: Date,
    hour: i8,
    weekday: Weekday,
}

impl From<RawRow> for Row {
    fn from(raw: RawRow) -> Self {
        let local = raw.instant.in_tz("Europe/Paris").unwrap();
        let (latitude, longitude) = raw.coordinates.split_once(',').unwrap();
        Self {
            counter: raw.counter,
            count: raw.count,
            latitude: latitude.parse().unwrap(),
            longitude: longitude.parse().unwrap(),
            day: local.date(),
            hour: local.hour(),
            weekday: local.weekday(),
        }
    }
}

fn read_rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap();
    let bytes: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_reader(bytes)
        .deserialize::<RawRow>()
        .map(|raw| Row::from(raw.unwrap()))
        .collect()
}

fn columns(rows: &[Row]) -> Vec<Column> {
    vec![
        Column::numerical("comptage_horaire", rows.iter().map(|row| row.count)),
        Column::numerical("latitude", rows.iter().map(|row| row.latitude)),
        Column::numerical("longitude", rows.iter().map(|row| row.longitude)),
        Column::numerical("heure", rows.iter().map(|row| f64::from(row.hour))),
        Column::categorical("nom_du_compteur", rows.iter().map(|row| &row.counter)),
        Column::categorical(
            "jour_semaine",
            rows.iter().map(|row| row.weekday.to_monday_zero_offset()),
        ),
    ]
}

fn assert_agrees(data: &Path, case: &str, reference: &[Row], current: &[Row]) {
    let recorded = data.join(format!("drift/{case}.json"));
    let expected: Recorded = serde_json::from_reader(File::open(recorded).unwrap()).unwrap();
    assert_eq!((reference.len(), current.len()), expected.rows, "{case}");

    let actual = drift::dataset(&columns(reference), &columns(current)).unwrap();

    assert_eq!(
        actual.drifted_count as f64, expected.drifted.count,
        "{case}"
    );
    assert_eq!(actual.drifted_share, expected.drifted.share, "{case}");
    assert_eq!(actual.columns.len(), expected.columns.len(), "{case}");
    for column in &actual.columns {
        let context = format!("{case}, {}", column.column);
        expected.columns[&column.column].assert_agrees(column, &context);
    }
}
