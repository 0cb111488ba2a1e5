//! `bike-traffic data`: verifies data sets against their manifests and shows their history.

mod arguments;
mod history;
mod verify;

use std::sync::Arc;

use shared::clock::SystemClock;

pub use arguments::{DataArguments, DataCommand, HistoryArguments, VerifyArguments};
pub use history::{History, history};
pub use verify::{Verification, verify};

use crate::support::{progress, stdout};

/// Runs the command.
pub(crate) async fn command(arguments: DataArguments) -> anyhow::Result<()> {
    match arguments.command {
        DataCommand::History(HistoryArguments { target, json }) => {
            let ports = target.open_existing(Arc::new(SystemClock)).await?;
            let history = history(&*ports.store);
            let history = progress::noting("reading the manifests", history).await?;
            stdout::print(&history, json)
        }
        DataCommand::Verify(VerifyArguments { target, json }) => {
            let ports = target.open_existing(Arc::new(SystemClock)).await?;
            let verification = verify(&*ports.store);
            let verification = progress::noting("reading the data sets", verification).await?;
            stdout::print(&verification, json)?;
            verification.result()
        }
    }
}
