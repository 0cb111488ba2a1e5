//! Time and peak memory of the function `fine-tune` for each strategy, on 724,000 rows.
//!
//! Each strategy is requested from a process of its own, on local files, and a delivery is measured
//! from request to response: reading, features, training, scores and registration.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc, time::Instant};

use cli::{
    commands::train::{Allowances, TrainPlan, train},
    support::state::State,
};
use fine_tune::Window;
use forecasting::{
    counts::{self, Counts},
    policy::Policy,
    time::Week,
};
use jiff::Timestamp;
use model::TrainRecipe;
use serde_json::json;
use shared::{
    clock::SystemClock,
    ports::Ports,
    registry::{Alias, Version},
};

use crate::{Data, memory::Process, processes::on_files};

/// The argument that selects this benchmark.
pub(crate) const NAME: &str = "fine-tune";

/// The number of rows of the sliding window: baseline and later days.
const ROWS: usize = 724_000;
/// The goals on two cores. The memory is that of the service.
const GOAL_SECONDS: f64 = 60.0;
const GOAL_MEBIBYTES: u64 = 2048;
const STRATEGIES: [&str; 4] = ["append", "leaf-refit", "sliding-window", "auto"];
const HOURS_PER_WEEK: i32 = 7 * 24;

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let state = State::at(folder.path()).expect("the state folder is valid");
    let ports = state
        .open(Arc::new(SystemClock))
        .expect("the state can be opened");
    let live = read(&data.live);
    let (first, last) = live.period().expect("the live data are not empty");
    for day in first.day().through(last.day()) {
        ports
            .warehouse
            .replace_counts(day, &live.days(day, day), Timestamp::UNIX_EPOCH)
            .await
            .expect("counts can be stored");
    }
    // The last week whose Sunday has counts.
    let week = last.day().plus(-6).week();
    let last_training = Window::before(&Policy::default(), week).last_training;
    let later_rows = live.days(first.day(), last_training).len();
    let baseline = extended(&read(&data.train), ROWS.saturating_sub(later_rows));
    train_champion(&ports, &state, &baseline, &data.test).await;
    println!(
        "fine-tune: {} rows of the baseline and {later_rows} later rows, {} cores",
        baseline.len(),
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    for strategy in STRATEGIES {
        measure(&ports, state.folder(), week, strategy).await;
    }
}

fn read(path: &Path) -> Counts {
    let mut counts = counts::read_file(path, &mut Vec::new()).expect("the file can be read");
    counts.deduplicate();
    counts
}

/// Extends counts into the past with copies of their last rows, until there are `rows` counts.
///
/// A copy is earlier by whole weeks, so its weekdays are those of the original.
fn extended(counts: &Counts, rows: usize) -> Counts {
    let (first, last) = counts.period().expect("the training data are not empty");
    let weeks = (last.number() - first.number()) / HOURS_PER_WEEK + 1;
    let mut extended = counts.clone();
    for copy in 1.. {
        let missing = rows.saturating_sub(extended.len());
        if missing == 0 {
            break;
        }
        for row in counts.rows().iter().rev().take(missing) {
            let hour = row.hour.plus(-copy * weeks * HOURS_PER_WEEK);
            extended.push(row.counter, hour, row.count);
        }
    }
    extended.deduplicate();
    extended
}

async fn train_champion(ports: &Ports, state: &State, baseline: &Counts, test: &Path) {
    let path = state.folder().join("baseline.csv");
    let file = File::create(&path).expect("the state folder can be written");
    counts::write_french(baseline, file).expect("the baseline can be written");
    let plan = TrainPlan {
        train_path: path.to_string_lossy().into_owned(),
        test_path: test.to_string_lossy().into_owned(),
        data_source: "local",
        recipe: TrainRecipe::default(),
        environment: "local".to_owned(),
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    };
    train(ports, state, &plan)
        .await
        .expect("the champion can be trained");
}

async fn measure(ports: &Ports, state: &Path, week: Week, strategy: &str) {
    let mut variables: BTreeMap<_, _> = on_files(state).into_iter().collect();
    variables.insert("PUSH_AUDIENCE", "off".to_owned());
    let request = json!({
        "type": "fine-tune-requested",
        "week": week,
        "reason": "a benchmark",
        "strategy": strategy,
        "requested_at": ports.clock.now(),
    });
    let before = challenger(ports).await;
    let process = Process::start("fine-tune", &variables);
    let start = Instant::now();
    process.push(request.to_string().as_bytes()).await;
    let seconds = start.elapsed().as_secs_f64();
    let peak = process.peak_mebibytes();
    let challenger = challenger(ports).await;
    assert_ne!(challenger, before, "{strategy} must train a challenger");
    let version = challenger.expect("a challenger was trained");
    let run = ports.registry.version(version).await;
    let tags = run.expect("the challenger is registered").run.tags;
    let verdict = if seconds <= GOAL_SECONDS && peak <= GOAL_MEBIBYTES {
        "within"
    } else {
        "OVER"
    };
    println!(
        "fine-tune {strategy} on {ROWS} rows: {seconds:.1} s, peak memory {peak} MiB, {verdict} {GOAL_SECONDS} s and \
         {GOAL_MEBIBYTES} MiB; {} on {} rows",
        tags["strategy"], tags["train_size"]
    );
}

async fn challenger(ports: &Ports) -> Option<Version> {
    let alias = ports.registry.alias(Alias::Challenger).await;
    alias.expect("the registry can be read")
}
