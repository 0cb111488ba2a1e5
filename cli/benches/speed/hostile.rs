//! Peak memory of functions that receive hostile input, on local files: `make bench-memory`.
//!
//! A publisher may send a body of 10 MiB, and a broken open data service may send a short reply
//! that expands to any size. Neither may exhaust the memory of an instance.

use std::{collections::BTreeMap, io::Write, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    memory::Process,
    processes::{IDLE_DELAY, on_files},
    timing,
};

/// The argument that selects this benchmark.
pub(crate) const NAME: &str = "memory-hostile";

const MIB: usize = 1024 * 1024;
/// The largest body that a function reads.
const LARGEST_BODY: usize = 10 * MIB;
/// The largest payload of a push. In base64 it almost fills the largest body.
const LARGEST_PAYLOAD: usize = 7_700_000;
/// A size just below the limit of a decompressed reply, which is 16 MiB.
const BELOW_REPLY_LIMIT: usize = 15 * MIB;
/// The goal for a body: the multiple of its size that it may cost.
const GOAL_OF_BODIES: usize = 4;
/// The goal for a compressed reply, in KiB.
const GOAL_OF_REPLIES_KIB: u64 = 64 * 1024;

pub(crate) async fn bench() {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "input (sizes in KiB)", "body", "rest", "peak", "over rest", "goal"
    );
    // Each measurement has a state of its own, because a repeated message would be a dead letter
    // already.
    for (number, (input, body)) in bodies().into_iter().enumerate() {
        let state = folder.path().join(format!("body-{number}"));
        let (size_kib, goal_kib) = (kib(body.len()), kib(body.len() * GOAL_OF_BODIES));
        let measurement = Measurement::at_rest("promote", &variables(&state, None));
        measurement.push(body).await;
        measurement.print(input, size_kib, goal_kib);
    }
    let open_data = OpenData::start().await;
    for (number, (input, reply)) in replies().into_iter().enumerate() {
        let state = folder.path().join(format!("reply-{number}"));
        let size_kib = kib(reply.len());
        let variables = variables(&state, Some(open_data.address));
        let measurement = Measurement::at_rest("ingest", &variables);
        open_data.set_reply(reply);
        let request = json!({ "type": "ingest-requested", "from": "2021-07-19" });
        measurement.push(request.to_string().into_bytes()).await;
        assert!(open_data.has_replied(), "ingest must request the counts");
        measurement.print(input, size_kib, GOAL_OF_REPLIES_KIB);
    }
}

/// Returns deliveries that cost many times their size if they are parsed into values.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let nested = [vec![b'['; LARGEST_BODY / 2], vec![b']'; LARGEST_BODY / 2]];
    vec![
        (
            "push of a list of objects",
            wrapped(&list_of(r#"{"":0}"#, LARGEST_PAYLOAD)),
        ),
        (
            "push of a list of zeros",
            wrapped(&list_of("0", LARGEST_PAYLOAD)),
        ),
        ("body: list of objects", list_of(r#"{"":0}"#, LARGEST_BODY)),
        ("body: list of lists", list_of("[]", LARGEST_BODY)),
        ("body: list of zeros", list_of("0", LARGEST_BODY)),
        ("body: nested lists", nested.concat()),
    ]
}

/// Returns compressed replies of the open data service.
fn replies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("reply: 15 MiB of zeros", gzip_list("0,", BELOW_REPLY_LIMIT)),
        (
            "reply: 15 MiB of objects",
            gzip_list(r#"{"":0},"#, BELOW_REPLY_LIMIT),
        ),
        ("reply: 30 MiB of zeros", gzip_list("0,", 30 * MIB)),
        ("reply: 1 GiB of whitespace", gzip_list(" ", 1024 * MIB)),
    ]
}

/// Returns a JSON list of at most `bytes` bytes that repeats an element.
fn list_of(element: &str, bytes: usize) -> Vec<u8> {
    let repetitions = (bytes - element.len() - 2) / (element.len() + 1);
    let repeated = format!("{element},").repeat(repetitions);
    format!("[{repeated}{element}]").into_bytes()
}

/// Returns the body of a push with a payload.
fn wrapped(payload: &[u8]) -> Vec<u8> {
    let message = json!({ "data": BASE64_STANDARD.encode(payload), "messageId": "1" });
    json!({ "message": message }).to_string().into_bytes()
}

/// Returns a compressed JSON list of about `bytes` bytes that repeats a text.
fn gzip_list(text: &str, bytes: usize) -> Vec<u8> {
    let block = text.repeat(64 * 1024 / text.len());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut write = |text: &str| {
        encoder
            .write_all(text.as_bytes())
            .expect("a vector can be written")
    };
    write("[");
    for _ in 0..bytes / block.len() {
        write(&block);
    }
    write("0]");
    encoder.finish().expect("a vector can be written")
}

fn variables(state: &Path, open_data: Option<SocketAddr>) -> BTreeMap<&'static str, String> {
    // Nothing listens on port 9.
    let open_data = open_data.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)));
    let mut variables: BTreeMap<_, _> = on_files(state).into_iter().collect();
    variables.extend([
        ("OPEN_DATA_URL", format!("http://{open_data}/")),
        ("PUSH_AUDIENCE", "off".to_owned()),
    ]);
    variables
}

