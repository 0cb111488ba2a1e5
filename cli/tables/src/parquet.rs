//! Parquet files.

use std::io::Write;

use jiff::{Timestamp, tz::TimeZone as Zone};
use polars_core::prelude::*;
use polars_io::{
    SerReader,
    mmap::MmapBytesReader,
    parquet::{
        read::ParquetReader,
        write::{ParquetWriter, StatisticsOptions},
    },
};

use crate::{Error, Values};

/// Writes columns of equal length as a Parquet file.
///
/// # Errors
/// Returns an error if the columns differ in length, two have the same name, or writing fails.
pub fn write_parquet(columns: Vec<(String, Values)>, out: impl Write) -> Result<(), Error> {
    let columns = columns
        .into_iter()
        .map(|(name, values)| column(name.into(), values))
        .collect::<PolarsResult<_>>()?;
    let mut table = DataFrame::new_infer_height(columns)?;
    // Statistics help queries to skip row groups, but notebooks read whole tables.
    ParquetWriter::new(out)
        .with_statistics(StatisticsOptions::empty())
        .finish(&mut table)?;
    Ok(())
}

fn column(name: PlSmallStr, values: Values) -> PolarsResult<Column> {
    Ok(match values {
        Values::Text(values) => Column::new(name, values),
        Values::Repeated { texts, positions } => {
            let positions = positions.into_iter();
            let values = positions.map(|position| texts[position as usize].as_str());
            Column::new(name, values.collect::<Vec<&str>>())
        }
        Values::Number(values) => Column::new(name, values),
        // Without a copy.
        Values::Feature(values) => Series::from_vec(name, values).into(),
        Values::Flag(values) => Column::new(name, values),
        Values::Instant(values) => {
            let instants = Series::new(name, values).i64()?.clone();
            let instants = instants.into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
            instants.into_series().into()
        }
    })
}

/// Reads a Parquet file and returns its table as CSV with commas, for the reader of counts.
///
/// Instants become RFC 3339 in UTC, and local times have no offset. Values of nested types are left
/// out.
///
/// # Errors
/// Returns an error if the file is malformed.
pub fn parquet_as_csv(file: impl MmapBytesReader) -> Result<Vec<u8>, Error> {
    let table = ParquetReader::new(file).finish()?;
    let columns = table.columns();
    let mut csv = Vec::new();
    let names = columns.iter().map(|column| column.name().to_string());
    push_line(&mut csv, names);
    for row in 0..table.height() {
        let values = columns.iter().map(|column| column.get(row));
        let values: Vec<_> = values.collect::<PolarsResult<_>>()?;
        push_line(&mut csv, values.iter().map(text));
    }
    Ok(csv)
}

/// Returns the number of rows of a Parquet file, from its metadata.
///
/// # Errors
/// Returns an error if the file is malformed.
pub fn parquet_rows(file: impl MmapBytesReader) -> Result<u64, Error> {
    Ok(ParquetReader::new(file).num_rows()? as u64)
}

fn push_line(csv: &mut Vec<u8>, fields: impl Iterator<Item = String>) {
    for (position, field) in fields.enumerate() {
        if position > 0 {
            csv.push(b',');
        }
        csv.push(b'"');
        csv.extend(field.replace('"', "\"\"").bytes());
        csv.push(b'"');
    }
    csv.push(b'\n');
}

