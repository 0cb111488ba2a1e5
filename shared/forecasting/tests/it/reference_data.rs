//! Access to the reference data, which is too large to be committed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// Returns the folder of the reference data. On `None`, the test must return early.
///
/// If the folder is absent, reports the skipped test on the uncaptured standard error.
///
/// # Panics
/// Panics in CI, where `CI` is set, so that no test is skipped unnoticed.
pub(crate) fn folder() -> Option<PathBuf> {
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut candidates = ancestors.map(|ancestor| ancestor.join("shared/data"));
    if let Some(folder) = candidates.find(|folder| folder.join("paris").is_dir()) {
        return Some(folder);
    }

    let absent = "no reference data: no ancestor folder has shared/data/paris".to_owned();
    assert!(std::env::var_os("CI").is_none(), "{absent}");
    announce_skip(&absent);
    None
}

#[expect(
    clippy::explicit_write,
    reason = "the test runner captures eprintln! in tests that pass"
)]
fn announce_skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test");
    writeln!(std::io::stderr(), "SKIPPED {test}: {reason}").unwrap();
}
