//! `bike-traffic run`: runs the whole loop on one machine, in simulated time.

mod arguments;
mod drive;
mod inputs;
mod summary;
mod tracks;
mod week;

use std::sync::Arc;

use ::report::publish::Page;
use anyhow::bail;
use google_cloud::ExploreClient;
use model::{Device, TrainRecipe};
use shared::clock::{Clock, SimulatedClock};

pub use arguments::RunArguments;
pub use drive::{Drive, Live};
pub use inputs::Inputs;
pub use summary::Summary;
pub use tracks::{Promotions, Tracks, TracksErrors, TracksWeek};
pub use week::{Decision, WeekEntry};

use self::tracks::Race;
use crate::{
    args::StrategyArguments,
    commands::{
        report,
        stack::{LocalStack, OpenDataServer, StackSettings},
        train::{self, Allowances, TrainPlan},
    },
    support::{
        exit::{self, Failure},
        last_run, progress,
        sample_data::Settings,
        state::State,
        stdout,
    },
};

/// Runs the command.
pub(crate) async fn command(arguments: RunArguments) -> anyhow::Result<()> {
    let as_json = arguments.json;
    let mut print_line = |line: String| stdout::print_line(&line, as_json);
    let paths = [
        arguments.train_path,
        arguments.test_path,
        arguments.live_path,
    ];
    let folder = arguments.states.join("sample-data");
    let inputs = Inputs::choose(paths, (&Settings::default(), &folder), &mut print_line)?;
    let name = || inputs.state_name(&arguments.strategy);
    let name = progress::noting_here("finding the state of these data", name)?;
    let state = State::at(&arguments.states.join(&name))?;
    print_line(format!("state: {}", state.folder().display()));
    let summary = play(&inputs, &state, arguments.strategy, &mut print_line).await?;
    last_run::record(&arguments.states, &name)?;
    stdout::print(&summary, as_json)?;
    if summary.dead_letters > 0 {
        let address = state.folder().join("bus/bus/topics").display().to_string();
        bail!(Failure::DeadLetters {
            dead_letters: summary.dead_letters,
            address
        });
    }
    Ok(())
}

/// Trains a champion and runs the live data through the stack. Passes each line of the timeline to
/// `print_line` as soon as it is known.
///
/// # Errors
/// Returns an error if data cannot be read or a part of the stack fails. The summary counts
/// messages that became dead letters; they are not an error here.
pub async fn play(
    inputs: &Inputs,
    state: &State,
    strategy: StrategyArguments,
    print_line: &mut dyn FnMut(String),
) -> anyhow::Result<Summary> {
    let live = Live::load(inputs, state).await?;
    let simulated = SimulatedClock::new(live.first_day().at(0));
    let clock: Arc<dyn Clock> = Arc::new(simulated.clone());
    let plan = TrainPlan {
        train_path: inputs.train.clone(),
        test_path: inputs.test.clone(),
        data_source: "local",
        recipe: TrainRecipe {
            device: Device::Cpu,
            ..TrainRecipe::default()
        },
        environment: "local".to_owned(),
        // A simulation shows its weeks whatever the champion is worth.
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    };
    let trained = train::train(&state.open(Arc::clone(&clock))?, state, &plan).await?;
    print_line(trained.to_string());
    let server = OpenDataServer::start(live.counts().clone(), Arc::clone(&clock)).await?;
    let open_data = Arc::new(ExploreClient::new(server.base().clone()));
    let policy = strategy.policy.clone();
    let fine_tune = strategy.fine_tune.clone();
    let stack = LocalStack::start(state, clock, StackSettings::new(strategy, open_data)).await?;
    // The policy that does not act plays beside the stack, in memory.
    let race = Race::start(&stack.ports, &live, &trained, &policy, fine_tune);
    let race = progress::noting("copying the state for the other tracks", race).await?;
    let mut drive = Drive::new(&stack, simulated, live, &trained, policy).await?;
    progress::noting("writing the history", drive.seed_history()).await?;
    let weeks = drive.run_live_data(print_line).await?;
    // The functions wrote the page after the last decision. Days were ingested since.
    let written = report::write_page(&stack.ports, Page::Index);
    if let Err(error) = progress::noting("making the page", written).await {
        tracing::warn!(error = %exit::text_of(&error), "cannot write page");
    }
    let dead_letters = LocalStack::dead_letters(state).await?;
    let tracks = race.finish(&stack.ports, &weeks);
    let tracks = progress::noting("finishing the other tracks", tracks).await?;
    Summary::store(&*stack.ports.store, trained, weeks, tracks, dead_letters).await
}
