//! State folders that do not exist, and states with a spoilt object.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::process::{KillOnDrop, bike_traffic, error_of, names, run};

/// Some editors on Windows write such files.
#[test]
fn dotenv_file_may_begin_with_a_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        "\u{feff}BIKE_TRAFFIC_STATE=from-file\r\n",
    )
    .unwrap();
    let errors = error_of(&run(folder.path(), &["status"]));
    assert!(errors.contains("from-file does not exist"), "{errors}");
}

#[test]
fn missing_state_folder_is_an_error_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["status"][..],
        &["model-card"],
        &["drift-check", "--week", "2021-W30"],
        &["drift-check", "--week", "2021-W30", "--request"],
        &["fine-tune", "--week", "2021-W30"],
        &["ingest", "--from", "2021-07-19", "--to", "2021-07-19"],
        &["ingest", "--from", "2021-07-19", "--dry-run"],
        &["data", "verify"],
        &["data", "history"],
        &["replay", "--from", "2021-07-26T00:00:00Z", "--dry-run"],
        &["replay", "--dead-letters", "--dry-run"],
        &["rollback"],
        &["rollback", "--to", "7"],
        &["registry-unlock", "--reason", "a test"],
        &["export"],
        &["publish-baseline"],
        &["retrain", "--quarterly", "--dry-run"],
    ] {
        let arguments = [arguments, &["--state", "no-such-state"]].concat();
        let output = run(folder.path(), &arguments);
        let errors = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(
            errors.contains("no-such-state does not exist"),
            "{arguments:?}: {errors}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(names(folder.path()), BTreeSet::new());
}

#[test]
fn stack_says_that_it_has_created_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["stack", "--state", "new", "--port", "0"];
    for is_new in [true, false] {
        let mut command = bike_traffic(folder.path(), &arguments);
        let mut stack = KillOnDrop(command.stdout(Stdio::piped()).spawn().unwrap());
        let output = BufReader::new(stack.0.stdout.take().unwrap());
        let lines = output.lines().map(Result::unwrap);
        let lines: Vec<_> = lines
            .take_while(|line| !line.starts_with("running"))
            .collect();
        let is_notice =
            |line: &String| line.starts_with("created the state folder") && line.ends_with("/new");
        assert_eq!(lines.iter().any(is_notice), is_new, "{lines:?}");
    }
}

/// Otherwise `status` would show the empty state instead of that of the last run.
#[test]
fn training_without_its_files_creates_no_state() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["train"][..],
        &[
            "train",
            "--train-path",
            "absent.csv",
            "--test-path",
            "absent.csv",
        ],
    ] {
        let output = run(folder.path(), arguments);
        let errors = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains("--train-path"), "{arguments:?}: {errors}");
    }
    assert_eq!(names(folder.path()), BTreeSet::new());
}

#[test]
fn replay_of_an_empty_period_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let period = ["replay", "--from", "2021-07-26", "--to", "2021-07-26"];
    let output = run(folder.path(), &period);
    let errors = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the period is empty"), "{errors}");
}

#[test]
fn state_folder_with_a_tilde_is_rejected_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "BIKE_TRAFFIC_STATE=~/x\n").unwrap();
    for arguments in [
        &["ingest", "--from", "2021-07-19", "--to", "2021-07-19"][..],
        &["status", "--state", "~/x"],
        &["stack"],
        &["run", "--states", "~/x"],
    ] {
        let output = run(folder.path(), arguments);
        let errors = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains("write `$HOME/x`"), "{errors}");
    }
    assert_eq!(names(folder.path()), BTreeSet::from([".env".to_owned()]));
}

#[test]
fn status_with_a_spoilt_object_shows_the_rest_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("state/local/registry/registry");
    fs::create_dir_all(&registry).unwrap();
    fs::write(registry.join("bike-traffic-champion.json"), "{").unwrap();
    let output = run(folder.path(), &["status"]);
    let (text, errors) = (
        String::from_utf8(output.stdout.clone()).unwrap(),
        error_of(&output),
    );
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        text.contains("unknown") && text.contains("no unfinished events"),
        "{text}"
    );
    for output in [&text, &errors] {
        assert!(output.contains("bike-traffic-champion.json"), "{output}");
    }
    let json = run(folder.path(), &["status", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["versions"], &json["unreadable"][0]["part"]),
        (&Value::Null, &"versions".into())
    );
}
