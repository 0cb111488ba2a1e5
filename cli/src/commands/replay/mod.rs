//! `bike-traffic replay`: messages of the past and dead letters, delivered again.

mod arguments;
mod cloud;
mod dead_letters;
mod edit;
mod local;
mod report;

use shared::event::Function;

pub use arguments::ReplayArguments;
pub use cloud::{CloudReplay, Span};
pub use dead_letters::{Republished, republish};
pub use report::{Delivered, Listed, ReplayReport};

use crate::support::stdout;

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    let report = replay(&arguments).await?;
    stdout::print(&report, arguments.json)?;
    report.check()
}

/// Delivers what the arguments name.
///
/// # Errors
/// When a place cannot be opened, or a bus fails. Messages that became dead letters are no error but in the report.
pub async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    match arguments.place.cloud {
        _ if arguments.dead_letters => dead_letters::replay(arguments).await,
        true => cloud::replay(arguments).await,
        false => local::replay(arguments).await,
    }
}

/// Returns the function that was named, or all.
fn functions(named: Option<Function>) -> Vec<Function> {
    named.map_or_else(|| Function::ALL.to_vec(), |function| vec![function])
}
