//! Functions as processes: environment variables, exit codes, logs and shutdown on SIGTERM.

mod child;
mod traces;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::{
    ledger::Entry,
    store::{Condition, FileStore, Store, read_json},
};
use tempfile::TempDir;
use tests::eventually::eventually;

use self::child::Process;

const PROMOTE: &str = env!("CARGO_BIN_EXE_promote-process");
const PATIENT: &str = env!("CARGO_BIN_EXE_gated-process");

// Exit codes of sysexits.h.
const EX_UNAVAILABLE: i32 = 69;
const EX_CONFIG: i32 = 78;

#[tokio::test]
async fn missing_variable_is_named() {
    for missing in [
        "STORE_URL",
        "WAREHOUSE_URL",
        "MLFLOW_TRACKING_URI",
        "BUS_URL",
    ] {
        let mut variables = memory();
        variables.remove(missing);
        let ended = Process::start(PROMOTE, &variables).end().await;
        assert_eq!(ended.code(), Some(EX_CONFIG), "{missing}");
        ended.assert_error(&format!("the environment variable {missing} is not set"));
    }
}

#[tokio::test]
async fn invalid_variable_is_named() {
    let cases = [
        ("STORE_URL", "here"),
        ("BUS_URL", "file://here"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("POLICY", "luck"),
    ];
    for (name, value) in cases {
        let mut variables = memory();
        variables.insert(name, value.to_owned());
        let ended = Process::start(PROMOTE, &variables).end().await;
        assert_eq!(ended.code(), Some(EX_CONFIG), "{name}={value}");
        ended.assert_error(&format!("the environment variable {name} is invalid"));
    }
}

#[tokio::test]
async fn credentials_in_an_invalid_address_are_not_logged() {
    let mut variables = memory();
    variables.insert(
        "MLFLOW_TRACKING_URI",
        "https://zoe:geheim@mlflow.example:port/".to_owned(),
    );
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_CONFIG));
    ended.assert_error("the environment variable MLFLOW_TRACKING_URI is invalid");
    ended.assert_error("https://…@mlflow.example:port/");
    let log = format!("{:?}", ended.lines);
    assert!(!log.contains("zoe") && !log.contains("geheim"), "{log}");
}

/// A missing variable must not disable authentication.
#[tokio::test]
async fn push_authentication_must_be_configured_explicitly() {
    let mut variables = memory();
    variables.remove("PUSH_AUDIENCE");
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_CONFIG));
    ended.assert_error("the environment variable PUSH_AUDIENCE is invalid: it is not set");
    ended.assert_error("`off`");

    variables.insert("PUSH_AUDIENCE", "https://promote.example".to_owned());
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_CONFIG));
    ended.assert_error("the environment variable PUSH_SERVICE_ACCOUNT is not set");
}

#[tokio::test]
async fn rejected_delivery_is_logged_with_its_reason() {
    let mut variables = memory();
    variables.insert("PUSH_AUDIENCE", "https://promote.example".to_owned());
    variables.insert(
        "PUSH_SERVICE_ACCOUNT",
        "push@a-project.iam.gserviceaccount.com".to_owned(),
    );
    let process = Process::start(PROMOTE, &variables);
    let port = process.port().await;
    assert_eq!(push(port, "{}").await, StatusCode::UNAUTHORIZED);
    process.terminate();
    let ended = process.end().await;
    let line = ended.line("rejected unauthenticated delivery");
    assert_eq!(
        (&line["severity"], &line["function"]),
        (&json!("WARNING"), &json!("promote"))
    );
    assert_eq!(line["error"], "the request has no bearer token");
}

#[tokio::test]
async fn occupied_port_ends_the_process() {
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let mut variables = memory();
    variables.insert("PORT", taken.local_addr().unwrap().port().to_string());
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_UNAVAILABLE));
    ended.assert_error("cannot listen on 0.0.0.0:");
}

