//! `status` and `stack` on the state of a finished run.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::process::{KillOnDrop, bike_traffic, run, text_of};

/// The day after the last live day of [`run_small_sample`], which ends with the second Sunday.
const TOMORROW: &str = "2021-02-22";

/// Runs two live weeks from Monday, 2021-02-08, and returns the path of the state in the folder.
fn run_small_sample(folder: &Path) -> String {
    let days = [
        ["--train-days", "120"],
        ["--test-days", "40"],
        ["--live-days", "14"],
    ]
    .concat();
    let sample = ["sample-data", "--out", "data", "--counters", "4"];
    text_of(&run(folder, &[&sample[..], &days[..]].concat()));
    let paths = [
        ["--train-path", "data/train_baseline.csv.gz"],
        ["--test-path", "data/test_baseline.csv.gz"],
        ["--live-path", "data/live.csv.gz"],
    ]
    .concat();
    text_of(&run(folder, &[&["run"][..], &paths[..]].concat()));
    let name = fs::read_to_string(folder.join("state/last-run")).unwrap();
    format!("state/{}", name.trim_end())
}

#[test]
fn finished_run_is_found_by_status_and_served_by_stack() {
    let folder = tempfile::tempdir().unwrap();
    let state = run_small_sample(folder.path());

    let status = text_of(&run(folder.path(), &["status"]));
    let first = status.lines().next().unwrap();
    assert!(
        first.ends_with(&format!(
            "{state} (the last run; choose another state with --state)"
        )),
        "{status}"
    );
    assert!(status.contains("champion"), "{status}");
    // The last day of the run, although it lies in the past.
    assert!(status.contains("ingest/2021-02-21"), "{status}");
    assert!(status.contains("no messages wait"), "{status}");
    let given = text_of(&run(folder.path(), &["status", "--state", &state]));
    assert!(given.lines().next().unwrap().ends_with(&state), "{given}");

    let reply = forecast(folder.path(), &["stack", "--now", TOMORROW, "--port", "0"]);
    assert!(reply["predictions"][0]["prediction"].is_number(), "{reply}");
}

/// Starts a stack, requests a forecast of 08:00 [`TOMORROW`] from it, and returns the response.
/// SIGTERM ends the stack as Ctrl-C does.
fn forecast(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = bike_traffic(folder, arguments);
    let mut stack = KillOnDrop(command.stdout(Stdio::piped()).spawn().unwrap());
    let output = BufReader::new(stack.0.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    let address = lines
        .find_map(|line| {
            let (function, address) = line.split_once(" http://")?;
            (function.trim() == "predict").then(|| address.trim_end_matches('/').to_owned())
        })
        .expect("the stack prints the address of `predict`");
    assert!(lines.any(|line| line.starts_with("running")));
    let record = json!({
        "identifiant_du_compteur": "100000001-101000001",
        "date_et_heure_de_comptage": format!("{TOMORROW}T08:00:00+01:00"),
    });
    let body = json!({ "records": [record] }).to_string();
    let mut connection = TcpStream::connect(&address).unwrap();
    write!(
        connection,
        "POST /v1/predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{response}");
    let kill = format!("kill -TERM {}", stack.0.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(stack.0.wait().unwrap().code(), Some(0));
    serde_json::from_str(body).unwrap()
}
