//! Compiles XGBoost into a static archive, once for all profiles of a target folder.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use crate::sources::Sources;

/// The number of files per translation unit. Even eight files with one parse of the headers compile
/// in a third of the time.
const FILES_PER_UNIT: usize = 16;

/// The files with the factory of a registry, as in XGBoost's `src/CMakeLists.txt`. They share a
/// unit without other files, because each declares names that other files define.
const REGISTRIES: [&str; 5] = [
    "src/gbm/gbm.cc",
    "src/metric/metric.cc",
    "src/objective/objective.cc",
    "src/predictor/predictor.cc",
    "src/tree/tree_updater.cc",
];

/// The files whose loops take half of a training: they fill histograms and divide the rows of a
/// node. XGBoost's own build unrolls the loops of all files, which compiles for much longer.
const UNROLLED: [&str; 2] = [
    "src/common/hist_util.cc",
    "src/tree/updater_quantile_hist.cc",
];

/// The files of training on several machines that the other files never call: the C functions, the
/// tracker of the workers, and workers in one process.
const UNUSED: [&str; 3] = [
    "src/c_api/coll_c_api.cc",
    "src/collective/in_memory_handler.cc",
    "src/collective/tracker.cc",
];

/// Stands for dmlc-core, of which XGBoost requires only files and parsers of text.
const NO_FILES: &str = include_str!("no_files.cc");

/// Makes XGBoost sort on one thread, by including `algorithm.h` as on Solaris, which lacks the
/// parallel sort of libstdc++. Its instances would be 6 % of the code. Only medians, ranking, AUC
/// and gradient-based sampling sort many values.
const SERIAL_SORT: &str = r#"#include "src/common/numeric.h"
#include "xgboost/context.h"
#define sun
#include "src/common/algorithm.h"
#undef sun
"#;

/// A compiled archive and its compiler.
pub(crate) struct Archive {
    /// The folder of `libxgboost.a`.
    pub(crate) folder: PathBuf,
    /// The compiler, needed to find its runtime libraries.
    pub(crate) compiler: cc::Tool,
}

/// Compiles `libxgboost.a`, or finds the archive of an earlier build with the same recipe.
///
/// The folder is named after the recipe: source version, compiler, flags and translation units. It
/// is in the target folder, outside of any profile, so `cargo build` and `cargo build --release`,
/// with `--target` or without, share one optimised archive. A lock serializes concurrent builds.
pub(crate) fn compile_once(sources: &Sources, out_dir: &Path) -> Result<Archive, String> {
    let compiler = configure(&sources.root)
        .try_get_compiler()
        .map_err(|error| no_compiler(&error))?;
    let units = units(&sources.root)?;
    let recipe = recipe(sources, &compiler, &units)?;
    let folder = shared_folder(out_dir).join(name(&recipe));
    let archive = folder.join("libxgboost.a");

    fs::create_dir_all(&folder).map_err(|error| cannot("create", &folder, &error))?;
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path).map_err(|error| cannot("create", &lock_path, &error))?;
    lock.lock()
        .map_err(|error| cannot("lock", &lock_path, &error))?;
    if !archive.is_file() {
        let work = folder.join("work");
        compile(&sources.root, &work, &units)?;
        write(&folder.join("recipe.txt"), &recipe)?;
        // The rename is the last step and atomic, so an existing archive is complete.
        fs::rename(work.join("libxgboost.a"), &archive)
            .map_err(|error| cannot("create", &archive, &error))?;
        fs::remove_dir_all(&work).map_err(|error| cannot("remove", &work, &error))?;
    }
    println!("cargo::rerun-if-changed={}", archive.display());
    Ok(Archive { folder, compiler })
}

fn compile(root: &Path, work: &Path, units: &[Unit]) -> Result<(), String> {
    let cannot_compile = |error: cc::Error| format!("cannot compile XGBoost: {error}");
    let paths = write_units(work, units)?;
    let select = |is_unrolled: bool| {
        let units = paths.iter().zip(units);
        let selected = units.filter(move |(_, unit)| unit.is_unrolled == is_unrolled);
        selected.map(|(path, _)| path)
    };
    let objects = configure(root)
        .flag("-funroll-loops")
        .files(select(true))
        .out_dir(work)
        .try_compile_intermediates()
        .map_err(cannot_compile)?;
    configure(root)
        .files(select(false))
        .objects(objects)
        .out_dir(work)
        .try_compile("xgboost")
        .map_err(cannot_compile)
}

