//! Rules that hold when nothing waits any more.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use shared::warehouse::{EmbeddedWarehouse, Warehouse};

use super::{
    champion::decision_says_what_the_event_moved,
    tables::{decision_says_that_the_event_forecast, table_is_of_one_reply},
};
use crate::{
    bus::Bus,
    facts::{Check, Facts, ensure},
    ports::{Services, Stores},
};

/// The contents of all objects, by store and path.
pub(crate) type State = BTreeMap<String, Bytes>;

/// Checks the rules that hold once every message was delivered without faults.
pub(crate) async fn at_the_end(services: &Services) -> Check {
    {
        let (facts, bus) = (services.observer.facts(), services.bus.lock().unwrap());
        event_is_either_complete_or_a_dead_letter(&facts, &bus)?;
        recorded_events_are_published(&facts, &bus)?;
        decision_says_what_the_event_moved(&facts)?;
        decision_says_that_the_event_forecast(&facts)?;
    }
    table_has_the_newest_accepted_reply(services).await?;
    forecasts_have_their_counts(services).await
}

/// Every published event is complete in the ledger and has no dead letter, or it has at least one
/// dead letter and the ledger says so.
fn event_is_either_complete_or_a_dead_letter(facts: &Facts, bus: &Bus) -> Check {
    let rule = "event_is_either_complete_or_a_dead_letter";
    for published in &bus.messages {
        let Some(key) = published.key() else { continue };
        let progress = facts.progress.get(&key).cloned().unwrap_or_default();
        let is_complete = progress.completed.is_some();
        ensure(is_complete != progress.is_dead_lettered, rule, || {
            format!("{} {}: {progress:?}", key.0, key.1)
        })?;
        let published = bus
            .messages
            .iter()
            .filter(|message| message.dead_letter().as_ref() == Some(&key))
            .count();
        let is_consistent = (published > 0) == progress.is_dead_lettered;
        ensure(
            is_consistent && published == progress.dead_letters,
            rule,
            || format!("{} {} has {published} dead letters", key.0, key.1),
        )?;
    }
    Ok(())
}

/// The events that a complete ledger entry records are published.
fn recorded_events_are_published(facts: &Facts, bus: &Bus) -> Check {
    for ((function, event_id), progress) in &facts.progress {
        let events = progress.completed.iter().flat_map(|known| &known.events);
        for event in events {
            let is_published = bus.messages.iter().any(|published| {
                published.topic == event.topic && published.message.data == event.data.as_bytes()
            });
            ensure(is_published, "recorded_events_are_published", || {
                format!("{function} {event_id} did not publish {}", event.data)
            })?;
        }
    }
    Ok(())
}

/// A daily table has the counts of the newest reply that a request accepted.
async fn table_has_the_newest_accepted_reply(services: &Services) -> Check {
    let newest_counts = services.observer.facts().newest_counts.clone();
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&services.stores.warehouse));
    for (day, newest) in newest_counts {
        let counts = warehouse.counts(day, day).await.unwrap();
        let counts: Vec<_> = counts.rows().iter().map(|row| row.count).collect();
        let version = table_is_of_one_reply(day, &counts)?;
        ensure(
            version == newest,
            "table_has_the_newest_accepted_reply",
            || format!("the table of {day} has reply {version}, but reply {newest} was accepted"),
        )?;
    }
    Ok(())
}

/// The forecasts for a day have the counts of that day in the end, in whichever order the messages
/// arrived.
async fn forecasts_have_their_counts(services: &Services) -> Check {
    let forecasts = services.observer.facts().forecasts.clone();
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&services.stores.warehouse));
    for (day, forecasts) in forecasts {
        let counts = warehouse.counts(day, day).await.unwrap();
        let is_counted = |forecast: &&shared::warehouse::Forecast| {
            let counter = counts.find(&forecast.counter_key());
            counts
                .rows()
                .iter()
                .any(|row| Some(row.counter) == counter && row.hour == forecast.hour)
        };
        let missing = forecasts
            .iter()
            .filter(is_counted)
            .find(|forecast| forecast.actual.is_none());
        ensure(missing.is_none(), "forecasts_have_their_counts", || {
            format!("{day} has counts, but its forecasts do not: {missing:?}")
        })?;
    }
    Ok(())
}

/// The delivery of all messages once more changes no object.
pub(crate) fn replay_changes_nothing(before: &State, after: &State) -> Check {
    let changed: Vec<_> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(*bytes))
        .map(|(path, _)| path)
        .collect();
    ensure(changed.is_empty(), "replay_changes_nothing", || {
        format!("{changed:?} changed")
    })
}

/// Returns the contents of all stores.
pub(crate) async fn state(stores: &Stores) -> State {
    let mut state = State::new();
    for (name, store) in stores.all() {
        for path in store.list("").await.unwrap() {
            let bytes = store.read(&path).await.unwrap().bytes;
            state.insert(format!("{name}/{path}"), bytes);
        }
    }
    state
}
