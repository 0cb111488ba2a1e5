//! Refusals of `stack --cloud`, which works on emulators only.

use std::{fs, path::Path, process::Command};

use crate::process::{bike_traffic, error_of};

const EMULATORS: [(&str, &str); 3] = [
    ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1"),
    ("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1"),
    ("PUBSUB_EMULATOR_HOST", "127.0.0.1:1"),
];

/// Runs the command with these variables and the names of a deployment. Returns its error.
fn refusal(mut command: Command, variables: &[(&str, &str)]) -> String {
    let output = command
        .env("GCS_BUCKET", "a-bucket")
        .env("GOOGLE_CLOUD_PROJECT", "a-project")
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

#[test]
fn stack_for_google_cloud_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let command = || bike_traffic(folder.path(), &["stack", "--cloud"]);
    for missing in 0..EMULATORS.len() {
        let mut others = EMULATORS.to_vec();
        others.remove(missing);
        let error = refusal(command(), &others);
        assert!(
            error.contains("cannot push to 127.0.0.1") && error.contains("make emulators-run"),
            "{error}"
        );
    }
    let elsewhere = [("MLFLOW_TRACKING_URI", "https://mlflow.example/")];
    let error = refusal(command(), &[&EMULATORS[..], &elsewhere].concat());
    assert!(
        error.contains("https://mlflow.example/")
            && error.contains("not an MLflow server on this machine"),
        "{error}"
    );
    let live = [("OPEN_DATA_URL", "https://opendata.example/")];
    let error = refusal(command(), &[&EMULATORS[..], &live].concat());
    assert!(
        error.contains("omit --open-data-url and OPEN_DATA_URL"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn missing_programs_of_functions_are_named_with_the_command_that_builds_them() {
    let own = Path::new(env!("CARGO_BIN_EXE_bike-traffic"));
    // A link must be on the same file system.
    let folder = tempfile::tempdir_in(own.parent().unwrap()).unwrap();
    let alone = folder.path().join("bike-traffic");
    fs::hard_link(own, &alone).unwrap();
    let mut command = Command::new(&alone);
    command
        .args(["stack", "--cloud"])
        .current_dir(folder.path())
        .env_clear();
    let error = refusal(command, &EMULATORS);
    assert!(
        error.contains("make build")
            && error.contains("ingest, predict, drift-check, fine-tune, evaluate, promote"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