fn configure(root: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .debug(false)
        .pic(true)
        .warnings(false)
        .cargo_metadata(false)
        // link.rs links the C++ runtime as an archive.
        .cpp_link_stdlib(None)
        .include(root)
        .include(root.join("include"))
        .include(root.join("dmlc-core/include"))
        .define("NDEBUG", None)
        .define("DMLC_LOG_CUSTOMIZE", "1")
        .define("XGBOOST_BUILTIN_PREFETCH_PRESENT", "1")
        .flag("-fopenmp")
        .flag("-pthread")
        // Messages contain the path of their source file. Remove the user's folder from it.
        .flag(format!("-ffile-prefix-map={}=xgboost", root.display()))
        .flag("-fvisibility=hidden")
        .flag("-fvisibility-inlines-hidden");
    build
}

/// A translation unit: its text, with paths relative to the root.
struct Unit {
    text: String,
    is_unrolled: bool,
}

/// Groups the sources into translation units.
fn units(root: &Path) -> Result<Vec<Unit>, String> {
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files)?;
    files.sort();
    let files: Vec<&str> = files
        .iter()
        .filter_map(|file| file.strip_prefix(root).ok()?.to_str())
        .filter(|file| *file != "src/cli_main.cc" && !UNROLLED.contains(file))
        .collect();
    let (registries, together): (Vec<&str>, Vec<&str>) =
        files.iter().partition(|file| REGISTRIES.contains(file));
    let plain = |text| Unit {
        text,
        is_unrolled: false,
    };
    let unrolled = Unit {
        text: include_used(&UNROLLED),
        is_unrolled: true,
    };
    Ok([unrolled]
        .into_iter()
        .chain(together.chunks(FILES_PER_UNIT).map(include_used).map(plain))
        .chain([plain(include_used(&registries)), plain(NO_FILES.to_owned())])
        .collect())
}

fn include_used(files: &[&str]) -> String {
    let used = files.iter().filter(|file| !UNUSED.contains(file));
    let included = used.map(|file| format!("#include \"{file}\"\n"));
    SERIAL_SORT.to_owned() + &included.collect::<String>()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| cannot("read", folder, &error))?;
    for entry in entries {
        let path = entry
            .map_err(|error| cannot("read", folder, &error))?
            .path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension() == Some(OsStr::new("cc")) {
            files.push(path);
        }
    }
    Ok(())
}

fn write_units(folder: &Path, units: &[Unit]) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(folder).map_err(|error| cannot("create", folder, &error))?;
    units
        .iter()
        .enumerate()
        .map(|(number, unit)| {
            let path = folder.join(format!("unit{number:02}.cc"));
            write(&path, &unit.text).map(|()| path)
        })
        .collect()
}

/// Describes everything that determines the archive's contents, independent of the build location.
fn recipe(sources: &Sources, compiler: &cc::Tool, units: &[Unit]) -> Result<String, String> {
    let version = compiler
        .to_command()
        .arg("--version")
        .output()
        .map_err(|error| no_compiler(&error))?;
    let root = sources.root.display().to_string();
    let flags: Vec<String> = compiler
        .args()
        .iter()
        .map(|flag| flag.to_string_lossy().replace(&root, "xgboost"))
        .collect();
    let texts: Vec<String> = units
        .iter()
        .map(|unit| match unit.is_unrolled {
            true => format!("// with -funroll-loops\n{}", unit.text),
            false => unit.text.clone(),
        })
        .collect();
    Ok(format!(
        "sources: xgboost_lib-sys {}\ncompiler: {}\nflags: {}\nunits:\n{}",
        sources.carrier_version,
        String::from_utf8_lossy(&version.stdout)
            .lines()
            .next()
            .unwrap_or_default(),
        flags.join(" "),
        texts.join("\n")
    ))
}

fn name(recipe: &str) -> String {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Returns the folder in the target folder that all profiles share, also with `--target`. If no
/// ancestor of `OUT_DIR` is marked as cargo's target folder, returns a folder of this profile.
fn shared_folder(out_dir: &Path) -> PathBuf {
    let is_marked = |folder: &Path| folder.join("CACHEDIR.TAG").is_file();
    let marked = out_dir.ancestors().find(|folder| is_marked(folder));
    // With `--target`, cargo marks the folder of that target as well.
    let target = env::var_os("TARGET");
    let outer = marked
        .filter(|folder| folder.file_name() == target.as_deref())
        .and_then(Path::parent)
        .filter(|folder| is_marked(folder));
    outer
        .or(marked)
        .unwrap_or(out_dir)
        .join("xgboost-3.4.1-static")
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    fs::write(path, content).map_err(|error| cannot("write", path, &error))
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}

fn no_compiler(error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot run a C++ compiler for XGBoost: {error}; install g++ (on Debian or Ubuntu \
         `apt-get install g++`), or set XGBOOST_LIB_DIR to a folder with libxgboost.so"
    )
}
