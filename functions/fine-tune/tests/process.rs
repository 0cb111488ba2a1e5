//! The function as a process.

use std::process::Command;

/// At start, OpenMP prints how often a waiting thread spins before it sleeps.
#[test]
fn threads_of_a_training_soon_sleep_while_they_wait() {
    let spins = |policy: Option<&str>| -> Vec<String> {
        let mut function = Command::new(env!("CARGO_BIN_EXE_fine-tune"));
        function
            .env_clear()
            .env("OMP_DISPLAY_ENV", "verbose")
            .envs(policy.map(|policy| ("OMP_WAIT_POLICY", policy)));
        let printed = String::from_utf8(function.output().unwrap().stderr).unwrap();
        let count = |line: &str| Some(line.split_once("GOMP_SPINCOUNT = ")?.1.to_owned());
        printed.lines().filter_map(count).collect()
    };
    // The process starts once more, unless the policy is set.
    assert_eq!(spins(None).last().unwrap(), "'3000'");
    assert_eq!(spins(Some("passive")), ["'0'"]);
    let active = spins(Some("active"));
    assert!(active.len() == 1 && active[0] != "'0'", "{active:?}");
}
