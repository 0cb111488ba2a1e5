//! Replays messages from the log of the embedded bus.

use std::sync::Arc;

use shared::{
    Timestamp,
    bus::LoggedMessage,
    clock::{Clock, SystemClock},
    store::read_json,
};

use super::{Delivered, Listed, ReplayArguments, ReplayReport, inputs};
use crate::{
    commands::stack::{LocalStack, StackSettings, open_data},
    support::{embedded_bus::Replay, state::State},
};

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let state = state(arguments)?;
    let replay = Replay {
        function: arguments.function,
        from: arguments.from.unwrap_or(Timestamp::MIN),
        to: arguments.to.unwrap_or(Timestamp::MAX),
    };
    if arguments.dry_run {
        return Ok(ReplayReport::nothing(messages(&state, replay).await?));
    }
    run(arguments, &state, Arc::new(SystemClock), Some(replay))
        .await
        .map(ReplayReport::Delivered)
}

/// Starts the stack and lets the bus deliver the messages that it has not delivered yet.
pub(super) async fn deliver(
    arguments: &ReplayArguments,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Delivered> {
    run(arguments, &state(arguments)?, clock, None).await
}

fn state(arguments: &ReplayArguments) -> anyhow::Result<State> {
    State::existing(&arguments.target.state)
}

async fn run(
    arguments: &ReplayArguments,
    state: &State,
    clock: Arc<dyn Clock>,
    replay: Option<Replay>,
) -> anyhow::Result<Delivered> {
    let dead_letters_before = LocalStack::dead_letters(state).await?;
    let source = open_data(arguments.open_data.clone(), state, Arc::clone(&clock)).await?;
    let settings = StackSettings::new(arguments.strategy.clone(), Arc::clone(&source.client));
    let rows_before = state
        .open(Arc::clone(&clock))?
        .warehouse
        .audit_log()
        .await?
        .len();
    let stack = LocalStack::start(state, clock, settings).await?;
    stack.bus.idle().await;
    let messages = match replay {
        Some(replay) => stack.bus.replay(replay).await?,
        None => 0,
    };
    stack.bus.idle().await;
    Ok(Delivered {
        messages,
        audit_rows: stack.ports.warehouse.audit_log().await?.len() - rows_before,
        dead_letters: LocalStack::dead_letters(state).await? - dead_letters_before,
        dead_letters_in: state.folder().join("bus/bus/topics"),
    })
}

async fn messages(state: &State, replay: Replay) -> anyhow::Result<Vec<Listed>> {
    let store = state.open_bus_store()?;
    let mut found = Vec::new();
    for (function, topic) in inputs(replay.function) {
        for path in store.list(&format!("bus/topics/{topic}/")).await? {
            let (message, _) = read_json::<LoggedMessage>(&*store, &path).await?;
            if (replay.from..replay.to).contains(&message.published_at) {
                let data = message.data.to_bytes();
                found.push(Listed::new(
                    function,
                    message.published_at,
                    message.message_id.0,
                    &data,
                ));
            }
        }
    }
    Ok(found)
}
