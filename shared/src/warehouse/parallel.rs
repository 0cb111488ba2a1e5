//! The parsing of tables on several threads.

use std::{panic::resume_unwind, thread};

use bytes::Bytes;

use crate::address::ObjectPath;

/// The size at which the tables read so far are parsed. It limits the memory of long ranges.
pub(super) const BATCH_BYTES: usize = 2 << 20;
/// The minimum size of the tables of a thread. Starting a thread for less costs more than it saves.
const MINIMUM_BYTES_PER_THREAD: usize = 1 << 18;

/// A table as it is stored.
pub(super) struct Table {
    pub(super) path: ObjectPath,
    pub(super) bytes: Bytes,
}

/// Parses tables. Returns the results in the order of the tables.
pub(super) fn parse_all<T: Send>(tables: &[Table], parse: fn(&Table) -> T) -> Vec<T> {
    let bytes = tables.iter().map(|table| table.bytes.len()).sum();
    parse_on(threads(bytes), tables, parse)
}

/// Returns the number of threads for tables of this size.
fn threads(bytes: usize) -> usize {
    match bytes / MINIMUM_BYTES_PER_THREAD {
        // The number of processors is read from files.
        0 | 1 => 1,
        most => thread::available_parallelism().map_or(1, |processors| most.min(processors.get())),
    }
}

/// Parses tables on this thread and on others.
fn parse_on<T: Send>(threads: usize, tables: &[Table], parse: fn(&Table) -> T) -> Vec<T> {
    let parse_share = move |share: &[Table]| share.iter().map(parse).collect::<Vec<T>>();
    let mut shares = tables.chunks(tables.len().div_ceil(threads).max(1));
    let first = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || parse_share(share)))
            .collect();
        let mut parsed = parse_share(first);
        for other in others {
            match other.join() {
                Ok(share) => parsed.extend(share),
                Err(panicked) => resume_unwind(panicked),
            }
        }
        parsed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(number: usize, bytes: usize) -> Vec<Table> {
        let table = |number| Table {
            path: ObjectPath::new(number),
            bytes: vec![0_u8; bytes].into(),
        };
        (0..number).map(table).collect()
    }

    #[test]
    fn results_are_in_the_order_of_the_tables() {
        for number in [0, 1, 2, 7, 37] {
            let tables = tables(number, 1);
            let expected: Vec<_> = (0..number).map(|number| number.to_string()).collect();
            for threads in 1..5 {
                let parsed = parse_on(threads, &tables, |table| table.path.to_string());
                assert_eq!(parsed, expected, "{threads} threads");
            }
        }
    }

    #[test]
    fn small_tables_are_parsed_on_the_thread_of_the_caller() {
        let here = thread::current().id();
        let parsed = parse_all(&tables(30, 100), |_| thread::current().id());
        assert!(parsed.iter().all(|thread| *thread == here));
    }
}
