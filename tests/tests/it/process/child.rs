//! A function as a child process.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use serde_json::{Map, Value, json};
use tests::eventually::eventually;

/// A process whose environment has only the given variables. Dropping it kills the process.
pub(super) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<Map<String, Value>>>>,
    reader: Option<JoinHandle<()>>,
}

/// The exit status and the log lines of a process that has ended.
pub(super) struct EndedProcess {
    status: ExitStatus,
    pub(super) lines: Vec<Map<String, Value>>,
}

impl Process {
    pub(super) fn start(program: &str, variables: &BTreeMap<&str, String>) -> Self {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stderr, lines) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::new(Mutex::new(Vec::new())),
        );
        let logged = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.unwrap();
                // The panic fails the test when `end` joins this thread.
                let object = serde_json::from_str(&line)
                    .unwrap_or_else(|_| panic!("{line} is not a JSON object"));
                logged.lock().unwrap().push(object);
            }
        });
        Self {
            child,
            lines,
            reader: Some(reader),
        }
    }

    /// Waits for a log line with this message.
    pub(super) async fn line(&self, message: &str) {
        let is_logged = async || {
            self.lines
                .lock()
                .unwrap()
                .iter()
                .any(|line| line["message"] == message)
                .then_some(())
        };
        eventually(message, is_logged).await;
    }

    /// Waits until the process listens, and returns its port.
    pub(super) async fn port(&self) -> u16 {
        self.line("listening").await;
        let address = self
            .lines
            .lock()
            .unwrap()
            .iter()
            .find_map(|line| line.get("listen")?.as_str()?.parse().ok());
        let address: SocketAddr = address.unwrap();
        address.port()
    }

    /// Sends SIGTERM.
    pub(super) fn terminate(&self) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until the process has ended and its log is read completely.
    pub(super) async fn end(mut self) -> EndedProcess {
        let status = eventually("the process to end", async || {
            self.child.try_wait().unwrap()
        })
        .await;
        self.reader.take().unwrap().join().unwrap();
        EndedProcess {
            status,
            lines: self.lines.lock().unwrap().clone(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that the process has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl EndedProcess {
    pub(super) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(super) fn line(&self, message: &str) -> &Map<String, Value> {
        let found = self.lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no log line has the message `{message}`: {:?}", self.lines))
    }

    /// Asserts that the only log line is a start-up error that contains `text`.
    pub(super) fn assert_error(&self, text: &str) {
        let [line] = &self.lines[..] else {
            panic!("expected one log line: {:?}", self.lines)
        };
        assert_eq!(
            (&line["severity"], &line["message"]),
            (&json!("ERROR"), &json!("cannot start"))
        );
        let chain = format!(
            "{}: {}",
            line["error"],
            line.get("cause").unwrap_or(&Value::Null)
        );
        assert!(chain.contains(text), "{chain} does not contain {text}");
    }
}
