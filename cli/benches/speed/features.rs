//! Reads the training file and builds its features. `pandas_features.py` does the same with pandas.

use std::{path::Path, time::Instant};

use forecasting::{
    counts,
    features::{FeatureSpec, Frame},
};

use crate::timing;

const RUNS: usize = 7;

pub(crate) fn bench(train: &Path) {
    let (mut total, mut reading) = (Vec::new(), Vec::new());
    let mut rows = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut counts = counts::read_file(train, &mut Vec::new()).expect("the file can be read");
        counts.deduplicate();
        reading.push(start.elapsed());
        let spec = FeatureSpec::for_counters(counts.counters());
        rows = Frame::from_counts(&spec, &[], &counts).len();
        total.push(start.elapsed());
    }
    timing::print("read the training file", &mut reading);
    timing::print(
        &format!("read the training file and build the features of {rows} rows"),
        &mut total,
    );
    println!(
        "read and build features: peak memory {} MiB",
        timing::peak_memory_mib()
    );
}
