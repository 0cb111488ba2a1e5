//! End-to-end tests on the embedded stack, one scenario per file.

mod backfill;
mod one_trace;
mod paris;
mod poison;
mod promotion;
mod restart;
mod retraining;
mod sample_events;
mod training;
mod without_coordinates;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Parser;
use cli::{
    command_line::{Arguments, Command},
    commands::run::Inputs,
    support::{
        sample_data::{self, Settings, Written},
        state::State,
    },
};
use forecasting::time::Day;
use shared::{Timestamp, clock::SimulatedClock};

/// Returns the default strategy parameters of the command line.
fn strategy() -> cli::args::StrategyArguments {
    let arguments =
        Arguments::try_parse_from(["bike-traffic", "run"]).expect("the arguments are valid");
    match arguments.command {
        Command::Run(arguments) => arguments.strategy,
        other => panic!("{other:?}"),
    }
}

/// Writes a sample of few counters and short periods: two weekly checks take seconds.
fn small_sample(folder: &Path) -> Inputs {
    let settings = Settings {
        counters: 6,
        train_days: 120,
        test_days: 40,
        live_days: 14,
        ..Settings::default()
    };
    let written =
        sample_data::write(&settings, folder, &mut |_, _| {}).expect("sample data can be written");
    inputs(&written)
}

/// Returns the paths of the written files.
fn inputs(written: &Written) -> Inputs {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Inputs {
        train: text(&written.train.path),
        test: text(&written.test.path),
        live: text(&written.live.path),
    }
}

/// Returns the contents of every file of a state by path, without those of the bus, whose log grows
/// with each delivery.
fn snapshot(state: &State) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<_> = ["objects", "warehouse", "registry"]
        .map(|part| state.folder().join(part))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the state is a folder") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let contents = fs::read(&path).expect("the file can be read");
                files.insert(path, contents);
            }
        }
    }
    assert!(
        files.len() > 30,
        "too few files for a meaningful comparison"
    );
    files
}

/// Asserts that the forecasts of a day are corrected and have intervals, so that a comparison of
/// snapshots covers both.
async fn assert_corrected(state: &State, day: Day) {
    let clock = Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH));
    let ports = state.open(clock).expect("the state can be opened");
    let forecasts = ports.warehouse.forecasts(day, day).await;
    let forecasts = forecasts.expect("the forecasts can be read");
    for row in &forecasts {
        let (correction, silent) = (
            row.correction.expect("correction"),
            row.silent == Some(true),
        );
        let expected = if silent {
            0.0
        } else {
            correction * row.uncorrected()
        };
        assert_eq!(row.prediction, expected, "{row:?}");
        assert_eq!(row.prediction_low_80.is_none(), silent, "{row:?}");
        assert_eq!(row.prediction_high_95.is_none(), silent, "{row:?}");
    }
    let corrected = forecasts.iter().filter(|row| row.correction != Some(1.0));
    assert!(corrected.count() > 24, "few corrections on {day}");
}

/// Asserts that the snapshots are equal. Lists the changed files without their contents.
fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let paths = before
        .keys()
        .chain(after.keys())
        .collect::<std::collections::BTreeSet<_>>();
    let changed: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(changed.is_empty(), "changed: {changed:#?}");
}
