//! `bike-traffic replay`: delivers past messages and dead letters again.

mod arguments;
#[cfg(feature = "cloud")]
mod cloud;
mod dead_letters;
mod edit;
mod local;
mod report;

use anyhow::bail;
use shared::event::{Function, Topic};

pub use arguments::ReplayArguments;
#[cfg(feature = "cloud")]
pub use cloud::{CloudReplay, Span};
pub use dead_letters::{Republished, republish};
pub use report::{Delivered, Listed, ReplayReport};

use crate::support::{progress, stdout};

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    let report = replay(&arguments).await?;
    stdout::print(&report, arguments.json)?;
    report.check()
}

/// Delivers the messages that the arguments select.
///
/// # Errors
/// Returns an error if the period is empty, the target cannot be opened, or a bus fails. The report
/// counts messages that became dead letters; they are not an error here.
pub async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && to <= from
    {
        bail!(
            "cannot replay the messages from {from} to {to}: the period is empty; pass a later --to"
        )
    }
    match arguments.target.cloud {
        _ if arguments.dead_letters => dead_letters::replay(arguments).await,
        #[cfg(feature = "cloud")]
        true => progress::noting("reading the topics", cloud::replay(arguments)).await,
        #[cfg(not(feature = "cloud"))]
        true => Err(runtime::NoClients.into()),
        false => progress::noting("delivering messages", local::replay(arguments)).await,
    }
}

/// Returns the selected function, or all functions.
fn functions(selected: Option<Function>) -> Vec<Function> {
    selected.map_or_else(|| Function::ALL.to_vec(), |function| vec![function])
}

/// Returns the input topics of the selected function, or of all functions, each with its function.
fn inputs(selected: Option<Function>) -> Vec<(Function, Topic)> {
    let mut inputs = Vec::new();
    for function in functions(selected) {
        inputs.extend(function.inputs().iter().map(|topic| (function, *topic)));
    }
    inputs
}
