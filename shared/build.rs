//! Passes the commit of the sources to the compiler, in the variable `BIKE_TRAFFIC_COMMIT`.
//!
//! A value that the caller has set is used as it is: an image is built without a repository.
//! Otherwise, a release build reads the commit from the repository. A development build has no
//! commit, so a new commit recompiles nothing.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo passes its settings to a build script as environment variables"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

const VARIABLE: &str = "BIKE_TRAFFIC_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let is_set = env::var_os(VARIABLE).is_some_and(|commit| !commit.is_empty());
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_set || !is_release {
        return;
    }
    // A cargo directive must be a single line.
    if let Some(commit) = head().filter(|commit| is_commit(commit)) {
        println!("cargo::rustc-env={VARIABLE}={commit}");
    }
}

/// Returns the commit that the repository has checked out, or `None` outside of a repository.
fn head() -> Option<String> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let git = git_folder(&package.parent()?.join(".git"))?;
    // Each commit appends a line, even if it changes no other file that is read here.
    watch(&git.join("logs/HEAD"));
    let head = read(&git.join("HEAD"))?;
    let Some(reference) = head.strip_prefix("ref: ") else {
        return Some(head);
    };
    // A worktree has the branches of its repository.
    let common = fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |folder| git.join(folder.trim()));
    read(&common.join(reference)).or_else(|| packed(&common, reference))
}

/// Returns the folder of the repository. The `.git` of a worktree is a file that names it.
fn git_folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let text = fs::read_to_string(path).ok()?;
    Some(path.parent()?.join(text.strip_prefix("gitdir: ")?.trim()))
}

/// Returns the commit of a branch without a file of its own.
fn packed(git: &Path, reference: &str) -> Option<String> {
    let branches = read(&git.join("packed-refs"))?;
    branches.lines().find_map(|line| {
        let (commit, name) = line.split_once(' ')?;
        (name == reference).then(|| commit.to_owned())
    })
}

fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    watch(path);
    Some(text.trim().to_owned())
}

/// Runs this script again when the file changes. With a missing file, cargo would always run it.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
