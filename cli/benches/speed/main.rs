//! Benchmarks. `make bench` runs them in release mode and prints one line per measurement.
//!
//! They are a separate program, not tests, because a slow machine is not a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot run ends"
)]

mod features;
mod hostile;
mod memory;
mod merge;
mod processes;
mod serving;
mod strategies;
mod timing;

use std::path::PathBuf;

// One thread: the client of the serving bench must not take the cores of the server.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo runs a bench in its package's folder, but data paths are relative to the workspace.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .expect("the workspace folder exists");
    // `cargo bench` passes `--bench`. Another argument selects one benchmark.
    let part = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    // Only `make bench-memory` runs the first two; the first one needs emulators. The last two run
    // in child processes of other benchmarks.
    match part.as_deref() {
        Some("memory") => return memory::bench().await,
        Some(hostile::NAME) => return hostile::bench().await,
        Some(memory::QUERY) => return memory::query_alone().await,
        Some(merge::ALONE) => return merge::alone(),
        _ => {}
    }
    let is_selected = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let data = data();
    println!("data: {}", data.train.display());
    if is_selected("features") {
        features::bench(&data.train);
    }
    if is_selected("merge") {
        merge::bench(&data.train);
    }
    if is_selected("processes") {
        processes::bench(&data).await;
    }
    if is_selected("serving") {
        serving::bench(&data).await;
    }
    if is_selected(strategies::NAME) {
        strategies::bench(&data).await;
    }
}

/// The input files: those of the environment variables, or sample data of the same size.
struct Data {
    train: PathBuf,
    test: PathBuf,
    live: PathBuf,
}

fn data() -> Data {
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench reads its data paths itself"
    )]
    let path = |name: &str| std::env::var(name).ok().map(PathBuf::from);
    match (
        path("TRAIN_DATA_PATH"),
        path("TEST_DATA_PATH"),
        path("LIVE_DATA_PATH"),
    ) {
        (Some(train), Some(test), Some(live)) => Data { train, test, live },
        _ => sample(),
    }
}

fn sample() -> Data {
    let folder = std::env::temp_dir().join("bike-traffic-bench-data");
    let settings = cli::support::sample_data::Settings {
        counters: 56,
        ..cli::support::sample_data::Settings::default()
    };
    let written = cli::support::sample_data::write(&settings, &folder, &mut |_, _| {})
        .expect("sample data can be written");
    Data {
        train: written.train.path,
        test: written.test.path,
        live: written.live.path,
    }
}
