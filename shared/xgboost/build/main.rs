//! Provides XGBoost 3.4.1 to the linker: compiled from C++ into a static archive, or, if
//! `XGBOOST_LIB_DIR` names a folder with a ready `libxgboost.so`, linked dynamically.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through its environment"
)]

mod archive;
mod link;
mod sources;

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-env-changed=XGBOOST_LIB_DIR");
    println!("cargo::rerun-if-env-changed=CXX");
    println!("cargo::rerun-if-env-changed=CXXFLAGS");
    if let Err(reason) = provide_xgboost() {
        // A directive ends at the line's end.
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
            "XGBoost is compiled from source on Linux only, not on {other:?}: \
             name a folder with a ready library in XGBOOST_LIB_DIR"
        )),
    }
}

fn cargo_folder(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{variable} is not set: this program is run by cargo"))
}
