//! Writers of counts as CSV, in the formats of the daily tables and of the public export.

use std::io::Write;

use jiff::Timestamp;

use super::{Count, Counter, Counts};
use crate::time::{Hour, paris};

/// Writes counts as CSV with the columns of the daily tables in `bike_traffic_raw`.
///
/// # Errors
/// Returns an error if writing to `out` fails.
pub fn write_table(
    counts: &Counts,
    ingested_at: Timestamp,
    out: impl Write,
) -> Result<(), WriteError> {
    let mut writer = csv::Writer::from_writer(out);
    let header = [
        "comptage_horaire",
        "date_et_heure_de_comptage",
        "identifiant_du_compteur",
        "nom_du_compteur",
        "coordonnees_geographiques",
        "ingestion_ts",
    ];
    writer.write_record(header)?;
    let in_utc = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let ingested_at = in_utc(ingested_at);
    let coordinates = coordinates(counts);
    let mut hours = HourTexts::default();
    for row in counts.rows() {
        let (id, name) = describe(counts, row);
        let hour = hours.of(row.hour, |hour| in_utc(hour.timestamp()));
        let count = row.count.to_string();
        let coordinates = &coordinates[row.counter.position()];
        writer.write_record([&count, hour, id, name, coordinates, &ingested_at])?;
    }
    Ok(writer.flush()?)
}

/// Writes counts as semicolon-separated CSV with the French header of the public export.
///
/// # Errors
/// Returns an error if writing to `out` fails.
pub fn write_french(counts: &Counts, out: impl Write) -> Result<(), WriteError> {
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(out);
    let header = [
        "Identifiant du compteur",
        "Nom du compteur",
        "Comptage horaire",
        "Date et heure de comptage",
        "Coordonnées géographiques",
    ];
    writer.write_record(header)?;
    let paris = paris();
    let in_paris = |hour: Hour| {
        let local = hour.timestamp().to_zoned_datetime(paris.clone());
        local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    let coordinates = coordinates(counts);
    let mut hours = HourTexts::default();
    for row in counts.rows() {
        let (id, name) = describe(counts, row);
        let hour = hours.of(row.hour, in_paris);
        let count = row.count.to_string();
        let coordinates = &coordinates[row.counter.position()];
        writer.write_record([id, name, &count, hour, coordinates])?;
    }
    Ok(writer.flush()?)
}

/// Returns the id and the name of the counter of a row.
fn describe<'a>(counts: &'a Counts, row: &Count) -> (&'a str, &'a str) {
    let counter = counts.counter(row.counter);
    (counter.id.as_deref().unwrap_or_default(), &counter.name)
}

/// Returns the coordinates of each counter as text.
fn coordinates(counts: &Counts) -> Vec<String> {
    let text = |counter: &Counter| counter.coordinates.map(|location| location.to_string());
    let counters = counts.counters().iter();
    counters
        .map(|counter| text(counter).unwrap_or_default())
        .collect()
}

/// The text of the last hour. Rows are ordered by hour as a rule, so most hours are those of the
/// row before.
#[derive(Default)]
struct HourTexts {
    last: Option<(Hour, String)>,
}

impl HourTexts {
    fn of(&mut self, hour: Hour, format: impl FnOnce(Hour) -> String) -> &str {
        let known = self.last.take().filter(|(last, _)| *last == hour);
        let (_, text) = self
            .last
            .insert(known.unwrap_or_else(|| (hour, format(hour))));
        text
    }
}

/// The error of [`write_table`] and [`write_french`].
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A record could not be written.
    #[error("cannot write counts as CSV")]
    Csv(#[from] csv::Error),
    /// The output could not be flushed.
    #[error("cannot write counts as CSV")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::{Coordinates, read};

    fn counts() -> Counts {
        let mut counts = Counts::default();
        let coordinates = Coordinates::new(48.846_028, 2.375_429);
        let quai = counts.intern(Counter {
            id: Some("1".into()),
            name: "Quai; d'Orsay, \"E-O\"".into(),
            coordinates,
        });
        let pont = counts.intern(Counter {
            id: None,
            name: "Pont".into(),
            coordinates: None,
        });
        for hour in 453_000..453_010 {
            counts.push(quai, Hour::from_number(hour), 7);
            counts.push(pont, Hour::from_number(hour), 0);
        }
        // The rows need not be in order.
        counts.push(quai, Hour::from_number(452_900), 3);
        counts
    }

    #[test]
    fn written_counts_are_read_unchanged() {
        let counts = counts();
        let (mut table, mut french) = (Vec::new(), Vec::new());
        write_table(&counts, Timestamp::UNIX_EPOCH, &mut table).unwrap();
        write_french(&counts, &mut french).unwrap();
        for text in [table, french] {
            let mut rejects = Vec::new();
            let read = read(text.as_slice(), &mut rejects).unwrap();
            assert_eq!(
                (read.rows(), read.counters()),
                (counts.rows(), counts.counters())
            );
            assert!(rejects.is_empty());
        }
    }
}
