//! `bike-traffic stack --cloud`: the functions as processes on emulators of Google Cloud, with a
//! champion, and with a week played.

mod children;
mod data;
mod play;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use forecasting::time::Day;
use model::TrainRecipe;
use shared::{
    address::Address,
    clock::{Clock, SystemClock},
    event::Function,
    ports::Ports,
    registry::{ChampionError, champion},
    settings::ProcessVariables,
};

use self::{
    children::Children,
    data::Data,
    play::{Player, fill_tables},
};
use super::{OpenDataServer, PageServer, StackArguments};
use crate::{
    args::StrategyArguments,
    commands::{
        set_up::{Delivery, Emulators, NoEmulators, set_up},
        train::{self, Allowances, TrainPlan},
    },
    support::{progress, state::State, stdout, stop::StopSignals},
};

/// The folder of sample data, rejected rows and logs, if none is given.
const FOLDER: &str = "state/stack-cloud";
/// The hosts of this machine.
const LOCAL_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Runs the command until Ctrl-C or SIGTERM.
pub(super) async fn command(arguments: StackArguments) -> anyhow::Result<()> {
    let emulators = read_emulators()?;
    if let Some(url) = &arguments.open_data.open_data_url {
        bail!(
            "cannot fetch counts from {url} with --cloud, which serves those of a file; omit --open-data-url and \
             OPEN_DATA_URL"
        );
    }
    let programs = programs()?;
    let mut stop = StopSignals::listen()?;
    let folder = arguments.state.state.clone();
    let state = State::at(&folder.unwrap_or_else(|| FOLDER.into()))?;
    let mut children = Children::new(state.folder().join("logs"))?;
    let ended = tokio::select! {
        ended = run(&arguments, &emulators, &programs, &state, &mut children) => ended,
        () = stop.received() => {
            say("stopping the functions");
            children.stop().await;
            return Ok(());
        }
    };
    children.stop().await;
    ended.map(|never| match never {})
}

/// Reads the addresses of the emulators. Everything must be on emulators: the stack trains and
/// promotes models, and pushes to this machine.
fn read_emulators() -> anyhow::Result<Emulators> {
    let emulators = match Emulators::read(&ProcessVariables) {
        Err(NoEmulators::GoogleCloud) => bail!(
            "cannot start the functions on this machine for Google Cloud: its Pub/Sub cannot push to 127.0.0.1; run \
             `make emulators-run`, or `make emulators && source state/emulators/env` before this command"
        ),
        read => read.context("cannot start the functions on emulators")?,
    };
    match &emulators.addresses.registry {
        Address::Mlflow(url)
            if url
                .host_str()
                .is_some_and(|host| LOCAL_HOSTS.contains(&host)) => {}
        other => bail!(
            "cannot register models of a stack on emulators in {other}, which is not an MLflow server on this machine; \
             set MLFLOW_TRACKING_URI with `source state/emulators/env`"
        ),
    }
    Ok(emulators)
}

/// Returns the programs of the functions, which cargo builds beside this program.
fn programs() -> anyhow::Result<BTreeMap<Function, PathBuf>> {
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let program = |function: Function| (function, folder.join(function.name()));
    let programs: BTreeMap<_, _> = Function::ALL.into_iter().map(program).collect();
    let is_missing = |(_, program): &(&Function, &PathBuf)| !program.is_file();
    let missing: Vec<_> = programs.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.into_iter().map(|(name, _)| name.name()).collect();
        bail!(
            "cannot start the functions: {} has no program {}; build all of them with \
             `make build`, and run target/release/bike-traffic",
            folder.display(),
            names.join(", ")
        );
    }
    Ok(programs)
}

