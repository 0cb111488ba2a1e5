//! Conversion of a feature matrix into columns for drift detection.

use super::Column;
use crate::{counts::Counter, features::Frame};

/// The categorical feature. Its codes are replaced by counter names.
const COUNTER: &str = "counter";

/// Creates the named columns of a frame. Skips names that are not columns of the frame.
pub fn frame_columns<'a>(frame: &Frame, names: impl IntoIterator<Item = &'a str>) -> Vec<Column> {
    names
        .into_iter()
        .filter_map(|name| column_of(frame, name))
        .collect()
}

fn column_of(frame: &Frame, name: &str) -> Option<Column> {
    if name == COUNTER {
        let keys: Vec<_> = frame.counters().iter().map(Counter::key).collect();
        return Some(Column::categorical(
            name,
            frame
                .rows()
                .iter()
                .map(|row| keys[row.counter as usize].as_str()),
        ));
    }
    let values = frame.column(name)?;
    Some(Column::numerical(name, values.into_iter().map(f64::from)))
}
