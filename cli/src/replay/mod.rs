//! `bike-traffic replay`: messages of the past and dead letters, delivered again.

mod arguments;
mod cloud;
mod edit;
mod letters;
mod list;
mod local;

pub use arguments::ReplayArguments;
pub use cloud::{CloudReplay, Span};
pub use letters::{PutBack, put_back};
pub use list::Listed;
use shared::event::Function;

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    if arguments.dead_letters {
        return letters::command(arguments).await;
    }
    if arguments.place.cloud { cloud::command(&arguments).await } else { local::command(arguments).await }
}

/// Returns the function that was named, or all.
fn functions(named: Option<Function>) -> Vec<Function> {
    named.map_or_else(|| Function::ALL.to_vec(), |function| vec![function])
}
