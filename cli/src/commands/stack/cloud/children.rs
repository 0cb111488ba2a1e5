//! The functions as child processes: started with a log file each, watched, and stopped together.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shared::event::Function;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// The number of log lines in the report of a function that has ended.
const TAIL_LINES: usize = 20;
/// The time within which a function must listen.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The time within which a function must end after SIGTERM. It finishes its deliveries before.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The running functions. Dropping them kills their processes.
pub(super) struct Children {
    logs: PathBuf,
    running: BTreeMap<Function, Running>,
    exits: mpsc::UnboundedReceiver<Exit>,
    exited: mpsc::UnboundedSender<Exit>,
}

struct Running {
    pid: Pid,
    log: PathBuf,
    tail: Tail,
}

/// The last lines of a log.
type Tail = Arc<Mutex<VecDeque<String>>>;

struct Exit {
    function: Function,
    status: io::Result<ExitStatus>,
}

impl Children {
    /// Prepares the folder of the logs.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub(super) fn new(logs: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&logs)
            .with_context(|| format!("cannot create the folder {}", logs.display()))?;
        let (exited, exits) = mpsc::unbounded_channel();
        Ok(Self {
            logs,
            running: BTreeMap::new(),
            exits,
            exited,
        })
    }

    /// Starts a function on a free port, and returns its address as soon as it listens.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started, ends, or does not listen within a minute.
    pub(super) async fn start(
        &mut self,
        function: Function,
        program: &Path,
        variables: &BTreeMap<&str, String>,
    ) -> anyhow::Result<SocketAddr> {
        let log = self.logs.join(format!("{function}.log"));
        let file =
            File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let cannot_start = || format!("cannot start {}", program.display());
        let mut child = Command::new(program)
            .envs(variables)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal must reach the functions only through `stop`.
            .process_group(0)
            .spawn()
            .with_context(cannot_start)?;
        let stderr = child.stderr.take().with_context(cannot_start)?;
        let tail = Tail::default();
        let running = Running {
            pid: Pid::from_child(&child),
            log: log.clone(),
            tail: Arc::clone(&tail),
        };
        self.running.insert(function, running);
        let (listens, address) = oneshot::channel();
        let exited = self.exited.clone();
        let watch = move || {
            let status = follow(child, stderr, file, &tail, listens);
            // Nothing waits for the exit once the stack has ended.
            drop(exited.send(Exit { function, status }));
        };
        thread::Builder::new()
            .name(function.to_string())
            .spawn(watch)
            .with_context(cannot_start)?;
        match timeout(START_LIMIT, address).await {
            Ok(Ok(address)) => Ok(address),
            // The end of the log: the function ends.
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => bail!(
                "the function {function} does not listen after {} s; its log is {}",
                START_LIMIT.as_secs(),
                log.display()
            ),
        }
    }

    /// Returns the log file of a running function.
    pub(super) fn log(&self, function: Function) -> Option<&Path> {
        self.running
            .get(&function)
            .map(|running| running.log.as_path())
    }

    /// Waits until a function ends by itself, and returns an error with the end of its log.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let Some(Exit { function, status }) = self.exits.recv().await else {
            return anyhow!("cannot watch the functions");
        };
        let status = status.map_or_else(
            |error| format!("its exit status is unknown: {error}"),
            |status| status.to_string(),
        );
        let Some(Running { log, tail, .. }) = self.running.remove(&function) else {
            return anyhow!("the function {function} ended: {status}");
        };
        let tail = Vec::from_iter(tail.lock().drain(..)).join("\n");
        anyhow!(
            "the function {function} ended: {status}; the end of its log {}:\n{tail}",
            log.display()
        )
    }

    /// Stops all functions with SIGTERM, and waits for their end. Kills those that take too long.
    pub(super) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let ended = async {
            while !self.running.is_empty() {
                let Some(exit) = self.exits.recv().await else {
                    return;
                };
                self.running.remove(&exit.function);
            }
        };
        if timeout(STOP_LIMIT, ended).await.is_err() {
            let functions: Vec<_> = self.running.keys().map(|name| name.name()).collect();
            tracing::warn!(
                functions = functions.join(", "),
                limit_seconds = STOP_LIMIT.as_secs(),
                "killing functions that do not end"
            );
            self.signal(Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        for running in self.running.values() {
            // An error means that the process has ended.
            let _ = kill_process(running.pid, signal);
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Copies the log of a process to a file, keeps its last lines, and sends the address as soon as
/// the process listens. Returns the exit status at the end.
fn follow(
    mut child: Child,
    stderr: ChildStderr,
    mut log: File,
    tail: &Tail,
    listens: oneshot::Sender<SocketAddr>,
) -> io::Result<ExitStatus> {
    let mut listens = Some(listens);
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        // A full disk must not block the function.
        drop(writeln!(log, "{line}"));
        if let Some(address) = listening(&line)
            && let Some(listens) = listens.take()
        {
            // The receiver is gone if the start took too long.
            let _ = listens.send(address);
        }
        let mut tail = tail.lock();
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    drop(listens);
    child.wait()
}

/// Returns the address on this machine at which a function listens, if a line of its log says so.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] != "listening" {
        return None;
    }
    let all: SocketAddr = line["listen"].as_str()?.parse().ok()?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, all.port())))
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use tempfile::TempDir;

    use super::*;

    const LISTENING: &str = r#"echo '{"message":"listening","listen":"0.0.0.0:4711"}' >&2"#;

    /// Returns a folder with a shell script as the program of a function.
    fn script(lines: &[&str]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let text = format!("#!/bin/sh\n{}\n", lines.join("\n"));
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        (folder, program)
    }

    async fn start(folder: &TempDir, program: &Path) -> (Children, anyhow::Result<SocketAddr>) {
        let mut children = Children::new(folder.path().join("logs")).unwrap();
        let variables = BTreeMap::from([("GREETING", "good morning".to_owned())]);
        let address = children.start(Function::Predict, program, &variables).await;
        (children, address)
    }

    #[tokio::test]
    async fn function_runs_with_its_variables_until_it_is_stopped() {
        let wait = "trap 'echo bye >&2; exit 0' TERM; while :; do sleep 0.02; done";
        let (folder, program) = script(&[r#"echo "$GREETING on port $PORT" >&2"#, LISTENING, wait]);
        let (mut children, address) = start(&folder, &program).await;
        assert_eq!(address.unwrap(), "127.0.0.1:4711".parse().unwrap());
        let log = children.log(Function::Predict).unwrap().to_owned();
        children.stop().await;
        assert!(children.running.is_empty());
        let log = fs::read_to_string(log).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines[0], "good morning on port 0");
        assert_eq!(lines.last(), Some(&"bye"), "{log}");
    }

    #[tokio::test]
    async fn ended_function_is_reported_with_the_end_of_its_log() {
        let (folder, program) = script(&[
            LISTENING,
            "i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done",
            "exit 3",
        ]);
        let (mut children, address) = start(&folder, &program).await;
        address.unwrap();
        let error = children.ended().await.to_string();
        assert!(
            error.starts_with("the function predict ended: exit status: 3; the end of its log "),
            "{error}"
        );
        assert!(error.ends_with("\nline 28\nline 29"), "{error}");
        assert!(
            !error.contains("line 9\n") && error.contains("\nline 10\n"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn function_that_ends_before_it_listens_is_an_error() {
        let (folder, program) = script(&["echo no registry >&2", "exit 69"]);
        let (_children, address) = start(&folder, &program).await;
        let error = address.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 69") && error.ends_with("no registry"),
            "{error}"
        );
    }

    #[test]
    fn only_the_line_about_listening_has_an_address() {
        let line = r#"{"listen":"0.0.0.0:8080","message":"listening","severity":"INFO"}"#;
        assert_eq!(listening(line), Some(([127, 0, 0, 1], 8080).into()));
        for other in [
            r#"{"message":"listening"}"#,
            r#"{"listen":"0.0.0.0:8080"}"#,
            "x",
        ] {
            assert_eq!(listening(other), None, "{other}");
        }
    }
}
