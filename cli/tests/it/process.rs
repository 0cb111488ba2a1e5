//! `bike-traffic` as a process: exit codes, `.env`, Ctrl-C, and what it prints where.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use flate2::read::GzDecoder;
use serde_json::Value;

/// The command with nothing in its environment but the search path.
fn bike_traffic(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bike-traffic"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    bike_traffic(folder, arguments).output().unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", error_of(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&text_of(output)).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_exit_code_tells_a_failure_from_a_command_line_that_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["--version"]).status.code(), Some(0));
    let failed = run(
        folder.path(),
        &["split", "--input", "absent.csv", "--out", "out"],
    );
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        error_of(&failed).contains("absent.csv"),
        "{}",
        error_of(&failed)
    );
    for senseless in [
        vec!["trian"],
        vec!["drift-check", "--week", "2021-W60"],
        vec![],
    ] {
        assert_eq!(
            run(folder.path(), &senseless).status.code(),
            Some(2),
            "{senseless:?}"
        );
    }
}

#[test]
fn nothing_is_coloured_off_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        vec!["--help"],
        vec!["trian"],
        vec![
            "sample-data",
            "--out",
            "data",
            "--counters",
            "2",
            "--train-days",
            "40",
        ],
    ] {
        let Output { stdout, stderr, .. } = run(folder.path(), &arguments);
        assert!(
            !stdout.contains(&0x1b) && !stderr.contains(&0x1b),
            "{arguments:?}"
        );
        assert!(!stdout.is_empty() || !stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn progress_off_a_terminal_is_a_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &[
            "sample-data",
            "--out",
            "data",
            "--counters",
            "2",
            "--train-days",
            "40",
        ],
    );
    let lines: Vec<Value> = error_of(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["message"], &last["done"]),
        (&"writing".into(), &last["total"])
    );
    assert_eq!(lines.len(), 10, "one for each tenth");
}

#[test]
fn results_are_text_or_json_of_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let sample = [
        "sample-data",
        "--out",
        "data",
        "--counters",
        "2",
        "--train-days",
        "40",
        "--live-days",
        "3",
    ];
    let text = text_of(&run(folder.path(), &sample));
    let json = json_of(&run(folder.path(), &[&sample[..], &["--json"]].concat()));
    assert!(
        text.contains(&format!(
            "{} rows in data/live.csv.gz",
            json["live"]["rows"]
        )),
        "{text}"
    );
    assert_eq!(json["live"]["rows"], 2 * 3 * 24);

    let split = [
        "split",
        "--input",
        "data/test_baseline.csv.gz",
        "--out",
        "out",
        "--json",
    ];
    let json = json_of(&run(folder.path(), &split));
    assert_eq!(
        json["train"]["rows"].as_u64().unwrap() + json["test"]["rows"].as_u64().unwrap(),
        2 * 64 * 24
    );
    assert_eq!(
        (&json["rejected"], &json["train"]["path"]),
        (&0.into(), &"out/train_baseline.csv.gz".into())
    );
}

#[test]
fn a_file_sets_variables_that_the_environment_does_not() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        "# places\nBIKE_TRAFFIC_STATE=from-file\nENVIRONMENT='very secret'\n",
    )
    .unwrap();
    let output = run(folder.path(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert!(names(folder.path()).contains("from-file"));
    let said = error_of(&output);
    assert!(
        said.contains("BIKE_TRAFFIC_STATE, ENVIRONMENT") && !said.contains("secret"),
        "{said}"
    );

    let mut command = bike_traffic(folder.path(), &["status"]);
    let output = command
        .env("BIKE_TRAFFIC_STATE", "from-environment")
        .output()
        .unwrap();
    assert!(names(folder.path()).contains("from-environment"));
    assert!(
        !error_of(&output).contains("BIKE_TRAFFIC_STATE"),
        "{}",
        error_of(&output)
    );
}

/// The settings that the functions share are read elsewhere than the options.
#[test]
fn a_file_names_the_places_of_the_cloud_too() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("file://{}", folder.path().join(name).display());
    let (objects, tables) = (place("objects"), place("tables"));
    let lines = ["STORE_URL", "MLFLOW_TRACKING_URI", "BUS_URL"]
        .map(|name| format!("{name}={objects}\n"))
        .concat();
    fs::write(
        folder.path().join(".env"),
        format!("{lines}WAREHOUSE_URL={tables}\n"),
    )
    .unwrap();
    let output = run(folder.path(), &["rollback", "--cloud"]);
    assert!(
        error_of(&output).contains("no champion"),
        "{}",
        error_of(&output)
    );
    assert!(names(folder.path()).is_superset(&["objects".to_owned(), "tables".to_owned()].into()));
}

#[test]
fn a_file_that_cannot_be_understood_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, line) in [
        ("A=1\n\nMY TOKEN is=secret\n", 3),
        ("PASSWORD secret\n", 1),
        ("A=1\nB='secret\n", 2),
    ] {
        fs::write(folder.path().join(".env"), text).unwrap();
        let output = run(folder.path(), &["status"]);
        let said = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&format!("line {line} of .env")) && !said.contains("secret"),
            "{said}"
        );
    }
    assert_eq!(names(folder.path()).len(), 1, "nothing was begun");
}

/// What bash offers for the last of some words.
fn completed(folder: &Path, words: &str) -> String {
    let script = text_of(&run(folder, &["completions", "bash"]));
    // As bash calls the function that `complete -F` names: the program, the word and the one before.
    let call = r#"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p bike-traffic | grep -o -- '-F [^ ]*' | cut -c 4-)
        $function "$1" "${@: -1}" "${@: -2:1}"
        echo "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    let output = bash
        .args(["-c", &format!("{script}{call}"), "bash"])
        .args(words.split(' '))
        .output()
        .unwrap();
    text_of(&output).trim_end().to_owned()
}

#[test]
fn bash_completes_every_command_and_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let commands: Vec<_> = cli::Arguments::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for command in &commands {
        let offered = completed(folder.path(), &format!("bike-traffic {command}"));
        assert!(
            offered.split(' ').any(|word| word == command),
            "{command}: {offered}"
        );
        assert!(
            completed(folder.path(), &format!("bike-traffic {command} --he")).contains("--help"),
            "{command}"
        );
    }
    assert!(commands.len() > 10);
    assert_eq!(
        completed(folder.path(), "bike-traffic sample-data --co"),
        "--counters"
    );
    assert_eq!(
        completed(folder.path(), "bike-traffic train --ear"),
        "--early-stopping"
    );
}

/// Ends the process where a test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended, which is just as well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn ctrl_c_leaves_whole_files_only() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        // The first two files take no time, the third takes seconds.
        let days = [
            "--train-days",
            "2",
            "--test-days",
            "1",
            "--live-days",
            "3000",
        ];
        let mut command = bike_traffic(
            folder.path(),
            &["sample-data", "--out", "data", "--counters", "50"],
        );
        let mut process = Killed(
            command
                .args(days)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let data = folder.path().join("data");
        let is_begun = || {
            data.exists()
                && names(&data)
                    .iter()
                    .any(|name| name.starts_with("live") && name.ends_with(".partial"))
        };
        wait_until("the third file is begun", is_begun);

        let kill = format!("kill -{signal} {}", process.0.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(process.0.wait().unwrap().code(), Some(code));
        assert_eq!(
            names(&data),
            ["test_baseline.csv.gz", "train_baseline.csv.gz"]
                .map(str::to_owned)
                .into()
        );
        let mut text = String::new();
        GzDecoder::new(File::open(data.join("train_baseline.csv.gz")).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text.lines().count(), 1 + 50 * 2 * 24);
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
