//! Writers of counts as CSV, in the formats of the daily tables and of the public export.

use std::io::Write;

use jiff::Timestamp;

use super::{Count, Counts};
use crate::time::paris;

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
    let ingested_at = ingested_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    for row in counts.rows() {
        let (id, name, coordinates) = describe(counts, row);
        let hour = row
            .hour
            .timestamp()
            .strftime("%Y-%m-%d %H:%M:%S UTC")
            .to_string();
        writer.write_record([
            &row.count.to_string(),
            &hour,
            id,
            name,
            &coordinates,
            &ingested_at,
        ])?;
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
    for row in counts.rows() {
        let (id, name, coordinates) = describe(counts, row);
        let hour = row
            .hour
            .timestamp()
            .to_zoned_datetime(paris.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string();
        writer.write_record([id, name, &row.count.to_string(), &hour, &coordinates])?;
    }
    Ok(writer.flush()?)
}

fn describe<'a>(counts: &'a Counts, row: &Count) -> (&'a str, &'a str, String) {
    let counter = counts.counter(row.counter);
    let coordinates = counter
        .coordinates
        .map(|coordinates| coordinates.to_string())
        .unwrap_or_default();
    (
        counter.id.as_deref().unwrap_or_default(),
        &counter.name,
        coordinates,
    )
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
    use crate::{
        counts::{Coordinates, Counter, read},
        time::Hour,
    };

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
