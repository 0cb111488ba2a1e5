//! The matrix of features alone: the input of a model, without counts.

use super::{COLUMNS, CategoryCodes, FrameRow, History, Outage, row::RowBuilder};

/// The minimum number of rows per thread. Below it, starting a thread costs more than it saves.
const MINIMUM_ROWS_PER_THREAD: usize = 20_000;

/// The features of rows, and the silence of their counters.
#[derive(Clone, Debug)]
pub struct FeatureMatrix {
    pub(super) values: Vec<f32>,
    pub(super) silent: Vec<bool>,
    /// The outage of each row, see [`Frame::outages`](super::Frame::outages).
    pub(super) outages: Vec<Outage>,
}

/// The rows of one thread, and the parts of the matrix that it writes.
struct Share<'m> {
    rows: &'m [FrameRow],
    values: &'m mut [f32],
    silent: &'m mut [bool],
    outages: &'m mut [Outage],
}

impl FeatureMatrix {
    /// Builds the features of rows, whose counters are positions in [`History::counters`].
    ///
    /// Rows in the order of their hours are built fastest, because they share the features of hours
    /// and days.
    ///
    /// # Panics
    /// Panics if a counter of a row, or `codes`, are of another history.
    pub fn new(codes: &CategoryCodes, history: &History, rows: &[FrameRow]) -> Self {
        let mut matrix = Self {
            values: vec![0.0; rows.len() * COLUMNS.len()],
            silent: vec![false; rows.len()],
            outages: vec![Outage::None; rows.len()],
        };
        let mut shares = matrix.shares(rows);
        let first = shares.next();
        std::thread::scope(|scope| {
            for share in shares {
                scope.spawn(|| fill(history, codes, share));
            }
            if let Some(share) = first {
                fill(history, codes, share);
            }
        });
        matrix
    }

    fn shares<'m>(&'m mut self, rows: &'m [FrameRow]) -> impl Iterator<Item = Share<'m>> {
        let length = rows_per_thread(rows.len());
        rows.chunks(length)
            .zip(self.values.chunks_mut(length * COLUMNS.len()))
            .zip(self.silent.chunks_mut(length))
            .zip(self.outages.chunks_mut(length))
            .map(|(((rows, values), silent), outages)| Share {
                rows,
                values,
                silent,
                outages,
            })
    }

    /// Returns the matrix in row-major order. Each row has the columns of [`COLUMNS`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns `true` for each row whose counter is silent, like [`Frame::silent`].
    ///
    /// [`Frame::silent`]: super::Frame::silent
    pub fn silent(&self) -> &[bool] {
        &self.silent
    }
}

fn rows_per_thread(rows: usize) -> usize {
    if rows <= MINIMUM_ROWS_PER_THREAD {
        // Reading the number of threads takes as long as a thousand rows.
        return MINIMUM_ROWS_PER_THREAD;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rows.div_ceil(threads).max(MINIMUM_ROWS_PER_THREAD)
}

/// Builds the rows of a share.
fn fill(history: &History, codes: &CategoryCodes, share: Share<'_>) {
    let Share {
        rows,
        values,
        silent,
        outages,
    } = share;
    let Some(first) = rows.first() else {
        return;
    };
    let mut builder = RowBuilder::new(history, &codes.0, first.hour);
    let values = values.as_chunks_mut::<{ COLUMNS.len() }>().0;
    let outputs = values.iter_mut().zip(silent).zip(outages);
    for (row, ((values, silent), outage)) in rows.iter().zip(outputs) {
        let row = builder.row(*row);
        *values = row.features;
        *silent = row.is_silent;
        *outage = row.outage;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        counts::{Counter, Counts},
        features::{FeatureSpec, Frame},
        time::Day,
    };

    /// Rows of several days in any order have the features that a frame has.
    #[test]
    fn matrix_equals_that_of_a_frame_in_any_order() {
        let day: Day = "2021-07-14".parse().unwrap();
        let mut counts = Counts::default();
        for name in ["Quai", "Pont"] {
            let counter = counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            });
            for hour in day.plus(-40).through(day).flat_map(Day::hours) {
                let count = u32::try_from(hour.number() % 97).unwrap();
                counts.push(counter, hour, count);
            }
        }
        let history = History::new(&[&counts]);
        let spec = FeatureSpec::for_counters(counts.counters());
        let hours = day.plus(-2).through(day.plus(1)).flat_map(Day::hours);
        let keys: Vec<_> = hours.flat_map(|hour| [(0, hour), (1, hour)]).collect();
        let frame = Frame::from_rows(&spec, &history, keys.into_iter());
        let backwards: Vec<_> = frame.rows().iter().rev().copied().collect();
        let matrix = FeatureMatrix::new(&spec.codes_of(&history), &history, &backwards);
        let rows = matrix.values().chunks(COLUMNS.len()).rev();
        let bits = |row: &[f32]| -> Vec<u32> { row.iter().map(|value| value.to_bits()).collect() };
        for (row, expected) in rows.zip(frame.values().chunks(COLUMNS.len())) {
            assert_eq!(bits(row), bits(expected));
        }
        assert_eq!(matrix.silent().len(), frame.len());
    }

    #[test]
    fn no_rows_have_no_features() {
        let history = History::new(&[&Counts::default()]);
        let codes = FeatureSpec::for_counters([]).codes_of(&history);
        let matrix = FeatureMatrix::new(&codes, &history, &[]);
        assert!(matrix.values().is_empty() && matrix.silent().is_empty());
    }
}
