//! The fixtures: data, and the results of the Python package for them.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use xgboost::{DMatrix, RoundProgress};

/// The rows of all cases.
#[derive(Deserialize)]
pub(crate) struct Data {
    pub(crate) columns: usize,
    pub(crate) train: Part,
    pub(crate) test: Part,
}

/// Rows with two targets.
#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(deserialize_with = "null_is_missing")]
    pub(crate) rows: Vec<f32>,
    pub(crate) labels: Vec<f32>,
    pub(crate) counts: Vec<f32>,
}

/// A training in Python with its results.
#[derive(Deserialize)]
pub(crate) struct Case {
    params: BTreeMap<String, String>,
    pub(crate) rounds: u32,
    #[serde(default)]
    pub(crate) patience: u32,
    #[serde(default)]
    pub(crate) best_round: u32,
    pub(crate) predictions: Vec<f32>,
    pub(crate) contributions: Vec<f32>,
    /// The score of each round, by data set and metric.
    pub(crate) history: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

impl Data {
    pub(crate) fn read() -> Self {
        read_json("data.json")
    }

    pub(crate) fn train_matrix(&self) -> DMatrix {
        self.matrix(&self.train, &self.train.labels)
    }

    pub(crate) fn test_matrix(&self) -> DMatrix {
        self.matrix(&self.test, &self.test.labels)
    }

    pub(crate) fn matrix(&self, part: &Part, labels: &[f32]) -> DMatrix {
        let mut matrix = DMatrix::dense(&part.rows, self.columns).unwrap();
        matrix.set_labels(labels).unwrap();
        matrix
    }
}

impl Case {
    pub(crate) fn read(name: &str) -> Self {
        read_json(&format!("{name}.json"))
    }

    pub(crate) fn params(&self) -> Vec<(&str, &str)> {
        self.params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

pub(crate) fn model_bytes(name: &str) -> Vec<u8> {
    fs::read(path(&format!("{name}.ubj"))).unwrap()
}

/// Continues a training after each round.
pub(crate) fn go_on(_: RoundProgress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Asserts that numbers are equal within 1e-6, relative to those above one.
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let tolerance = 1e-6 * expected.abs().max(1.0);
        assert!(
            (actual - expected).abs() <= tolerance,
            "value {index}: expected {expected}, found {actual}"
        );
    }
}

pub(crate) fn read_json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(path(name)).unwrap()).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn null_is_missing<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<f32>, D::Error> {
    let values = Vec::<Option<f32>>::deserialize(source)?;
    Ok(values
        .into_iter()
        .map(|value| value.unwrap_or(f32::NAN))
        .collect())
}
