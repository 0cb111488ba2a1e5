//! The files with which Python's MLflow loads a model folder.
//!
//! The folder has two flavors. `python_function` forecasts from raw counts, by [`CODE`]. `xgboost`
//! is the booster alone, which predicts the square root of a count from the matrix of features. The
//! metadata of the model have the formula and the bias factor that make it a forecast.
//!
//! The files have the format of MLflow 3.17, except that the time is omitted and the id is not
//! random. So saving a model again writes identical files.

mod example;
mod importance;

use forecasting::{checksum::Checksum, features::TARGET};

use crate::{BOOSTER_FILE, ModelCard};
use example::EXAMPLE_FILE;
use importance::IMPORTANCE_FILE;

pub(crate) use example::Example;

/// The Python module that forecasts from raw counts.
const CODE: &str = include_str!("mlflow/forecast.py");
/// The columns of the input, named like those of the daily tables.
const INPUT_COLUMNS: [&str; 4] = [
    "nom_du_compteur",
    "date_et_heure_de_comptage",
    "comptage_horaire",
    "coordonnees_geographiques",
];
/// The columns of the input, named as in the public export.
const FRENCH_COLUMNS: [&str; 4] = [
    "Nom du compteur",
    "Date et heure de comptage",
    "Comptage horaire",
    "Coordonnées géographiques",
];
/// The MLflow release whose format the files have.
const MLFLOW_VERSION: &str = "3.17.2";
/// A Python version that XGBoost 3.2 and later supports.
const PYTHON_VERSION: &str = "3.11";

/// The Python requirements. XGBoost before 3.2 silently ignores the base score of the booster.
const REQUIREMENTS: [&str; 4] = ["mlflow>=3", "numpy>=1.26", "pandas>=2.2", "xgboost>=3.2"];

/// Returns the names and contents of the files.
///
/// `shares` are the importance of the features.
pub(crate) fn files(
    card: &ModelCard,
    example: &Example,
    shares: &[(&str, f64)],
) -> [(String, String); 7] {
    let module = module();
    let requirements = REQUIREMENTS.map(|requirement| format!("{requirement}\n"));
    [
        (format!("code/{module}.py"), CODE.to_owned()),
        ("MLmodel".to_owned(), description(card, &module)),
        (EXAMPLE_FILE.to_owned(), example.to_json()),
        (IMPORTANCE_FILE.to_owned(), importance::plot(shares)),
        ("requirements.txt".to_owned(), requirements.concat()),
        ("python_env.yaml".to_owned(), python_environment()),
        ("conda.yaml".to_owned(), conda_environment()),
    ]
}

/// Returns the name of the module of [`CODE`].
///
/// It has the start of the checksum, because a Python process imports a module name once: a second
/// model with other code of the same name would run the code of the first.
fn module() -> String {
    format!("bike_traffic_{}", Checksum::of(CODE.as_bytes()).short(8))
}

/// Returns the contents of the file `MLmodel`.
///
/// All columns are optional, so that tables with either header pass the schema of MLflow. The code
/// names the missing ones. They have the type `any`, because the others refuse integers, missing
/// values, datetimes or categories.
fn description(card: &ModelCard, module: &str) -> String {
    let column = |name: &str| format!(r#"{{"type": "any", "name": "{name}", "required": false}}"#);
    let inputs = [INPUT_COLUMNS, FRENCH_COLUMNS]
        .concat()
        .into_iter()
        .map(column)
        .collect::<Vec<_>>()
        .join(", ");
    // Half of the checksum has the length of MLflow's random id and is unique to this booster.
    let id: String = card.sha256.short(32).to_owned();
    let (xgboost_version, bias_factor) = (&card.xgboost_version, card.bias_factor);
    format!(
        "\
flavors:
  python_function:
    code: code
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: {module}
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
  outputs: '[{{\"type\": \"double\", \"name\": \"prediction\", \"required\": true}}]'
  params: '[{{\"name\": \"correct\", \"type\": \"boolean\", \"default\": true, \"shape\": null}}]'
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
