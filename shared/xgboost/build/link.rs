//! Tells cargo what to link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::archive::Archive;

/// Links the archive together with the compiler's OpenMP and C++ runtimes, as archives too where
/// the compiler has them, so that a binary needs no library but glibc's.
///
/// `-bundle` leaves the archives where they are: inside the rlib they would be copied per profile.
pub(crate) fn statically(archive: &Archive) -> Result<(), String> {
    println!(
        "cargo::rustc-link-search=native={}",
        archive.folder.display()
    );
    println!("cargo::rustc-link-lib=static:-bundle=xgboost");
    for library in ["gomp", "stdc++"] {
        match runtime_folder(&archive.compiler, library)? {
            Some(folder) => {
                println!("cargo::rustc-link-search=native={}", folder.display());
                println!("cargo::rustc-link-lib=static:-bundle={library}");
            }
            None => println!("cargo::rustc-link-lib=dylib={library}"),
        }
    }
    Ok(())
}

/// Links a ready `libxgboost.so`, by way of links to it in `out_dir`.
///
/// A build script cannot give the binaries of other crates a run path, but `cargo run` and
/// `cargo test` put searched folders inside the target folder on the library path. The links
/// stand there under the names that the loader asks for: the library's own, with the major
/// version, and those of the libraries that a Python wheel keeps in its sibling `*.libs` folder.
pub(crate) fn dynamically(folder: &Path, out_dir: &Path) -> Result<(), String> {
    let library = folder.join("libxgboost.so");
    println!("cargo::rerun-if-changed={}", library.display());
    let library = library.canonicalize().map_err(|error| {
        format!(
            "XGBOOST_LIB_DIR must name a folder with libxgboost.so: {}: {error}",
            library.display()
        )
    })?;
    replace_link(&library, &out_dir.join("libxgboost.so"))?;
    replace_link(&library, &out_dir.join("libxgboost.so.3"))?;
    for companion in companions(&library) {
        if let Some(name) = companion.file_name() {
            replace_link(&companion, &out_dir.join(name))?;
        }
    }
    println!("cargo::rustc-link-search=native={}", out_dir.display());
    println!("cargo::rustc-link-lib=dylib=xgboost");
    Ok(())
}

fn runtime_folder(compiler: &cc::Tool, library: &str) -> Result<Option<PathBuf>, String> {
    let output = compiler
        .to_command()
        .arg(format!("-print-file-name=lib{library}.a"))
        .output()
        .map_err(|error| format!("cannot ask the C++ compiler for lib{library}.a: {error}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // A compiler that has no such archive repeats the bare name.
    Ok(path
        .parent()
        .filter(|_| path.is_absolute())
        .map(Path::to_owned))
}

/// Files of `site-packages/*.libs`, seen from `site-packages/xgboost/lib/libxgboost.so`.
fn companions(library: &Path) -> Vec<PathBuf> {
    let Some(site_packages) = library.ancestors().nth(3) else {
        return Vec::new();
    };
    let is_xgboost_libs = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("xgboost") && name.ends_with(".libs")
    };
    entries(site_packages)
        .into_iter()
        .filter(is_xgboost_libs)
        .flat_map(|folder| entries(&folder))
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn replace_link(original: &Path, link: &Path) -> Result<(), String> {
    let describe = |error| {
        format!(
            "cannot link {} to {}: {error}",
            link.display(),
            original.display()
        )
    };
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link).map_err(describe)?;
    }
    symlink(original, link).map_err(describe)
}
