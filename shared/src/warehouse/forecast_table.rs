//! A fast reader of tables of forecasts in the form in which they are written.
//!
//! The reader of the crate `csv` finds the field of each column by name and parses each instant.
//! Here, the columns have known positions, and equal instants of neighbouring rows are parsed once.

use std::str::FromStr;

use forecasting::{counts::parse_hour, time::Hour};
use jiff::Timestamp;

use super::{Forecast, schema::FORECASTS, tables::read_timestamp};
use crate::registry::Version;

/// The number of columns of the first version, which have no default.
const REQUIRED_COLUMNS: usize = 8;

/// Reads a table of this version or an earlier one.
///
/// Returns `None` for other forms of CSV and for invalid tables. The reader of the crate `csv`
/// reads or rejects them. A table that both can read has equal forecasts in both.
pub(super) fn read(table: &[u8]) -> Option<Vec<Forecast>> {
    let text = str::from_utf8(table).ok()?;
    // A carriage return ends a row as well.
    if text.contains('\r') {
        return None;
    }
    let (header, rows) = text.split_once('\n')?;
    let columns = header.split(',').count();
    let names = FORECASTS.get(..columns)?.iter().map(|column| column.name);
    if columns < REQUIRED_COLUMNS || !header.split(',').eq(names) {
        return None;
    }
    let lines = rows.bytes().filter(|byte| *byte == b'\n').count();
    let mut forecasts = Vec::with_capacity(lines);
    let mut instants = Instants::default();
    for line in rows.lines() {
        forecasts.push(row(line, columns, &mut instants)?);
    }
    Some(forecasts)
}

fn row<'t>(line: &'t str, columns: usize, instants: &mut Instants<'t>) -> Option<Forecast> {
    let mut fields = Fields {
        rest: Some(line),
        read: 0,
    };
    let forecast = Forecast {
        actual: fields.optional()?,
        prediction: fields.required()?,
        model_type: fields.text()?.to_owned(),
        model_version: Version::new(fields.required()?),
        predicted_at: instants
            .predicted_at
            .parse(fields.text()?, read_timestamp)?,
        counter_id: fields.optional()?,
        counter_name: fields.text()?.to_owned(),
        hour: instants
            .hour
            .parse(fields.text()?, |text| parse_hour(text).ok())?,
        model_prediction: fields.optional()?,
        correction: fields.optional()?,
        prediction_low_80: fields.optional()?,
        prediction_high_80: fields.optional()?,
        prediction_low_95: fields.optional()?,
        prediction_high_95: fields.optional()?,
        silent: fields.optional()?,
    };
    (fields.rest.is_none() && fields.read == columns).then_some(forecast)
}

/// The instants of the last row.
#[derive(Default)]
struct Instants<'t> {
    predicted_at: Last<'t, Timestamp>,
    hour: Last<'t, Hour>,
}

/// The last parsed text, with its value.
struct Last<'t, T>(Option<(&'t str, T)>);

impl<T> Default for Last<'_, T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'t, T: Copy> Last<'t, T> {
    fn parse(&mut self, text: &'t str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        match self.0 {
            Some((last, value)) if last == text => Some(value),
            _ => {
                let value = parse(text)?;
                self.0 = Some((text, value));
                Some(value)
            }
        }
    }
}

/// The fields of a row that is one line.
struct Fields<'t> {
    /// The rest of the line; `None` after its last field.
    rest: Option<&'t str>,
    /// The number of fields read.
    read: usize,
}

impl<'t> Fields<'t> {
    /// Returns the next field, without quotation marks. Returns `None` if there is none, or if its
    /// quotation marks are not just around it.
    fn text(&mut self) -> Option<&'t str> {
        let rest = self.rest?;
        let (field, after) = match rest.strip_prefix('"') {
            None => rest
                .split_once(',')
                .map_or((rest, None), |(field, after)| (field, Some(after))),
            Some(quoted) => {
                let (field, after) = quoted.split_once('"')?;
                let is_last = after.is_empty();
                let after = after.strip_prefix(',');
                (is_last || after.is_some()).then_some((field, after))?
            }
        };
        self.rest = after;
        self.read += 1;
        Some(field)
    }

    /// Parses the next field.
    fn required<T: FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    /// Parses the next field, unless it is empty or of a column that earlier versions lack.
    fn optional<T: FromStr>(&mut self) -> Option<Option<T>> {
        if self.rest.is_none() {
            return Some(None);
        }
        match self.text()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
}

#[cfg(test)]
mod tests;
