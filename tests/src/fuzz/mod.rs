//! The checks of the fuzz targets: each function asserts properties of a parser for any input.
//!
//! The folder `fuzz` has one target per function and the seeds of each. `make fuzz` runs them, and
//! `tests/it/fuzz.rs` checks all seeds in `make test`.

mod address;
mod counts_csv;
mod envelope;
mod events;
mod explore_reply;
mod model_card;
mod policy;
mod stored;
mod ubj;

use std::{
    collections::HashSet,
    fmt::{Debug, Display},
    str::FromStr,
};

use forecasting::counts::{Counter, CounterKey, Counts, read};

pub use address::address;
pub use counts_csv::counts_csv;
pub use envelope::envelope;
pub use events::events;
pub use explore_reply::explore_reply;
pub use model_card::model_card;
pub use policy::policy;
pub use stored::stored;
pub use ubj::ubj;

/// A function that panics if a property does not hold for an input.
pub type Check = fn(&[u8]);

/// All fuzz targets: their names, and the functions that they call.
pub const TARGETS: [(&str, Check); 9] = [
    ("address", address),
    ("counts_csv", counts_csv),
    ("envelope", envelope),
    ("events", events),
    ("explore_reply", explore_reply),
    ("model_card", model_card),
    ("policy", policy),
    ("stored", stored),
    ("ubj", ubj),
];

/// Asserts that a value that can be parsed is parsed unchanged from its `Display` form.
fn assert_displayed_as_parsed<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        assert_eq!(shown.parse::<T>().ok(), Some(value), "{shown:?}");
    }
}

/// Asserts that counts are read unchanged from the file that they were written to.
fn assert_read_back(counts: &Counts, file: &[u8]) {
    if has_ambiguous_names(counts.counters()) {
        return;
    }
    let mut rejects = Vec::new();
    let found = read(file, &mut rejects).expect("a written file is readable");
    assert_eq!(rejects, []);
    let (expected, found) = (counts.normalized(), found.normalized());
    assert_eq!(found.counters(), expected.counters());
    assert_eq!(found.rows(), expected.rows());
}

/// Returns `true` if counters `NAME` and `NAME (ID)` exist, and the first one has this id. They are
/// one counter or two, depending on the order of the rows.
fn has_ambiguous_names(counters: &[Counter]) -> bool {
    let keys: HashSet<CounterKey> = counters.iter().map(Counter::key).collect();
    let separate = |counter: &Counter| {
        let id = counter.id.as_ref()?;
        Some(CounterKey::of_name(&format!("{} ({id})", counter.name)))
    };
    counters
        .iter()
        .filter_map(separate)
        .any(|key| keys.contains(&key))
}