/// A function at rest, of which the peak memory is measured.
struct Measurement {
    process: Process,
    rest_kib: u64,
}

impl Measurement {
    /// Starts a function, and resets the peak of its memory.
    fn at_rest(function: &str, variables: &BTreeMap<&str, String>) -> Self {
        let process = Process::start(function, variables);
        std::thread::sleep(IDLE_DELAY);
        let rest_kib = timing::memory_kib(process.id());
        timing::reset_peak(process.id());
        Self { process, rest_kib }
    }

    async fn push(&self, body: Vec<u8>) {
        let reply = reqwest::Client::new()
            .post(self.process.url())
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await;
        let status = reply.expect("the function responds").status();
        // The message becomes a dead letter, or the reply may be better the next time.
        assert!(
            matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::SERVICE_UNAVAILABLE
            ),
            "the function responded with {status}"
        );
    }

    fn print(&self, input: &str, size_kib: u64, goal_kib: u64) {
        let (rest_kib, peak_kib) = (self.rest_kib, timing::peak_kib(self.process.id()));
        assert!(peak_kib > 0, "the system must report the peak memory");
        let over_rest_kib = peak_kib.saturating_sub(rest_kib);
        let verdict = if over_rest_kib <= goal_kib {
            "within"
        } else {
            "OVER"
        };
        println!(
            "{input:<28} {size_kib:>9} {rest_kib:>9} {peak_kib:>9} {over_rest_kib:>9} {goal_kib:>9}  {verdict}"
        );
    }
}

/// An open data service that responds to one request with a compressed reply.
struct OpenData {
    address: SocketAddr,
    reply: Arc<Mutex<Option<Bytes>>>,
}

impl OpenData {
    async fn start() -> Self {
        let reply = Arc::new(Mutex::new(None));
        let next = Arc::clone(&reply);
        let respond = move || {
            let reply: Option<Bytes> = next.lock().take();
            async move {
                let headers = [
                    (CONTENT_TYPE, "application/json"),
                    (CONTENT_ENCODING, "gzip"),
                ];
                (headers, reply.unwrap_or_default())
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address");
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
        Self { address, reply }
    }

    /// Sets the reply to the next request.
    fn set_reply(&self, reply: Vec<u8>) {
        *self.reply.lock() = Some(reply.into());
    }

    /// Returns `true` if the reply was sent.
    fn has_replied(&self) -> bool {
        self.reply.lock().is_none()
    }
}

fn kib(bytes: usize) -> u64 {
    bytes.div_ceil(1024) as u64
}
