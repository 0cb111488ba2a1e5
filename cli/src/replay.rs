//! `bike-traffic replay`: messages of the past, delivered again.

use std::sync::Arc;

use anyhow::bail;
use shared::{
    bus::Replay,
    clock::{Clock, SystemClock},
};

use crate::{
    arguments::ReplayArguments,
    exit::Failure,
    stack::{LocalStack, StackSettings, open_data},
    state::State,
};

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    let state = State::at(&arguments.state.state)?;
    if !state.folder().join("bus").exists() {
        bail!("there is no state in {}; give the folder with --state", state.folder().display());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = open_data(arguments.open_data, &state, Arc::clone(&clock)).await?;
    let settings = StackSettings::new(arguments.strategy, Arc::clone(&source.client));
    let stack = LocalStack::start(&state, clock, settings).await?;
    stack.bus.idle().await;
    let rows_before = stack.ports.warehouse.audit_log().await?.len();
    let letters_before = LocalStack::dead_letters(&state).await?;
    let replay = Replay { function: arguments.function, from: arguments.from, to: arguments.to };
    let messages = stack.bus.replay(replay).await?;
    stack.bus.idle().await;
    let rows = stack.ports.warehouse.audit_log().await?.len() - rows_before;
    println!("{messages} messages delivered again; {rows} new rows in the audit log");
    let letters = LocalStack::dead_letters(&state).await? - letters_before;
    if letters > 0 {
        let address = state.folder().join("bus/bus/topics").display().to_string();
        bail!(Failure::DeadLetters { letters, address });
    }
    Ok(())
}