#[tokio::test]
async fn store_folder_that_cannot_be_created_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("occupied"), "").unwrap();
    let mut variables = memory();
    variables.insert(
        "STORE_URL",
        format!("file://{}/occupied/state", folder.path().display()),
    );
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_UNAVAILABLE));
    ended.assert_error("/occupied/state");
}

#[tokio::test]
async fn process_listens_on_its_port_and_ends_on_sigterm() {
    let port = free_port();
    let mut variables = memory();
    variables.insert("PORT", port.to_string());
    let process = Process::start(PROMOTE, &variables);
    assert_eq!(process.port().await, port);
    // The registry in memory has no champion.
    for (path, expected) in [
        ("livez", StatusCode::OK),
        ("readyz", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let response = reqwest::get(format!("http://127.0.0.1:{port}/{path}"))
            .await
            .unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
    process.terminate();
    assert_eq!(process.end().await.code(), Some(0));
}

/// The credentials of a person give no ID tokens for a service on Cloud Run.
#[tokio::test]
async fn person_without_an_account_to_impersonate_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    let person = json!({
        "type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "geheim",
    });
    fs::write(&file, person.to_string()).unwrap();
    let mut variables = memory();
    let server = "https://mlflow-abc123-ew.a.run.app";
    variables.insert("MLFLOW_TRACKING_URI", server.to_owned());
    let credentials = file.display().to_string();
    variables.insert("GOOGLE_APPLICATION_CREDENTIALS", credentials);
    let process = Process::start(PROMOTE, &variables);
    let url = format!("http://127.0.0.1:{}/readyz", process.port().await);
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let text = response.text().await.unwrap();
    for part in [
        server,
        "MLFLOW_ACCOUNT",
        "$(gcloud auth print-identity-token)",
    ] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert!(!text.contains("geheim"), "{text}");
}

#[tokio::test]
async fn tokens_over_plain_http_end_the_process() {
    let mut variables = memory();
    let server = "http://mlflow.example:5000/".to_owned();
    variables.insert("MLFLOW_TRACKING_URI", server);
    variables.insert("MLFLOW_ID_TOKEN", "on".to_owned());
    let ended = Process::start(PROMOTE, &variables).end().await;
    assert_eq!(ended.code(), Some(EX_UNAVAILABLE));
    ended.assert_error("http://mlflow.example:5000/: cannot send tokens over plain HTTP");
}

#[tokio::test]
async fn delivery_in_flight_is_finished_after_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let process = Process::start(PATIENT, &files(&folder));
    let port = process.port().await;
    let delivery = tokio::spawn(push(
        port,
        r#"{"type":"ingest-requested","from":"2021-07-19"}"#,
    ));
    let ledger = "ledger/ingest/ingest/2021-07-19.json".parse().unwrap();
    eventually("the delivery to begin", async || {
        store.generation(&ledger).await.unwrap()
    })
    .await;

    process.terminate();
    process.line("shutting down").await;
    let livez = format!("http://127.0.0.1:{port}/livez");
    eventually("the port to be closed", async || {
        reqwest::get(&livez).await.err()
    })
    .await;
    store
        .write(&"gate/open".parse().unwrap(), "".into(), Condition::Always)
        .await
        .unwrap();
    assert_eq!(delivery.await.unwrap(), StatusCode::NO_CONTENT);
    let ended = process.end().await;
    assert_eq!(ended.code(), Some(0));
    let (entry, _) = read_json::<Entry>(&store, &ledger).await.unwrap();
    assert!(matches!(entry, Entry::Complete { .. }), "{entry:?}");
}

/// Cloud Run kills a process ten seconds after SIGTERM.
#[tokio::test]
async fn clients_that_never_finish_do_not_delay_the_end() {
    let process = Process::start(PROMOTE, &memory());
    let port = process.port().await;
    let half_open = [
        "",
        "POST / HTTP/1.1\r\nhost: x\r\nx-a: ",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    ];
    let clients = half_open.map(|sent| {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.write_all(sent.as_bytes()).unwrap();
        client
    });
    // Connections are accepted in order.
    let livez = format!("http://127.0.0.1:{port}/livez");
    assert_eq!(reqwest::get(livez).await.unwrap().status(), StatusCode::OK);
    process.terminate();
    assert_eq!(process.end().await.code(), Some(0));
    drop(clients);
}

