//! The files with which Python's MLflow loads a model folder as a model of the `xgboost` flavor.
//!
//! The files equal those of `mlflow.xgboost.save_model` of MLflow 3.17, except that the time is
//! omitted and the id is not random. So saving a model again writes identical files.
//!
//! The booster predicts the square root of a count. The metadata of the model have the formula and
//! the bias factor that make it a forecast.

use forecasting::features::{COLUMNS, Frame, TARGET};
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    store::{Store, StoreError, read_json},
};

use crate::{BOOSTER_FILE, ModelCard};

/// The maximum number of rows of the input example.
const EXAMPLE_ROWS: usize = 10;
const EXAMPLE_FILE: &str = "input_example.json";
/// The MLflow release whose format the files have.
const MLFLOW_VERSION: &str = "3.17.2";
/// A Python version that XGBoost 3.2 and later supports.
const PYTHON_VERSION: &str = "3.11";

/// The Python requirements. XGBoost before 3.2 silently ignores the base score of the booster.
const REQUIREMENTS: [&str; 2] = ["mlflow>=3", "xgboost>=3.2"];

/// Training rows, stored as MLflow's input example. Includes the counter's category code, and `NaN`
/// for unknown values.
#[derive(Debug, Default)]
pub(crate) struct Example(Vec<f32>);

/// Rows in the `split` format of pandas, with `null` for `NaN`.
#[derive(Serialize, Deserialize)]
struct Split {
    columns: Vec<String>,
    data: Vec<Vec<Option<f64>>>,
}

impl Example {
    /// Takes rows at equal intervals from a frame, because the first rows have no history.
    pub(crate) fn of(frame: &Frame) -> Self {
        let step = frame.len().div_ceil(EXAMPLE_ROWS).max(1);
        Self(
            frame
                .values()
                .chunks(COLUMNS.len())
                .step_by(step)
                .flatten()
                .copied()
                .collect(),
        )
    }

    /// Reads the example of a saved model. Returns an empty example if there is none.
    pub(crate) async fn load(store: &dyn Store, folder: &ObjectPath) -> Result<Self, StoreError> {
        match read_json::<Split>(store, &folder.join(EXAMPLE_FILE)).await {
            Ok((split, _)) => {
                // Every number was written from an `f32`.
                let value = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
                Ok(Self(split.data.into_iter().flatten().map(value).collect()))
            }
            Err(StoreError::NotFound { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn to_json(&self) -> String {
        let value = |value: &f32| (!value.is_nan()).then(|| f64::from(*value));
        let split = Split {
            columns: COLUMNS.map(str::to_owned).to_vec(),
            data: self
                .0
                .chunks(COLUMNS.len())
                .map(|row| row.iter().map(value).collect())
                .collect(),
        };
        // Serialization cannot fail: the value consists of numbers and strings.
        serde_json::to_string(&split).unwrap_or_default()
    }
}

/// Returns the names and contents of the files.
pub(crate) fn files(card: &ModelCard, example: &Example) -> [(&'static str, String); 5] {
    [
        ("MLmodel", description(card)),
        (EXAMPLE_FILE, example.to_json()),
        (
            "requirements.txt",
            REQUIREMENTS
                .map(|requirement| format!("{requirement}\n"))
                .concat(),
        ),
        ("python_env.yaml", python_environment()),
        ("conda.yaml", conda_environment()),
    ]
}

/// Returns the contents of the file `MLmodel`. Its columns have the type `double`, as in pandas;
/// XGBoost converts them to `f32`. Its output is the square root of a count.
fn description(card: &ModelCard) -> String {
    let column =
        |name: &str| format!(r#"{{"type": "double", "name": "{name}", "required": true}}"#);
    let inputs = COLUMNS.map(column).join(", ");
    // Half of the checksum has the length of MLflow's random id and is unique to this booster.
    let id: String = card.sha256.short(32).to_owned();
    let (xgboost_version, bias_factor) = (&card.xgboost_version, card.bias_factor);
    format!(
        "\
flavors:
  python_function:
    data: {BOOSTER_FILE}
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.xgboost
    python_version: '{PYTHON_VERSION}'
  xgboost:
    code: null
    data: {BOOSTER_FILE}
    model_class: xgboost.core.Booster
    model_format: ubj
    xgb_version: {xgboost_version}
metadata:
  bias_factor: {bias_factor:?}
  forecast: max(prediction, 0)^2 * bias_factor
  target: sqrt({TARGET})
mlflow_version: {MLFLOW_VERSION}
model_uuid: '{id}'
saved_input_example_info:
  artifact_path: {EXAMPLE_FILE}
  pandas_orient: split
  type: dataframe
signature:
  inputs: '[{inputs}]'
  outputs: '[{{\"type\": \"tensor\", \"tensor-spec\": {{\"dtype\": \"float32\", \"shape\": [-1]}}}}]'
  params: null
"
    )
}

fn python_environment() -> String {
    format!(
        "python: '{PYTHON_VERSION}'\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"
    )
}

fn conda_environment() -> String {
    let requirements = REQUIREMENTS
        .map(|requirement| format!("  - {requirement}\n"))
        .concat();
    format!(
        "channels:\n- conda-forge\ndependencies:\n- python={PYTHON_VERSION}\n- pip\n- pip:\n{requirements}name: mlflow-env\n"
    )
}
