//! The work beside the functions: an operator's rollback, and the end of a training.

use std::{error::Error, sync::Arc};

use model::Model;
use shared::{
    Timestamp,
    audit::AuditEntry,
    event::{EventId, Function},
    ports::Ports,
    registry::{Operator, Promoted, Promotion, Run, complete_last_change, promote},
};

use crate::template::run_name;

/// Makes the previous champion the champion again, as the command `rollback` does. Returns a
/// description of the outcome.
pub(crate) async fn roll_back(ports: Ports) -> String {
    describe(try_roll_back(&ports).await)
}

/// Saves a model and registers its run, as a training does. Returns a description of the outcome.
pub(crate) async fn register(ports: Ports, model: Arc<Model>) -> String {
    describe(try_register(&ports, &model).await)
}

type Outcome = Result<String, Box<dyn Error + Send + Sync>>;

fn describe(outcome: Outcome) -> String {
    outcome.unwrap_or_else(|error| format!("error: {error}"))
}

async fn try_roll_back(ports: &Ports) -> Outcome {
    let registry = &*ports.registry;
    let seen = registry.champion_state().await?;
    complete_last_change(registry, &seen).await?;
    // A second rollback would undo the first.
    let is_rollback = seen.last_change.is_some_and(|change| change.is_rollback);
    let previous = seen
        .previous
        .filter(|version| Some(*version) != seen.champion);
    let Some(previous) = previous.filter(|_| !is_rollback) else {
        return Ok("there is no champion to return to".to_owned());
    };
    let promotion = Promotion::rollback(&Operator::named("simulation"), &seen, previous);
    if promote(registry, &promotion).await? != Promoted::Done {
        return Ok("the champion changed meanwhile".to_owned());
    }
    let subject = format!("rollback-{}", seen.changes + 1);
    let row = AuditEntry::new("rolled-back", format!("to version {previous}")).into_row(
        ports.clock.now(),
        Function::Promote,
        EventId::of(Function::Promote, subject),
        "simulation",
    );
    ports.warehouse.record(&row.by_operator()).await?;
    Ok(format!("version {previous} is champion again"))
}

async fn try_register(ports: &Ports, model: &Model) -> Outcome {
    let run = Run::new(run_name("retrained"), Timestamp::UNIX_EPOCH);
    model.save(&*ports.store, &run.artifacts).await?;
    let version = ports.registry.register(&run).await?;
    Ok(format!("registered version {version}"))
}
