//! The restart of a command that trains: its threads sleep soon while they wait, and its memory has
//! huge pages.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::process::{bike_traffic, error_of};

const TRAIN: [&str; 5] = [
    "train",
    "--train-path",
    "absent.csv",
    "--test-path",
    "absent.csv",
];

/// Returns the number of spins before a waiting thread sleeps, as OpenMP prints it at each start of
/// the process.
fn spins(folder: &Path, arguments: &[&str], policy: Option<&str>) -> Vec<String> {
    let mut command = bike_traffic(folder, arguments);
    command
        .env("OMP_DISPLAY_ENV", "verbose")
        .envs(policy.map(|policy| ("OMP_WAIT_POLICY", policy)));
    let printed = error_of(&command.output().unwrap());
    let count = |line: &str| Some(line.split_once("GOMP_SPINCOUNT = ")?.1.to_owned());
    printed.lines().filter_map(count).collect()
}

#[test]
fn command_that_trains_restarts_with_threads_that_soon_sleep() {
    let folder = tempfile::tempdir().unwrap();
    let started = spins(folder.path(), &TRAIN, None);
    assert!(started.len() == 2 && started[0] != "'0'", "{started:?}");
    // A tenth of a millisecond.
    assert_eq!(started[1], "'3000'");
    // Another command starts once.
    assert_eq!(spins(folder.path(), &["status"], None), started[..1]);
}

#[test]
fn wait_policy_of_the_user_is_respected() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(spins(folder.path(), &TRAIN, Some("passive")), ["'0'"]);
    let active = spins(folder.path(), &TRAIN, Some("active"));
    assert!(active.len() == 1 && active[0] != "'0'", "{active:?}");
    // A policy in the file is unknown to OpenMP before the restart.
    fs::write(folder.path().join(".env"), "OMP_WAIT_POLICY=active\n").unwrap();
    assert_eq!(spins(folder.path(), &TRAIN, None).last(), active.last());
}

#[test]
fn restarted_command_has_its_arguments_and_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "TEST_DATA_PATH=late.csv\n").unwrap();
    let arguments = ["train", "--train-path", "no such file.csv"];
    let output = bike_traffic(folder.path(), &arguments).output().unwrap();
    let errors = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no such file.csv"), "{errors}");
    assert!(errors.contains("TEST_DATA_PATH"), "{errors}");
}

/// The command waits for its training data in a named pipe, and meanwhile shows its environment.
#[test]
fn restarted_command_has_huge_pages() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // An open pipe without content makes its readers wait.
    let writer = fs::File::options().read(true).write(true).open(&pipe);
    let arguments = [
        "train",
        "--train-path",
        "pipe.csv",
        "--test-path",
        "pipe.csv",
    ];
    let mut child = bike_traffic(folder.path(), &arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let environment = loop {
        assert_eq!(child.try_wait().unwrap(), None, "the command has ended");
        let environment = fs::read(format!("/proc/{}/environ", child.id())).unwrap();
        let environment = String::from_utf8(environment).unwrap();
        if environment.contains("OMP_WAIT_POLICY=passive") {
            break environment;
        }
        thread::sleep(Duration::from_millis(10));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    drop(writer);
    // glibc writes NUL over each colon when it reads them.
    let variables: Vec<_> = environment.split(['\0', ':']).collect();
    for setting in [
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
        "glibc.malloc.arena_max=1",
    ] {
        assert!(variables.contains(&setting), "{environment}");
    }
}
