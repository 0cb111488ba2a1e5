//! Finds the C++ sources of XGBoost, which the crate `xgboost_lib-sys` carries.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CARRIER: &str = "xgboost_lib-sys";

/// The unpacked sources of one XGBoost release.
pub(crate) struct Sources {
    /// XGBoost's own root: the folder that holds `src`, `include` and `dmlc-core`.
    pub(crate) root: PathBuf,
    /// Version of the crate that carried them.
    pub(crate) carrier_version: String,
}

/// Asks cargo for the locked carrier crate, which downloads it if it is not there yet.
///
/// The carrier is an optional dependency that is never enabled, so that its own build script (it
/// downloads binaries) never runs. Enabling it for `cargo metadata` alone makes cargo unpack it.
pub(crate) fn locate(manifest_folder: &Path) -> Result<Sources, String> {
    let metadata = cargo_metadata(manifest_folder)?;
    let carrier = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == CARRIER)
        .ok_or_else(|| {
            format!("Cargo.lock does not hold {CARRIER}, which carries XGBoost's C++ sources")
        })?;
    let manifest = text(carrier, "manifest_path")?;
    let root = Path::new(manifest).with_file_name("xgboost");
    if !root.join("src/learner.cc").is_file() {
        return Err(format!("{} holds no XGBoost sources", root.display()));
    }
    Ok(Sources {
        root,
        carrier_version: text(carrier, "version")?.to_owned(),
    })
}

fn cargo_metadata(manifest_folder: &Path) -> Result<Value, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = env::var("TARGET").map_err(|error| format!("TARGET cannot be read: {error}"))?;
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--features", "never", "--filter-platform", &target])
        .arg("--manifest-path")
        .arg(manifest_folder.join("Cargo.toml"))
        .output()
        .map_err(|error| format!("`cargo metadata` cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "XGBoost's C++ sources come with the crate {CARRIER}, and `cargo metadata --locked \
             --features never` could not get it: run `cargo fetch --locked` once with a network, \
             or name a folder with libxgboost.so in XGBOOST_LIB_DIR. cargo said: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` did not print JSON: {error}"))
}

fn text<'a>(package: &'a Value, field: &str) -> Result<&'a str, String> {
    package[field]
        .as_str()
        .ok_or_else(|| format!("`cargo metadata` gave no {field} for {CARRIER}"))
}
