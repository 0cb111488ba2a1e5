//! Finds the C++ sources of XGBoost in the crate `xgboost_lib-sys`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const CARRIER: &str = "xgboost_lib-sys";

/// The unpacked sources of an XGBoost release.
pub(crate) struct Sources {
    /// The root folder of XGBoost, with `src`, `include` and `dmlc-core`.
    pub(crate) root: PathBuf,
    /// The version of the crate that contains the sources.
    pub(crate) carrier_version: String,
}

/// Locates the locked carrier crate through cargo, which downloads it if necessary.
///
/// The carrier is an optional dependency that is never enabled, because its build script downloads
/// binaries. Enabling it only for `cargo metadata` makes cargo unpack it without running that
/// script.
pub(crate) fn locate(manifest_folder: &Path) -> Result<Sources, String> {
    let metadata = cargo_metadata(manifest_folder)?;
    let carrier = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == CARRIER)
        .ok_or_else(|| {
            format!("cannot find {CARRIER}, which contains XGBoost's C++ sources, in Cargo.lock")
        })?;
    let manifest = text(carrier, "manifest_path")?;
    let root = Path::new(manifest).with_file_name("xgboost");
    if !root.join("src/learner.cc").is_file() {
        return Err(format!(
            "cannot find the XGBoost sources in {}",
            root.display()
        ));
    }
    Ok(Sources {
        root,
        carrier_version: text(carrier, "version")?.to_owned(),
    })
}

fn cargo_metadata(manifest_folder: &Path) -> Result<Value, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = env::var("TARGET").map_err(|error| format!("cannot read TARGET: {error}"))?;
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--features", "never", "--filter-platform", &target])
        .arg("--manifest-path")
        .arg(manifest_folder.join("Cargo.toml"))
        .output()
        .map_err(|error| format!("cannot start `cargo metadata`: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cannot fetch the crate {CARRIER}, which contains XGBoost's C++ sources; run \
             `cargo fetch --locked` with network access, or set XGBOOST_LIB_DIR to a folder with \
             libxgboost.so; output of cargo: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cannot parse the output of `cargo metadata`: {error}"))
}

fn text<'a>(package: &'a Value, field: &str) -> Result<&'a str, String> {
    package[field].as_str().ok_or_else(|| {
        format!("cannot find the field {field} of {CARRIER} in the output of `cargo metadata`")
    })
}
