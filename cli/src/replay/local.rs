//! Messages in the log of the embedded bus.

use std::sync::Arc;

use anyhow::bail;
use shared::{
    Timestamp,
    bus::{LoggedMessage, Replay},
    clock::{Clock, SystemClock},
    store::read_json,
};

use super::{
    ReplayArguments, functions,
    list::{self, Listed},
};
use crate::{
    exit::Failure,
    stack::{LocalStack, StackSettings, open_data},
    state::State,
};

pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    let state = state(&arguments)?;
    let replay = Replay {
        function: arguments.function,
        from: arguments.from.unwrap_or(Timestamp::MIN),
        to: arguments.to.unwrap_or(Timestamp::MAX),
    };
    if arguments.dry_run {
        list::print(messages(&state, replay).await?);
        return Ok(());
    }
    run(&arguments, &state, Arc::new(SystemClock), Some(replay)).await
}

/// Brings the stack up and lets the bus deliver what it has not delivered yet.
pub(crate) async fn deliver(arguments: &ReplayArguments, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    run(arguments, &state(arguments)?, clock, None).await
}

fn state(arguments: &ReplayArguments) -> anyhow::Result<State> {
    let state = State::at(&arguments.place.state)?;
    if !state.folder().join("bus").exists() {
        bail!("there is no state in {}; give the folder with --state", state.folder().display());
    }
    Ok(state)
}

async fn run(
    arguments: &ReplayArguments,
    state: &State,
    clock: Arc<dyn Clock>,
    replay: Option<Replay>,
) -> anyhow::Result<()> {
    let letters_before = LocalStack::dead_letters(state).await?;
    let source = open_data(arguments.open_data.clone(), state, Arc::clone(&clock)).await?;
    let settings = StackSettings::new(arguments.strategy.clone(), Arc::clone(&source.client));
    let rows_before = state.open(Arc::clone(&clock))?.warehouse.audit_log().await?.len();
    let stack = LocalStack::start(state, clock, settings).await?;
    stack.bus.idle().await;
    let messages = match replay {
        Some(replay) => stack.bus.replay(replay).await?,
        None => 0,
    };
    stack.bus.idle().await;
    let rows = stack.ports.warehouse.audit_log().await?.len() - rows_before;
    println!("{messages} messages delivered again; {rows} new rows in the audit log");
    let letters = LocalStack::dead_letters(state).await? - letters_before;
    if letters > 0 {
        let address = state.folder().join("bus/bus/topics").display().to_string();
        bail!(Failure::DeadLetters { letters, address });
    }
    Ok(())
}

async fn messages(state: &State, replay: Replay) -> anyhow::Result<Vec<Listed>> {
    let store = state.open_bus_store()?;
    let mut found = Vec::new();
    for function in functions(replay.function) {
        for path in store.list(&format!("bus/topics/{}/", function.input())).await? {
            let (message, _) = read_json::<LoggedMessage>(&*store, &path).await?;
            if (replay.from..replay.to).contains(&message.published_at) {
                let data = message.data.to_bytes();
                found.push(Listed::new(function, message.published_at, message.message_id.0, &data));
            }
        }
    }
    Ok(found)
}
