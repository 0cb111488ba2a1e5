//! Parts of the status that cannot be read.

use serde::Serialize;

use crate::support::exit;

/// The part of the entries of events.
pub(super) const LEDGER: &str = "ledger";

/// A part of the status, or an object of it, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The part: `registry lock`, `versions`, `champion`, `on-call page`, `audit log`, `dead letters
    /// of FUNCTION`, `waiting messages of FUNCTION` or `ledger`.
    pub part: String,
    /// The error with all causes, which name the object.
    pub reason: String,
}

/// Returns the value of a result; an error is added to `unreadable`.
pub(super) fn readable<T, E: Into<anyhow::Error>>(
    part: &str,
    result: Result<T, E>,
    unreadable: &mut Vec<Unreadable>,
) -> Option<T> {
    let reason = |error: E| exit::text_of(&error.into());
    let noted = |error| {
        unreadable.push(Unreadable {
            part: part.to_owned(),
            reason: reason(error),
        });
    };
    result.map_err(noted).ok()
}
