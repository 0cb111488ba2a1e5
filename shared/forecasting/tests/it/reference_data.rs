//! The reference data beside the project: large, shared with others, not committed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// Returns the folder of reference data, or nothing where it is absent: then the test is to
/// return.
///
/// A skipped test says so past the capture of the test runner. Under CI, where `CI` is set, it
/// fails, lest nobody notice.
pub(crate) fn folder() -> Option<PathBuf> {
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut candidates = ancestors.map(|ancestor| ancestor.join("shared/data"));
    if let Some(folder) = candidates.find(|folder| folder.join("paris").is_dir()) {
        return Some(folder);
    }

    let absent = "reference data is absent: no folder shared/data beside the project".to_owned();
    assert!(std::env::var_os("CI").is_none(), "{absent}");
    announce_skip(&absent);
    None
}

#[expect(
    clippy::explicit_write,
    reason = "eprintln! is captured in a test that passes"
)]
fn announce_skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test");
    writeln!(std::io::stderr(), "SKIPPED {test}: {reason}").unwrap();
}
