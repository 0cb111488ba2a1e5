//! Merging the training file with a million and with ten million counts, each in a process of its own.

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

/// Rows and counters, so that both are of a year.
const SIZES: [(u64, u32); 2] = [(1_000_000, 100), (10_000_000, 1_000)];
/// Chooses the part of this program that is a process of its own.
pub(crate) const ALONE: &str = "merge-alone";

pub(crate) fn bench(train: &Path) {
    for (rows, counters) in SIZES {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let exports = folder.path().join("exports");
        let settings = Settings {
            counters,
            ..Settings::default()
        }
        .with_rows(rows)
        .expect("they fit");
        sample_data::write(&settings, &exports, &mut |_, _| {})
            .expect("sample data can be written");
        let output = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--bench", ALONE])
            .args([train, &exports, &folder.path().join("next.csv.gz")])
            .stderr(Stdio::inherit())
            .output()
            .expect("it starts");
        assert!(output.status.success(), "the merge failed");
        println!(
            "merging the training file with {rows} rows: {}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
}

/// The merge of the paths that the command line ends with, in this process.
pub(crate) fn alone() {
    let paths: Vec<_> = std::env::args_os().map(PathBuf::from).collect();
    let [.., baseline, exports, output] = paths.as_slice() else {
        unreachable!("`bench` gives three paths")
    };
    let plan = MergePlan {
        baseline: baseline.clone(),
        exports: vec![exports.clone()],
        test_period: None,
        output: output.clone(),
        rejects: output.with_extension("rejects.csv"),
    };
    let start = Instant::now();
    let report = merge(&plan).expect("they can be merged");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} rows in {seconds:.1} s, peak memory {} MiB",
        report.rows,
        timing::peak_memory_mib()
    );
}