/// See <https://cloud.google.com/logging/docs/structured-logging>.
#[tokio::test]
async fn log_lines_are_json_objects_with_severity_and_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut variables = files(&folder);
    variables.insert("GOOGLE_CLOUD_PROJECT", "demo".to_owned());
    let process = Process::start(PROMOTE, &variables);
    let port = process.port().await;
    let status = push(port, "no event\nbut \"two\" lines").await;
    process.terminate();
    let ended = process.end().await;
    assert_eq!((status, ended.code()), (StatusCode::NO_CONTENT, Some(0)));

    for line in &ended.lines {
        let severity = line["severity"].as_str().unwrap();
        assert!(
            ["DEBUG", "INFO", "WARNING", "ERROR"].contains(&severity),
            "{line:?}"
        );
        assert!(line["message"].is_string(), "{line:?}");
    }
    let listening = ended.line("listening");
    assert_eq!(
        (&listening["severity"], &listening["function"]),
        (&json!("INFO"), &json!("promote"))
    );
    assert!(!listening.contains_key("logging.googleapis.com/trace"));
    let error = ended.line("moving message to dead-letter topic");
    let expected = json!("projects/demo/traces/0af7651916cd43dd8448eb211c80319c");
    assert_eq!(
        (&error["severity"], &error["logging.googleapis.com/trace"]),
        (&json!("ERROR"), &expected)
    );
    assert_eq!(
        (&error["message_id"], &error["function"]),
        (&json!("136969346945"), &json!("promote"))
    );
    assert!(
        error["logging.googleapis.com/sourceLocation"]["file"].is_string(),
        "{error:?}"
    );
}

#[tokio::test]
async fn log_level_is_read_from_rust_log() {
    let mut variables = memory();
    variables.insert("PORT", free_port().to_string());
    variables.insert("RUST_LOG", "error".to_owned());
    let process = Process::start(PROMOTE, &variables);
    let url = format!("http://127.0.0.1:{}/livez", variables["PORT"]);
    eventually("the process to listen", async || {
        reqwest::get(&url).await.ok()
    })
    .await;
    process.terminate();
    let ended = process.end().await;
    assert_eq!((ended.code(), ended.lines), (Some(0), vec![]));
}

/// Returns the variables of a function with ports in memory, on any free port.
fn memory() -> BTreeMap<&'static str, String> {
    variables("memory://")
}

/// Returns the variables of a function with ports in a folder.
fn files(folder: &TempDir) -> BTreeMap<&'static str, String> {
    variables(&format!("file://{}", folder.path().display()))
}

fn variables(address: &str) -> BTreeMap<&'static str, String> {
    let address_names = [
        "STORE_URL",
        "WAREHOUSE_URL",
        "MLFLOW_TRACKING_URI",
        "BUS_URL",
    ];
    address_names
        .map(|name| (name, address.to_owned()))
        .into_iter()
        .chain([
            ("PORT", "0".to_owned()),
            ("PUSH_AUDIENCE", "off".to_owned()),
        ])
        .collect()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Delivers a payload as a wrapped push with a trace context.
async fn push(port: u16, payload: &str) -> StatusCode {
    let data = BASE64_STANDARD.encode(payload);
    post(
        port,
        &json!({ "message": { "data": data, "messageId": "136969346945" } }),
    )
    .await
}

/// Posts a wrapped push with a trace context.
async fn post(port: u16, body: &Value) -> StatusCode {
    let request = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/"))
        .body(body.to_string());
    let request = request.header(
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    request.send().await.unwrap().status()
}
