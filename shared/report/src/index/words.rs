//! Instants in words.

use forecasting::time::paris;
use jiff::Timestamp;

/// Formats an instant in Paris: `2021-08-02 07:00`.
pub(crate) fn instant(instant: Timestamp) -> String {
    instant
        .to_zoned_datetime(paris())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}
