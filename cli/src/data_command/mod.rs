//! `bike-traffic data`: whether the data sets are what their manifests say, and where they come from.

mod arguments;
mod history;
mod verify;

use std::sync::Arc;

use shared::clock::SystemClock;

pub use arguments::{DataArguments, DataCommand};
pub use history::{History, history};
pub use verify::{Verification, verify};

use crate::stdout;

/// Runs the command.
pub(crate) async fn command(arguments: DataArguments) -> anyhow::Result<()> {
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    match arguments.command {
        DataCommand::History => stdout::print(&history(&*ports.store).await?, arguments.json),
        DataCommand::Verify => {
            let verification = verify(&*ports.store).await?;
            stdout::print(&verification, arguments.json)?;
            verification.result()
        }
    }
}
