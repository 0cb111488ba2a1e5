//! Speed: `make bench` runs this in release mode and prints one line for each figure of the README.
//!
//! It is a program of its own and not a test: a slow machine is no failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot run ends"
)]

mod features;
mod memory;
mod merge;
mod processes;
mod serving;
mod timing;

use std::path::PathBuf;

// One thread: the client of the serving bench must not take the cores of the server.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo runs a bench in its package's folder; paths are given from the project's root.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .expect("the project has a root");
    // `cargo bench` passes `--bench`; a name that follows chooses one part.
    let part = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    // The first two need emulators, so they are part of nothing but `make bench-memory`.
    match part.as_deref() {
        Some("memory") => return memory::bench().await,
        Some(memory::QUERY) => return memory::query_alone().await,
        Some(merge::ALONE) => return merge::alone(),
        _ => {}
    }
    let is_chosen = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let data = data();
    println!("data: {}", data.train.display());
    if is_chosen("features") {
        features::bench(&data.train);
    }
    if is_chosen("merge") {
        merge::bench(&data.train);
    }
    if is_chosen("processes") {
        processes::bench(&data).await;
    }
    if is_chosen("serving") {
        serving::bench(&data).await;
    }
}

/// The files that everything is measured on: those of the environment, or sample data of the same size.
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
