//! `bike-traffic` as a process: exit codes, `.env`, Ctrl-C, completions and output.

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

/// Returns the command with only the search path in its environment.
pub(crate) fn bike_traffic(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bike-traffic"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    bike_traffic(folder, arguments).output().unwrap()
}

pub(crate) fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn text_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", error_of(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&text_of(output)).unwrap()
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn exit_code_distinguishes_failures_from_usage_errors() {
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
    for arguments in [
        vec!["trian"],
        vec!["drift-check", "--week", "2021-W60"],
        vec![],
    ] {
        assert_eq!(
            run(folder.path(), &arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn output_to_a_pipe_has_no_colours() {
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
fn progress_without_a_terminal_is_a_plain_line_for_each_quarter() {
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
    let errors = error_of(&output);
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 4, "{errors}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("writing: ") && line.ends_with(" rows")),
        "{errors}"
    );
    let rows = 2 * (40 + 64 + 35) * 24;
    assert_eq!(lines[3], format!("writing: {rows} of {rows} rows"));
}

#[test]
fn text_and_json_output_have_the_same_results() {
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
fn dotenv_file_sets_only_missing_variables() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        "# a comment\nBIKE_TRAFFIC_STATE=from-file\nENVIRONMENT='very secret'\n",
    )
    .unwrap();
    fs::create_dir_all(folder.path().join("from-file/objects")).unwrap();
    let output = run(folder.path(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let errors = error_of(&output);
    assert!(
        errors.contains("BIKE_TRAFFIC_STATE, ENVIRONMENT") && !errors.contains("secret"),
        "{errors}"
    );

    let mut command = bike_traffic(folder.path(), &["status"]);
    let output = command
        .env("BIKE_TRAFFIC_STATE", "from-environment")
        .output()
        .unwrap();
    let errors = error_of(&output);
    assert!(
        errors.contains("from-environment does not exist")
            && !errors.contains("BIKE_TRAFFIC_STATE"),
        "{errors}"
    );
}

/// Addresses are settings shared with the functions, which the command line does not parse.
#[test]
fn dotenv_file_sets_addresses_of_the_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let address = |name: &str| format!("file://{}", folder.path().join(name).display());
    let (objects, tables) = (address("objects"), address("tables"));
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
fn invalid_dotenv_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (text, line) in [
        ("A=1\n\nMY TOKEN is=secret\n", 3),
        ("PASSWORD secret\n", 1),
        ("A=1\nB='secret\n", 2),
    ] {
        fs::write(folder.path().join(".env"), text).unwrap();
        let output = run(folder.path(), &["status"]);
        let errors = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains(&format!("line {line} of .env")) && !errors.contains("secret"),
            "{errors}"
        );
    }
    assert_eq!(
        names(folder.path()).len(),
        1,
        "the command must not create any file"
    );
}

/// Returns bash's completions of the last of `words`.
fn completions_of(folder: &Path, words: &str) -> String {
    let script = text_of(&run(folder, &["completions", "bash"]));
    // Bash calls the function of `complete -F` with the program, the word and the previous word.
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
        let completions = completions_of(folder.path(), &format!("bike-traffic {command}"));
        assert!(
            completions.split(' ').any(|word| word == command),
            "{command}: {completions}"
        );
        assert!(
            completions_of(folder.path(), &format!("bike-traffic {command} --he"))
                .contains("--help"),
            "{command}"
        );
    }
    assert!(commands.len() > 10);
    assert_eq!(
        completions_of(folder.path(), "bike-traffic sample-data --co"),
        "--counters"
    );
    assert_eq!(
        completions_of(folder.path(), "bike-traffic train --ear"),
        "--early-stopping"
    );
}

/// A child process that is killed on drop.
pub(crate) struct KillOnDrop(pub(crate) Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Errors mean that the process has already ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn interrupted_command_leaves_only_complete_files() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        // The first two files are written at once, the third takes seconds.
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
        let mut process = KillOnDrop(
            command
                .args(days)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let data = folder.path().join("data");
        let is_started = || {
            data.exists()
                && names(&data)
                    .iter()
                    .any(|name| name.starts_with("live") && name.ends_with(".partial"))
        };
        wait_until("the third file exists", is_started);

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

fn wait_until(description: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "timed out waiting until {description}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}
