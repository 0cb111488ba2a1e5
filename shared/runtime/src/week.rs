//! The check that a week is over.

use forecasting::time::{Day, Week};
use jiff::Timestamp;

use crate::Error;

/// Returns a permanent error if a week is not over: no delivery of the next days could use it.
///
/// `attempt` is the refused action, as in `cannot judge`. `command` is the command of
/// `bike-traffic` that requests it, as in `drift-check --week 2021-W30 --request`.
///
/// # Errors
/// Returns an error if the last day of the week is not before the day of `now`.
pub fn check_is_over(
    week: Week,
    now: Timestamp,
    attempt: &str,
    command: &str,
) -> Result<(), Error> {
    let last = week.last_day();
    if last < Day::of(now) {
        return Ok(());
    }
    Err(Error::permanent(format!(
        "{attempt} {week}: it ends on {last}; \
         from the next day on, run `bike-traffic {command}`"
    )))
}
