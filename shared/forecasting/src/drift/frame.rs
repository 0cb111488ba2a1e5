//! Conversion of a feature matrix into columns for drift detection.

use super::{Column, Values};
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
    let values = if name == COUNTER {
        Values::Categorical(rows_per_counter(frame).into())
    } else {
        Values::Numerical(rows_per_value(frame.column(name)?).into())
    };
    Some(Column {
        name: name.to_owned(),
        values,
    })
}

/// Returns the folded name of each counter with its number of rows.
fn rows_per_counter(frame: &Frame) -> Vec<(String, u64)> {
    let mut rows = vec![0; frame.counters().len()];
    for row in frame.rows() {
        rows[row.counter as usize] += 1;
    }
    let keys = frame.counters().iter().map(Counter::key);
    keys.map(|key| key.as_str().to_owned()).zip(rows).collect()
}

/// Returns each distinct finite value with its number of rows, in ascending order.
///
/// Numbers of 32 bits are sorted in less time than the pairs of `Counts`.
fn rows_per_value(mut values: Vec<f32>) -> Vec<(f64, u64)> {
    values.retain(|value| value.is_finite());
    values.sort_unstable_by(f32::total_cmp);
    values
        .chunk_by(|one, other| one == other)
        .map(|equal| (f64::from(equal[0]), equal.len() as u64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        counts::{self, Coordinates},
        features::{COLUMNS, FeatureSpec, TARGET},
        time::Day,
    };

    /// Returns the features of a week. One counter has no location, and one has no counts.
    fn frame() -> Frame {
        let day: Day = "2021-07-19".parse().unwrap();
        let mut counts = counts::Counts::default();
        for (number, name) in (1_u32..).zip(["Pont", "Été", "Quai", "Rue"]) {
            let counter = counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: Coordinates::new(48.8, 2.3).filter(|_| name != "Pont"),
            });
            let hours = day.plus(-30).through(day.plus(6)).flat_map(Day::hours);
            for hour in hours.filter(|_| name != "Rue") {
                let count = u32::try_from(hour.number()).unwrap() * number % 89;
                counts.push(counter, hour, count);
            }
        }
        let spec = FeatureSpec::for_counters([]);
        Frame::from_counts(&spec, &[&counts], &counts.days(day, day.plus(6)))
    }

    #[test]
    fn column_has_each_value_of_the_frame() {
        let frame = frame();
        let names = || std::iter::once(TARGET).chain(COLUMNS);
        let columns = frame_columns(&frame, names());
        assert_eq!(columns.len(), names().count());
        for (name, column) in names().zip(columns).filter(|(name, _)| *name != COUNTER) {
            let values = frame.column(name).unwrap().into_iter().map(f64::from);
            assert_eq!(column, Column::numerical(name, values), "{name}");
        }
    }

    #[test]
    fn counters_with_rows_are_categories() {
        let frame = frame();
        let names: Vec<_> = frame
            .rows()
            .iter()
            .map(|row| frame.counters()[row.counter as usize].key().to_string())
            .collect();
        let expected = Column::categorical(COUNTER, &names);
        assert_eq!(frame_columns(&frame, [COUNTER]), [expected]);
        assert!(names.contains(&"ete".to_owned()) && !names.contains(&"rue".to_owned()));
    }

    #[test]
    fn values_without_a_number_are_dropped() {
        let values = vec![2.0, f32::NAN, 1.5, f32::INFINITY, 2.0, -1.0];
        assert_eq!(rows_per_value(values), [(-1.0, 1), (1.5, 1), (2.0, 2)]);
        assert!(rows_per_value(vec![f32::NAN]).is_empty());
    }
}
