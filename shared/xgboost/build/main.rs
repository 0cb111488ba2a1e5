//! Provides XGBoost 3.4.1 to the linker. By default it compiles the C++ sources into a static
//! archive. If `XGBOOST_LIB_DIR` is set to a folder with `libxgboost.so`, it links that library
//! dynamically.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo passes its settings to a build script as environment variables"
)]

mod archive;
mod link;
mod sources;

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-env-changed=XGBOOST_LIB_DIR");
    println!("cargo::rerun-if-env-changed=CXX");
    println!("cargo::rerun-if-env-changed=CXXFLAGS");
    if let Err(reason) = provide_xgboost() {
        // A cargo directive must be a single line.
        println!("cargo::error={}", reason.trim().replace('\n', " | "));
    }
}

fn provide_xgboost() -> Result<(), String> {
    if let Some(folder) = env::var_os("XGBOOST_LIB_DIR").filter(|folder| !folder.is_empty()) {
        return link::dynamically(&PathBuf::from(folder), &cargo_folder("OUT_DIR")?);
    }
    require_linux()?;
    let sources = sources::locate(&cargo_folder("CARGO_MANIFEST_DIR")?)?;
    let archive = archive::compile_once(&sources, &cargo_folder("OUT_DIR")?)?;
    link::statically(&archive)
}

fn require_linux() -> Result<(), String> {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => Ok(()),
        other => Err(format!(
            "cannot compile XGBoost for {other:?}, only for Linux; \
             set XGBOOST_LIB_DIR to a folder with libxgboost.so"
        )),
    }
}

fn cargo_folder(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{variable} is not set; run this build script with cargo"))
}