/// Returns a value as text; an empty one if it is missing or has no text.
fn text(value: &AnyValue<'_>) -> String {
    if let Some(text) = value.get_str() {
        return text.to_owned();
    }
    match value {
        AnyValue::Datetime(value, unit, zone) => instant(*value, *unit, zone.is_some()),
        AnyValue::DatetimeOwned(value, unit, zone) => instant(*value, *unit, zone.is_some()),
        AnyValue::Float32(number) if number.is_finite() => number.to_string(),
        AnyValue::Float64(number) if number.is_finite() => number.to_string(),
        AnyValue::Int8(number) => number.to_string(),
        AnyValue::Int16(number) => number.to_string(),
        AnyValue::Int32(number) => number.to_string(),
        AnyValue::Int64(number) => number.to_string(),
        AnyValue::UInt8(number) => number.to_string(),
        AnyValue::UInt16(number) => number.to_string(),
        AnyValue::UInt32(number) => number.to_string(),
        AnyValue::UInt64(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns an instant, or the local time if there is no time zone. Returns an empty text if it is
/// out of range.
fn instant(value: i64, unit: TimeUnit, has_zone: bool) -> String {
    let timestamp = match unit {
        TimeUnit::Nanoseconds => Timestamp::from_nanosecond(i128::from(value)),
        TimeUnit::Microseconds => Timestamp::from_microsecond(value),
        TimeUnit::Milliseconds => Timestamp::from_millisecond(value),
    };
    match timestamp {
        Ok(timestamp) if has_zone => timestamp.to_string(),
        // Without a zone, the number is that of the local clock.
        Ok(timestamp) => Zone::UTC.to_datetime(timestamp).to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn written(columns: Vec<(&str, Values)>) -> Vec<u8> {
        let columns = columns
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values))
            .collect();
        let mut file = Vec::new();
        write_parquet(columns, &mut file).unwrap();
        file
    }

    #[test]
    fn written_columns_are_read_as_csv() {
        let text = |text: &str| Some(text.to_owned());
        let file = written(vec![
            ("name", Values::Text(vec![text("Quai \"d'Issy\", N"), None])),
            (
                "side",
                Values::Repeated {
                    texts: vec!["E-O".to_owned(), "O-E".to_owned()],
                    positions: vec![1, 0],
                },
            ),
            ("hour", Values::Instant(vec![Some(1_626_645_600_000), None])),
            ("count", Values::Number(vec![Some(12.0), None])),
            ("lag", Values::Feature(vec![0.5, f32::NAN])),
            ("silent", Values::Flag(vec![Some(true), None])),
        ]);
        let csv = parquet_as_csv(Cursor::new(file)).unwrap();
        let expected = concat!(
            "\"name\",\"side\",\"hour\",\"count\",\"lag\",\"silent\"\n",
            "\"Quai \"\"d'Issy\"\", N\",\"O-E\",\"2021-07-18T22:00:00Z\",\"12\",\"0.5\",\"\"\n",
            "\"\",\"E-O\",\"\",\"\",\"\",\"\"\n",
        );
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
    }

    /// The values are those of `fixtures/make_fixtures.py`.
    #[test]
    fn export_of_bigquery_is_read_as_csv() {
        let file = include_bytes!("fixtures/export.parquet");
        assert_eq!(parquet_rows(Cursor::new(file)).unwrap(), 3);
        let csv = String::from_utf8(parquet_as_csv(Cursor::new(file)).unwrap()).unwrap();
        let rows: Vec<_> = csv.lines().skip(1).collect();
        let ingested_at = "\"2021-07-20T06:00:01.5Z\"";
        assert_eq!(
            rows,
            [
                format!(
                    "\"12\",\"2021-07-19T00:00:00Z\",\"1\",\"Quai d'Issy, \"\"E-O\"\"\",\"48.8,2.3\",{ingested_at},\
                     \"2021-07-19T00:00:00\",\"a\""
                ),
                format!(
                    "\"\",\"2021-07-19T01:00:00Z\",\"\",\"Quai\",\"\",{ingested_at},\"2021-07-19T01:00:00\",\"b\""
                ),
                format!(
                    "\"3\",\"2021-07-19T01:00:00Z\",\"\",\"Écluse\",\"\",{ingested_at},\"2021-07-19T01:00:00\",\"a\""
                ),
            ]
        );
    }

    #[test]
    fn time_without_a_zone_stays_local() {
        let value = 1_626_652_800_000_000;
        let local = instant(value, TimeUnit::Microseconds, false);
        assert_eq!(local, "2021-07-19T00:00:00");
    }

    #[test]
    fn truncated_file_is_an_error() {
        let file = written(vec![("count", Values::Number(vec![Some(1.0)]))]);
        assert!(parquet_as_csv(Cursor::new(file[..file.len() / 2].to_vec())).is_err());
    }
}
