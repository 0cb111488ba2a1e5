//! The link directives for cargo.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::archive::Archive;

/// Links the archive with the OpenMP and C++ runtimes of the compiler. These are static where
/// available, so that a binary depends on no library but glibc.
///
/// `-bundle` prevents copies of the archives in the rlib of every profile.
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

/// Links an existing `libxgboost.so` through symbolic links in `out_dir`.
///
/// A build script cannot set the run path of other crates' binaries. But `cargo run` and
/// `cargo test` add link search folders inside the target folder to the library path. The symbolic
/// links have the names that the loader looks up: that of the library, with the major version, and
/// those of the libraries in the sibling folder `*.libs` of a Python wheel.
pub(crate) fn dynamically(folder: &Path, out_dir: &Path) -> Result<(), String> {
    let library = folder.join("libxgboost.so");
    println!("cargo::rerun-if-changed={}", library.display());
    let library = library.canonicalize().map_err(|error| {
        format!(
            "cannot find {}: {error}; set XGBOOST_LIB_DIR to a folder with libxgboost.so",
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
        .map_err(|error| format!("cannot run the C++ compiler to find lib{library}.a: {error}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // A compiler without the archive prints only its name.
    Ok(path
        .parent()
        .filter(|_| path.is_absolute())
        .map(Path::to_owned))
}

/// Returns the files of `site-packages/*.libs` for `site-packages/xgboost/lib/libxgboost.so`.
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
