//! Reading the training file and building its features; `pandas_features.py` does the same with pandas.

use std::{path::Path, time::Instant};

use forecasting::{
    counts,
    features::{FeatureSpec, Frame},
};

use crate::timing;

const RUNS: usize = 7;

pub(crate) fn bench(train: &Path) {
    let (mut whole, mut reading) = (Vec::new(), Vec::new());
    let mut rows = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut counts = counts::read_file(train, &mut Vec::new()).expect("the file can be read");
        counts.deduplicate();
        reading.push(start.elapsed());
        let spec = FeatureSpec::for_counters(counts.counters());
        rows = Frame::of_counts(&spec, &[], &counts).len();
        whole.push(start.elapsed());
    }
    timing::print("reading the training file", &mut reading);
    timing::print(
        &format!("reading it and building the features of {rows} rows"),
        &mut whole,
    );
    println!("peak memory of the two: {} MiB", timing::peak_memory_mib());
}