/// Sets everything up, starts the functions, plays, and then waits until a function ends.
async fn run(
    arguments: &StackArguments,
    emulators: &Emulators,
    programs: &BTreeMap<Function, PathBuf>,
    state: &State,
    children: &mut Children,
) -> anyhow::Result<Infallible> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let delivery = Delivery::quick();
    set_up(emulators, &BTreeMap::new(), delivery).await?;
    let ports = runtime::open(&emulators.addresses, &emulators.cloud, Arc::clone(&clock));
    let ports = progress::noting("connecting to the emulators", ports).await?;
    say(&format!("data and logs: {}", state.folder().display()));
    let data = Data::load(arguments, state, Day::of(clock.now())).await?;
    train_champion(&ports, state, &data).await?;
    let open_data = OpenDataServer::start(data.counts.clone(), clock).await?;
    let variables = variables(&arguments.strategy, open_data.base())?;
    let mut endpoints = BTreeMap::new();
    for (function, program) in programs {
        let address = children.start(*function, program, &variables);
        let starting = format!("waiting until {function} listens");
        let address = progress::noting(&starting, address).await?;
        endpoints.insert(*function, format!("http://{address}/"));
    }
    set_up(emulators, &endpoints, delivery).await?;
    let pages = PageServer::start(ports.clone(), arguments.port).await?;
    for (function, endpoint) in &endpoints {
        let log = children.log(*function).map(Path::display);
        let log = log.map_or_else(String::new, |log| format!("  log: {log}"));
        say(&format!("{:<12} {endpoint}{log}", function.name()));
    }
    say(&format!("{:<12} {}", "pages", pages.url()));
    let page = progress::noting("asking MLflow for its page", ports.registry.runs_page());
    if let Some(page) = page.await? {
        say(&format!("{:<12} {page}", "MLflow"));
    }
    let player = Player::new(&ports);
    tokio::select! {
        played = player.play(&data) => played?,
        ended = children.ended() => return Err(ended),
    }
    say("running; press Ctrl-C to stop");
    Err(children.ended().await)
}

/// Trains the first champion and writes the daily tables before the first week, unless there is a
/// champion.
async fn train_champion(ports: &Ports, state: &State, data: &Data) -> anyhow::Result<()> {
    match progress::noting("reading the registry", champion(&*ports.registry)).await {
        Ok(version) => {
            say(&format!("version {version} is the champion already"));
            return Ok(());
        }
        Err(ChampionError::Missing) => {}
        Err(error) => return Err(error.into()),
    }
    let plan = TrainPlan {
        train_path: data.inputs.train.clone(),
        test_path: data.inputs.test.clone(),
        data_source: "local",
        recipe: TrainRecipe::default(),
        environment: "local".to_owned(),
        // The stack shows its weeks whatever the champion is worth.
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    };
    let days = data.days_before();
    let filled = fill_tables(ports, &data.counts, &days);
    progress::noting("writing the daily tables", filled).await?;
    // A champion ends the preparation: an interrupted one is repeated.
    let trained = train::train(ports, state, &plan).await?;
    say(&trained.to_string());
    Ok(())
}

/// Returns the variables of the functions that differ from those of this process.
fn variables(
    strategy: &StrategyArguments,
    open_data: &reqwest::Url,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    Ok([
        ("OPEN_DATA_URL", open_data.to_string()),
        ("POLICY", serde_json::to_string(&strategy.policy)?),
        ("FINE_TUNE", serde_json::to_string(&strategy.fine_tune)?),
        // The emulator sends no tokens.
        ("PUSH_AUDIENCE", "off".to_owned()),
        ("RUST_LOG", "info".to_owned()),
    ]
    .into())
}

fn say(line: &str) {
    stdout::print_line(line, false);
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use forecasting::policy::Policy;
    use model::FineTuneRecipe;

    use super::*;

    #[derive(Parser)]
    struct Strategy {
        #[command(flatten)]
        strategy: StrategyArguments,
    }

    #[test]
    fn functions_read_the_strategy_of_the_command_line() {
        let policy = r#"{"promotion":"guarded","drift_share":0.25}"#;
        let fine_tune = r#"{"strategy":"append","epochs":7}"#;
        let words = ["test", "--policy", policy, "--fine-tune", fine_tune];
        let strategy = Strategy::parse_from(words).strategy;
        let url = "http://127.0.0.1:8080".parse().unwrap();
        let variables = variables(&strategy, &url).unwrap();
        let read: Policy = variables["POLICY"].parse().unwrap();
        assert_eq!(read, strategy.policy);
        let read: FineTuneRecipe = variables["FINE_TUNE"].parse().unwrap();
        assert_eq!(read, strategy.fine_tune);
    }
}
