//! Files of counts.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Export, MAXIMUM_COUNT, read_export, write_french},
    time::Hour,
};
use jiff::Timestamp;

use super::assert_read_back;

/// 2026-01-01T00:00:00Z.
const NOW_SECONDS: i64 = 1_767_225_600;

/// Reads a file of counts.
///
/// Asserts that each row is a count, a duplicate or rejected, that each rejected row has the number
/// of a line of its own, that each counter and hour has one plausible count, and that the counts
/// are read unchanged after writing them as the city does.
pub fn counts_csv(data: &[u8]) {
    let now = Timestamp::from_second(NOW_SECONDS).expect("the time is valid");
    let mut rejects = Vec::new();
    let Ok(Export { counts, summary }) = read_export(data, now, &mut rejects) else {
        assert_eq!(rejects, []);
        return;
    };
    assert!(summary.is_balanced(), "{summary:?}");
    assert_eq!(summary.counts, counts.len() as u64);
    assert_eq!(summary.rejected, rejects.len() as u64);
    let numbers: BTreeSet<u64> = rejects.iter().map(|reject| reject.row).collect();
    assert_eq!(numbers.len(), rejects.len(), "{rejects:?}");
    let breaks = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
    let lines = 2..=breaks.count() as u64 + 1;
    assert!(numbers.iter().all(|number| lines.contains(number)));

    let keys: BTreeSet<_> = counts
        .rows()
        .iter()
        .map(|row| (row.hour, row.counter))
        .collect();
    assert_eq!(keys.len(), counts.len());
    for row in counts.rows() {
        assert!(row.count <= MAXIMUM_COUNT && row.hour <= Hour::containing(now));
    }

    let mut file = Vec::new();
    write_french(&counts, &mut file).expect("writing to memory succeeds");
    assert_read_back(&counts, &file);
}
