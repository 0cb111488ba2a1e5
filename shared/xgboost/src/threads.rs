//! The number of threads, and the environment of a program that trains.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    num::NonZero,
    os::unix::process::CommandExt,
    process::Command,
    sync::LazyLock,
    thread,
};

/// The variable that tells OpenMP how its threads wait for work.
const WAIT_POLICY: &str = "OMP_WAIT_POLICY";
/// The variable that tells GNU's OpenMP how often a waiting thread looks for work before it sleeps.
const SPIN_COUNT: &str = "GOMP_SPINCOUNT";
/// About a tenth of a millisecond. Most waits within a round of training are shorter, and a sleep
/// costs as much: training takes a tenth less time than with 0. Beside a process that needs the
/// same core, the tenth of a millisecond is lost, and training takes a tenth more.
const SPINS: &str = "3000";
/// The variable with the settings of glibc.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Makes glibc ask the kernel for transparent huge pages. A round of training reads rows in an order
/// that is not that of memory. On two cores, training takes a tenth less time than with pages of
/// 4 KiB.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1";
/// Makes all threads allocate from one arena. On two cores, training takes about 3 % less time and
/// 5 MiB less memory than with an arena for each thread.
const ONE_ARENA: &str = "glibc.malloc.arena_max=1";

/// Returns the number of threads that this process may use at once: the quota of its control group
/// (cgroup), or the number of its cores.
#[must_use]
pub fn available_threads() -> NonZero<usize> {
    // The quota is read from several files.
    static NUMBER: LazyLock<NonZero<usize>> =
        LazyLock::new(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
    *NUMBER
}

/// Restarts this program with an environment in which XGBoost trains fast, unless the environment
/// sets `OMP_WAIT_POLICY`.
///
/// | variable | value | effect |
/// |---|---|---|
/// | `OMP_WAIT_POLICY` | `passive` | a waiting thread sleeps |
/// | `GOMP_SPINCOUNT` | `3000`, if it is not set | but only after about a tenth of a millisecond |
/// | `GLIBC_TUNABLES` | `glibc.malloc.hugetlb=1`, unless it is set | memory has huge pages |
/// | | `glibc.malloc.arena_max=1`, unless it is set | threads share one arena |
///
/// By default, a thread of OpenMP that waits for work keeps its core busy for milliseconds. Where
/// other work needs the core, training takes many times as long. OpenMP and glibc read the
/// variables before `main` begins, so a program cannot set them for itself. The process keeps its
/// id, arguments and open files. Call this function before the program starts threads or writes
/// anything.
///
/// `loaded` are the variables that the program has set itself, for example from a file. The
/// restarted program sets them again, and starts with a wait policy among them.
///
/// # Errors
///
/// Returns an error if the program cannot be restarted. It may continue, and trains more slowly. In
/// the restarted program, the function returns without an error.
pub fn restart_for_training<'a>(loaded: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let loaded: Vec<&str> = loaded.into_iter().collect();
    let policy = env::var_os(WAIT_POLICY);
    if policy.is_some() && !loaded.contains(&WAIT_POLICY) {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut program = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    program.args(arguments);
    for variable in loaded {
        program.env_remove(variable);
    }
    program.env(
        WAIT_POLICY,
        policy.as_deref().unwrap_or(OsStr::new("passive")),
    );
    if policy.is_none() && env::var_os(SPIN_COUNT).is_none() {
        program.env(SPIN_COUNT, SPINS);
    }
    program.env(TUNABLES, tunables(env::var_os(TUNABLES)));
    Err(program.exec())
}

/// Adds the settings of a training to those of glibc, unless these have a setting of the same name.
fn tunables(given: Option<OsString>) -> OsString {
    let mut all = given.unwrap_or_default();
    for setting in [HUGE_PAGES, ONE_ARENA] {
        let name = setting.split('=').next().unwrap_or(setting);
        if all.to_string_lossy().contains(name) {
            continue;
        }
        if !all.is_empty() {
            all.push(":");
        }
        all.push(setting);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_user_are_kept() {
        let with = |given: Option<&str>| tunables(given.map(OsString::from));
        let both = "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1";
        assert_eq!(with(None), both);
        assert_eq!(with(Some("")), both);
        assert_eq!(
            with(Some("glibc.malloc.check=3")),
            "glibc.malloc.check=3:glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1"
        );
        assert_eq!(
            with(Some("glibc.malloc.arena_max=4")),
            "glibc.malloc.arena_max=4:glibc.malloc.hugetlb=1"
        );
        let own = "glibc.malloc.arena_max=4:glibc.malloc.hugetlb=0";
        assert_eq!(with(Some(own)), own);
    }
}
