//! Rules of the daily tables and of the files of a model.

use forecasting::time::Day;
use shared::{event::Function, warehouse::Forecast};

use super::leases::delivery_without_lease_replaces_nothing;
use crate::{
    city::version_of,
    facts::{Check, Facts, ensure},
    observer::Write,
};

/// Checks a new table of counts, and records the newest reply.
pub(super) fn after_counts_write(
    facts: &mut Facts,
    write: &Write<'_>,
    day: Day,
    counts: &[u32],
) -> Check {
    delivery_without_lease_replaces_nothing(facts, write)?;
    let version = table_is_of_one_reply(day, counts)?;
    let newest = facts.newest_counts.entry(day).or_default();
    *newest = version.max(*newest);
    Ok(())
}

/// All counts of a daily table are of one reply. Returns the version of the reply.
pub(super) fn table_is_of_one_reply(
    day: Day,
    counts: &[u32],
) -> Result<u32, crate::facts::Violation> {
    let versions: std::collections::BTreeSet<_> = counts.iter().copied().map(version_of).collect();
    ensure(versions.len() == 1, "table_is_of_one_reply", || {
        format!("{day}: {versions:?}")
    })?;
    Ok(versions.into_iter().next().unwrap_or_default())
}

/// Checks new forecasts.
pub(super) fn after_forecasts_write(
    facts: &mut Facts,
    write: &Write<'_>,
    day: Day,
    forecasts: Vec<Forecast>,
) -> Check {
    delivery_without_lease_replaces_nothing(facts, write)?;
    forecasts_of_a_past_day_stay(facts, write, day, &forecasts)?;
    record_author(facts, write, day, &forecasts);
    facts.forecasts.insert(day, forecasts);
    Ok(())
}

/// Records the event whose delivery made the forecasts, unless it added only counts to them.
fn record_author(facts: &mut Facts, write: &Write<'_>, day: Day, forecasts: &[Forecast]) {
    let before = facts.forecasts.get(&day).map(|known| without_counts(known));
    if before == Some(without_counts(forecasts)) {
        return;
    }
    if let Some((_, (_, event_id))) = facts.delivery(write.process) {
        let event_id = event_id.clone();
        facts.forecast_by.insert(day, event_id);
    }
}

/// The decision of an event that made the forecasts for a day is `forecast`, although a repeated
/// delivery may find that the day is over.
pub(super) fn decision_says_that_the_event_forecast(facts: &Facts) -> Check {
    let rule = "decision_says_that_the_event_forecast";
    for (day, event_id) in &facts.forecast_by {
        let key = (Function::Predict, event_id.clone());
        let completed = facts
            .progress
            .get(&key)
            .and_then(|known| known.completed.as_ref());
        let decision = completed.map(|completed| completed.decision.as_str());
        ensure(decision == Some("forecast"), rule, || {
            format!("{event_id} made the forecasts for {day}, but is {decision:?}")
        })?;
    }
    Ok(())
}

/// A delivery that starts after the end of a day changes none of the forecasts that the day has
/// then, except for their counts.
fn forecasts_of_a_past_day_stay(
    facts: &Facts,
    write: &Write<'_>,
    day: Day,
    forecasts: &[Forecast],
) -> Check {
    let Some(work) = facts.works.get(&write.process) else {
        return Ok(());
    };
    let Some(at_start) = work.forecasts.get(&day) else {
        return Ok(());
    };
    let is_past = day < Day::of(work.started_at);
    let after = without_counts(forecasts);
    // Another delivery may have replaced them since, before the day was over.
    let before = facts.forecasts.get(&day).map(|known| without_counts(known));
    let is_unchanged = after == without_counts(at_start) || Some(&after) == before.as_ref();
    ensure(
        !is_past || is_unchanged,
        "forecasts_of_a_past_day_stay",
        || format!("{} changed the forecasts for {day}", work.author),
    )
}

fn without_counts(forecasts: &[Forecast]) -> Vec<Forecast> {
    let strip = |forecast: &Forecast| Forecast {
        actual: None,
        ..forecast.clone()
    };
    forecasts.iter().map(strip).collect()
}

/// A file of a model never changes, least of all that of a registered version.
pub(super) fn files_of_a_model_stay(facts: &Facts, write: &Write<'_>) -> Check {
    let is_changed = write
        .before
        .as_ref()
        .is_some_and(|before| *before != write.after);
    ensure(!is_changed, "files_of_a_model_stay", || {
        let run = write.path.split('/').nth(2).unwrap_or_default();
        let registered = facts.runs.contains(run);
        format!(
            "{} changed; the run is registered: {registered}",
            write.path
        )
    })
}
