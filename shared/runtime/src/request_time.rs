//! The check of the times in requests.

use jiff::{SignedDuration, Timestamp};

use crate::Error;

/// The time by which the clock of another machine may be ahead.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Returns a permanent error if a time in a request is in the future: `again`, the time of the work
/// that it repeats, or `requested_at`. It is part of the event id, so such a request would be
/// handled beside that of the true time.
///
/// `attempt` is the refused action, as in `cannot judge 2021-W30 again`. `command` is the command
/// of `bike-traffic` that requests it, as in `drift-check --week 2021-W30 --request --again`.
///
/// # Errors
/// Returns an error if the time is more than five minutes after `now`.
pub fn check_is_past(
    (field, time): (&str, Option<Timestamp>),
    now: Timestamp,
    attempt: &str,
    command: &str,
) -> Result<(), Error> {
    let future = time.filter(|time| time.duration_since(now) > CLOCK_TOLERANCE);
    match future {
        None => Ok(()),
        Some(time) => Err(Error::permanent(format!(
            "{attempt}: the field `{field}` of the request is {time}, and it is {now}; run \
             `bike-traffic {command}`, which sets the field"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use shared::retryability::Retryability;

    use super::*;

    #[test]
    fn time_in_the_future_is_a_permanent_error() {
        let now: Timestamp = "2021-08-02T05:00:00Z".parse().unwrap();
        let check = |again: Option<&str>| {
            let again = again.map(|again| again.parse().unwrap());
            let again = ("again", again);
            check_is_past(again, now, "cannot judge 2021-W30 again", "drift-check")
        };
        for again in [
            None,
            Some("2021-07-26T05:00:00Z"),
            Some("2021-08-02T05:05:00Z"),
        ] {
            assert!(check(again).is_ok(), "{again:?}");
        }
        let error = check(Some("2021-08-02T05:05:00.001Z")).unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent);
        assert_eq!(
            error.to_string(),
            "cannot judge 2021-W30 again: the field `again` of the request is \
             2021-08-02T05:05:00.001Z, and it is 2021-08-02T05:00:00Z; run `bike-traffic \
             drift-check`, which sets the field"
        );
    }
}
