//! Parts of the status that cannot be read.

use std::{error::Error, io};

use serde::Serialize;
use shared::{registry::RegistryError, store::StoreError, warehouse::WarehouseError};

use crate::support::exit;

/// The part of the entries of events.
pub(super) const LEDGER: &str = "ledger";

/// The advice for a file that the user may not read.
const CHECK_RIGHTS: &str =
    "check the owner and the mode of the file and of its folders with `ls -ld`";
/// The advice for a service or a disk that is not available.
const REPEAT: &str = "run the command again when the service or the disk is available";
/// The advice for invalid contents.
const RESTORE: &str = "restore the object from a backup or an earlier generation";

/// A part of the status, or an object of it, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The part: `registry lock`, `versions`, `champion`, `on-call page`, `audit log`, `dead letters
    /// of FUNCTION`, `waiting messages of FUNCTION` or `ledger`.
    pub part: String,
    /// The error with all causes, which name the object.
    pub reason: String,
    /// The next step, by the cause of the error.
    #[serde(skip)]
    pub advice: &'static str,
}

/// Returns the value of a result; an error is added to `unreadable`.
pub(super) fn readable<T, E: Into<anyhow::Error>>(
    part: &str,
    result: Result<T, E>,
    unreadable: &mut Vec<Unreadable>,
) -> Option<T> {
    let noted = |error: E| {
        let error: anyhow::Error = error.into();
        unreadable.push(Unreadable {
            part: part.to_owned(),
            reason: exit::text_of(&error),
            advice: advice(&error),
        });
    };
    result.map_err(noted).ok()
}

/// Returns the next step after an error.
fn advice(error: &anyhow::Error) -> &'static str {
    if error.chain().any(is_denied) {
        CHECK_RIGHTS
    } else if error.chain().any(is_unavailable) && !error.chain().any(is_invalid) {
        REPEAT
    } else {
        RESTORE
    }
}

/// Returns `true` if the file system denies the access. A service that denies it names the missing
/// role itself.
fn is_denied(cause: &(dyn Error + 'static)) -> bool {
    let error = cause.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn is_unavailable(cause: &(dyn Error + 'static)) -> bool {
    matches!(
        cause.downcast_ref::<StoreError>(),
        Some(StoreError::Unavailable { .. })
    ) || matches!(
        cause.downcast_ref::<WarehouseError>(),
        Some(WarehouseError::Unavailable { .. })
    ) || matches!(
        cause.downcast_ref::<RegistryError>(),
        Some(RegistryError::Unavailable { .. })
    )
}

/// Returns `true` if contents are invalid. The registry of a local state wraps this cause as
/// unavailable.
fn is_invalid(cause: &(dyn Error + 'static)) -> bool {
    let file = cause.downcast_ref::<io::Error>();
    matches!(
        cause.downcast_ref::<StoreError>(),
        Some(StoreError::Malformed { .. })
    ) || matches!(
        cause.downcast_ref::<WarehouseError>(),
        Some(WarehouseError::Malformed { .. })
    ) || matches!(
        cause.downcast_ref::<RegistryError>(),
        Some(RegistryError::Unusable { .. })
    ) || file.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_error(source: io::Error) -> StoreError {
        StoreError::Unavailable {
            verb: "read",
            address: "file:///state/object.json".to_owned(),
            source: source.into(),
        }
    }

    #[test]
    fn advice_fits_the_cause() {
        let registry_error = |source: StoreError| RegistryError::Unavailable {
            verb: "read",
            source: source.into(),
        };
        let invalid = || StoreError::Malformed {
            address: "file:///state/object.json".to_owned(),
            source: "expected value".into(),
        };
        let denied = || store_error(io::ErrorKind::PermissionDenied.into());
        let down = || store_error(io::ErrorKind::ConnectionRefused.into());
        let errors: [(anyhow::Error, &str); 7] = [
            (denied().into(), CHECK_RIGHTS),
            (registry_error(denied()).into(), CHECK_RIGHTS),
            (invalid().into(), RESTORE),
            (registry_error(invalid()).into(), RESTORE),
            (
                store_error(io::ErrorKind::InvalidData.into()).into(),
                RESTORE,
            ),
            (down().into(), REPEAT),
            (registry_error(down()).into(), REPEAT),
        ];
        for (error, expected) in errors {
            let mut unreadable = Vec::new();
            let text = exit::text_of(&error);
            assert_eq!(
                readable("ledger", Err::<(), _>(error), &mut unreadable),
                None
            );
            assert_eq!(unreadable[0].advice, expected, "{text}");
        }
    }
}
