use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, routing::get};
use reqwest::StatusCode;
use tokio::net::TcpListener;

use super::*;

/// Serves `status` for the first calls and 200 afterwards. Returns the URL and the number of
/// calls.
async fn server(status: StatusCode, failures: usize) -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let answer = move || async move {
        if counted.fetch_add(1, Ordering::SeqCst) < failures {
            (status, "not\nfound")
        } else {
            (StatusCode::OK, "")
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    (address, calls)
}

#[tokio::test]
async fn status_429_and_503_are_retried() {
    for status in [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ] {
        let (address, calls) = server(status, 2).await;
        send(http_client().unwrap().get(address)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 3, "{status}");
    }
}

#[tokio::test]
async fn status_404_is_not_retried() {
    let (address, calls) = server(StatusCode::NOT_FOUND, 2).await;
    let http_error = send(http_client().unwrap().get(address)).await.unwrap_err();
    assert_eq!(
        (calls.load(Ordering::SeqCst), http_error.status()),
        (1, Some(StatusCode::NOT_FOUND))
    );
    assert_eq!(
        http_error.to_string(),
        "the service responded with 404 Not Found: not found"
    );
}

#[tokio::test]
async fn hanging_call_is_retried_until_the_limit() {
    let (attempt_limit, total_limit) = (Duration::from_millis(10), Duration::from_secs(1));
    let calls = AtomicUsize::new(0);
    let hang = || {
        calls.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<(), HttpError>>()
    };
    let name = || "hanging call".to_owned();
    let http_error = retried_within(
        (attempt_limit, total_limit),
        name,
        hang,
        HttpError::is_retryable,
    )
    .await
    .unwrap_err();
    assert!(
        matches!(http_error, HttpError::TimeLimit { .. }),
        "{http_error}"
    );
    assert!(
        (2..=MAX_ATTEMPTS).contains(&calls.load(Ordering::SeqCst)),
        "{calls:?}"
    );
}

/// Proxies and overloaded services send such responses.
#[cfg(feature = "clients")]
#[tokio::test]
async fn page_and_truncated_json_with_status_200_are_retried() {
    let bodies = ["<html>Sign in</html>", "[1, 2", "[1, 2, 3]"];
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let answer = move || async move { bodies[counted.fetch_add(1, Ordering::SeqCst)] };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    let numbers: Vec<u32> = send_json(http_client().unwrap().get(address))
        .await
        .unwrap();
    assert_eq!((numbers, calls.load(Ordering::SeqCst)), (vec![1, 2, 3], 3));
}

/// The log output.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Returns the log output of this thread from now on, until the guard is dropped.
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn retry_log_names_the_cause_without_the_query() {
    let (lines, _guard) = Lines::capture();
    let request = http_client()
        .unwrap()
        .get("http://127.0.0.1:1/?token=secret");
    let refused = attempt(&request).await.unwrap_err();
    Attempts::new(|| "a call".to_owned())
        .pause(refused, HttpError::is_retryable)
        .await
        .unwrap();
    let text = lines.text();
    assert!(
        text.contains("refuses connections") && text.contains("tcp connect error"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn each_retry_is_logged() {
    let (lines, _guard) = Lines::capture();
    let (address, _) = server(StatusCode::SERVICE_UNAVAILABLE, 2).await;
    send(
        http_client()
            .unwrap()
            .get(format!("{address}?token=secret")),
    )
    .await
    .unwrap();
    let text = lines.text();
    let logged: Vec<_> = text
        .lines()
        .filter(|line| line.contains("retrying call"))
        .collect();
    assert_eq!(logged.len(), 2, "{text}");
    for (line, attempt) in logged.iter().zip(["attempt=1", "attempt=2"]) {
        assert!(
            line.contains(" INFO ") && line.contains(attempt) && line.contains("pause_ms="),
            "{line}"
        );
        assert!(
            line.contains(&format!("GET {address}")) && !line.contains("secret"),
            "{line}"
        );
    }
}
