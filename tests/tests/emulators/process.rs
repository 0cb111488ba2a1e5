//! The processes of functions.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use reqwest::StatusCode;
use shared::event::Function;
use tests::eventually::eventually;

/// The process of a function, and its log messages. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a function, and waits until it is ready.
    pub(crate) async fn start(
        function: Function,
        port: u16,
        variables: &BTreeMap<&str, String>,
    ) -> Self {
        let process = Self::spawn(function, port, variables);
        let url = format!("{}livez", process.url());
        let is_ready = async || {
            reqwest::get(&url)
                .await
                .ok()
                .filter(|reply| reply.status().is_success())
        };
        eventually(&format!("{function} to be ready"), is_ready).await;
        process
    }

    fn spawn(function: Function, port: u16, variables: &BTreeMap<&str, String>) -> Self {
        let mut command = Command::new(program(function.name()));
        command
            .env_clear()
            .envs(variables)
            .env("PORT", port.to_string());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stderr, messages) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::new(Mutex::new(Vec::new())),
        );
        let logged = Arc::clone(&messages);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test harness prints it if the test fails.
                eprintln!("{function}: {line}");
                let message = serde_json::from_str::<serde_json::Value>(&line).ok();
                let message = message.and_then(|line| line["message"].as_str().map(str::to_owned));
                logged.lock().unwrap().push(message.unwrap_or(line));
            }
        });
        Self {
            child,
            port,
            messages,
        }
    }

    /// Returns the URL to push to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Returns the status and the text of the readiness probe.
    pub(crate) async fn readiness(&self) -> (StatusCode, String) {
        let response = reqwest::get(format!("{}readyz", self.url())).await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Returns the number of times that the function has logged `message`.
    pub(crate) fn count(&self, message: &str) -> usize {
        self.messages
            .lock()
            .unwrap()
            .iter()
            .filter(|logged| *logged == message)
            .count()
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Suspends the process, as Cloud Run does with an idle instance. Its connections stay open.
    pub(crate) fn suspend(&self) {
        self.signal("STOP");
    }

    /// Resumes a suspended process.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        // The standard library sends SIGKILL only.
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}: {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that the process has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the path of a program. Cargo builds it in the parent of the folder of the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        program.is_file(),
        "{} is not built: run these tests with `make test-emulators`",
        program.display()
    );
    program
}

/// Returns a port that no process listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
