//! Merges the training file with one and with ten million counts, each in a separate process.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use cli::{
    commands::merge_baseline::{MergePlan, merge},
    support::sample_data::{self, Settings},
};

use crate::timing;

/// Pairs of rows and counters. Each pair covers about a year.
const SIZES: [(u64, u32); 2] = [(1_000_000, 100), (10_000_000, 1_000)];
/// The argument that runs [`alone`] in a child process.
pub(crate) const ALONE: &str = "merge-alone";

pub(crate) fn bench(train: &Path) {
    for (rows, counters) in SIZES {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let exports = folder.path().join("exports");
        let settings = Settings {
            counters,
            ..Settings::default()
        }
        .with_rows(rows)
        .expect("the number of rows fits the settings");
        sample_data::write(&settings, &exports, &mut |_, _| {})
            .expect("sample data can be written");
        let output = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--bench", ALONE])
            .args([train, &exports, &folder.path().join("next.csv.gz")])
            .stderr(Stdio::inherit())
            .output()
            .expect("the process starts");
        assert!(output.status.success(), "the merge failed");
        println!(
            "merge the training file with {rows} rows: {}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
}

/// Merges the baseline and the exports named by the last arguments, in this process.
pub(crate) fn alone() {
    let paths: Vec<_> = std::env::args_os().map(PathBuf::from).collect();
    let [.., baseline, exports, output] = paths.as_slice() else {
        unreachable!("`bench` passes three paths")
    };
    let plan = MergePlan {
        baseline: baseline.clone(),
        exports: vec![exports.clone()],
        test_period: None,
        test_rejected: 0,
        output: output.clone(),
        rejects: output.with_extension("rejects.csv"),
    };
    let start = Instant::now();
    let report = merge(&plan).expect("the files can be merged");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} rows in {seconds:.1} s, peak memory {} MiB",
        report.rows,
        timing::peak_memory_mib()
    );
}
