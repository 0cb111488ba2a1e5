//! Writers of counts as CSV, in the formats of the daily tables and of the public export.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{Count, Counter, Counts};
use crate::time::{Hour, paris};

/// The rows of a table are passed on when they have this many bytes.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes counts as CSV with the columns of the daily tables in `bike_traffic_raw`.
///
/// # Errors
/// Returns an error if writing to `out` fails.
pub fn write_table(
    counts: &Counts,
    ingested_at: Timestamp,
    out: impl Write,
) -> Result<(), WriteError> {
    let header = [
        "comptage_horaire",
        "date_et_heure_de_comptage",
        "identifiant_du_compteur",
        "nom_du_compteur",
        "coordonnees_geographiques",
        "ingestion_ts",
    ];
    let in_utc = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let ingested_at = in_utc(ingested_at);
    // The empty field stands for the two before.
    let after_hour = |counter: &Counter| {
        let (id, name, coordinates) = describe(counter);
        record(b',', &["", id, name, &coordinates, &ingested_at])
    };
    let after_hours = texts(counts, after_hour)?;
    write_rows(counts, &record(b',', &header)?, out, |row, hours, text| {
        let hour = hours.of(row.hour, |hour| in_utc(hour.timestamp()));
        write!(text, "{},{hour}", row.count)?;
        text.extend_from_slice(&after_hours[row.counter.position()]);
        Ok(())
    })
}

/// Writes counts as semicolon-separated CSV with the French header of the public export.
///
/// # Errors
/// Returns an error if writing to `out` fails.
pub fn write_french(counts: &Counts, out: impl Write) -> Result<(), WriteError> {
    let header = [
        "Identifiant du compteur",
        "Nom du compteur",
        "Comptage horaire",
        "Date et heure de comptage",
        "Coordonnées géographiques",
    ];
    let paris = paris();
    let in_paris = |hour: Hour| {
        let local = hour.timestamp().to_zoned_datetime(paris.clone());
        local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    let around_count = |counter: &Counter| {
        let (id, name, coordinates) = describe(counter);
        let mut before = record(b';', &[id, name, ""])?;
        before.pop();
        Ok((before, record(b';', &["", &coordinates])?))
    };
    let around_counts = texts(counts, around_count)?;
    write_rows(counts, &record(b';', &header)?, out, |row, hours, text| {
        let (before, after) = &around_counts[row.counter.position()];
        text.extend_from_slice(before);
        write!(text, "{};{}", row.count, hours.of(row.hour, in_paris))?;
        text.extend_from_slice(after);
        Ok(())
    })
}

/// Writes a header, and the text that `add` appends for each row.
fn write_rows(
    counts: &Counts,
    header: &[u8],
    mut out: impl Write,
    mut add: impl FnMut(&Count, &mut HourTexts, &mut Vec<u8>) -> io::Result<()>,
) -> Result<(), WriteError> {
    let (mut text, mut hours) = (header.to_vec(), HourTexts::default());
    for row in counts.rows() {
        add(row, &mut hours, &mut text)?;
        if text.len() >= BUFFER_BYTES {
            out.write_all(&text)?;
            text.clear();
        }
    }
    out.write_all(&text)?;
    Ok(out.flush()?)
}

/// Returns a text for each counter. Encoding its fields once, not in every row, saves most of the
/// time.
fn texts<T>(
    counts: &Counts,
    text: impl Fn(&Counter) -> Result<T, WriteError>,
) -> Result<Vec<T>, WriteError> {
    counts.counters().iter().map(text).collect()
}

/// Returns a record of CSV with its line break. Fields are quoted where necessary.
fn record(delimiter: u8, fields: &[&str]) -> Result<Vec<u8>, WriteError> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    writer.write_record(fields)?;
    writer
        .into_inner()
        .map_err(|error| WriteError::Io(error.into_error()))
}

/// Returns id, name and coordinates of a counter as texts.
fn describe(counter: &Counter) -> (&str, &str, String) {
    let coordinates = counter.coordinates.map(|location| location.to_string());
    (
        counter.id.as_deref().unwrap_or_default(),
        &counter.name,
        coordinates.unwrap_or_default(),
    )
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

    /// The expected text is that of a writer to which each field is passed.
    #[test]
    fn rows_have_the_fields_of_a_csv_writer() {
        let counts = counts();
        let (mut table, mut french) = (Vec::new(), Vec::new());
        write_table(&counts, Timestamp::UNIX_EPOCH, &mut table).unwrap();
        write_french(&counts, &mut french).unwrap();
        let mut of_table = csv::Writer::from_writer(Vec::new());
        let mut of_french = csv::WriterBuilder::new()
            .delimiter(b';')
            .from_writer(Vec::new());
        for row in counts.rows() {
            let (id, name, coordinates) = describe(counts.counter(row.counter));
            let (count, hour) = (row.count.to_string(), row.hour.timestamp());
            let utc = hour.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
            let start = "1970-01-01 00:00:00 UTC";
            let fields = [&count, &utc, id, name, &coordinates, start];
            of_table.write_record(fields).unwrap();
            let local = hour.to_zoned_datetime(paris());
            let local = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            let fields = [id, name, &count, &local, &coordinates];
            of_french.write_record(fields).unwrap();
        }
        for (text, expected) in [(table, of_table), (french, of_french)] {
            let rows = text.split_inclusive(|byte| *byte == b'\n').skip(1);
            let rows: Vec<u8> = rows.flatten().copied().collect();
            assert_eq!(
                String::from_utf8(rows).unwrap(),
                String::from_utf8(expected.into_inner().unwrap()).unwrap()
            );
        }
    }
}
