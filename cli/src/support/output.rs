//! Atomic output files, which are also cleaned up when Ctrl-C stops the command.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{self, BufWriter, IntoInnerError, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use parking_lot::{Mutex, MutexGuard};
use tempfile::NamedTempFile;

/// The temporary files in use, to be removed when the process is stopped.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The ending of temporary files.
const SUFFIX: &str = ".partial";

/// A file that is written to a temporary path and moved to its path by [`OutputFile::finish`].
///
/// Dropping an unfinished file removes it.
pub(crate) struct OutputFile {
    // Before `registration`, so that the temporary file is removed before its path is forgotten.
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
    registration: Registration,
}

impl OutputFile {
    /// Creates a file, and its folder if necessary.
    ///
    /// Temporary files that killed processes left for the same path are removed.
    ///
    /// # Errors
    /// Returns an error if the folder or the file cannot be created.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let name = path
            .file_name()
            .with_context(|| format!("{} is not a file path", path.display()))?;
        remove_abandoned(folder, name);
        let mut prefix = name.to_owned();
        prefix.push(".");
        let cannot_write = || format!("cannot write {}", path.display());
        let mut unfinished = UNFINISHED.lock();
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(SUFFIX)
            // As `File::create`: the umask applies. The default would hide the file from others.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(cannot_write)?;
        unfinished.insert(file.path().to_owned());
        // The lock protects the file from `remove_abandoned` in other processes, which removes
        // nothing on file systems without locks.
        drop(file.as_file().try_lock());
        Ok(Self {
            registration: Registration(file.path().to_owned()),
            file: BufWriter::new(file),
            path: path.to_owned(),
        })
    }

    /// Flushes the file to disk and moves it to its final path.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written or moved.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self {
            file,
            path,
            registration,
        } = self;
        let cannot_write = || format!("cannot write {}", path.display());
        let file = file
            .into_inner()
            .map_err(IntoInnerError::into_error)
            .with_context(cannot_write)?;
        file.as_file().sync_all().with_context(cannot_write)?;
        file.persist(&path).with_context(cannot_write)?;
        drop(registration);
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A path in [`UNFINISHED`].
struct Registration(PathBuf);

impl Drop for Registration {
    fn drop(&mut self) {
        UNFINISHED.lock().remove(&self.0);
    }
}

/// Removes the temporary files that killed processes left for a file, which are not locked.
///
/// Errors are ignored, because a remaining temporary file is harmless.
fn remove_abandoned(folder: &Path, name: &OsStr) {
    let is_of_this_file = |entry: &fs::DirEntry| {
        let temporary = entry.file_name();
        let middle = temporary
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        let random =
            middle.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(SUFFIX.as_bytes()));
        // tempfile draws six characters; earlier versions took the id of the process.
        random.is_some_and(|random| {
            let is_drawn = random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric);
            is_drawn || random.iter().all(u8::is_ascii_digit)
        })
    };
    for entry in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(is_of_this_file)
    {
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes all temporary files in use, before the process exits.
///
/// While the returned guard exists, no file can be created or dropped. Other threads therefore
/// cannot report a missing file before the process exits.
pub(crate) fn remove_unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    let unfinished = UNFINISHED.lock();
    for path in &*unfinished {
        let _ = fs::remove_file(path);
    }
    unfinished
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn file_appears_only_when_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("counts.csv");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert!(names(path.parent().unwrap()).is_empty());
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(path.parent().unwrap()), ["counts.csv"]);
    }

    #[test]
    fn abandoned_files_are_removed_and_locked_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "counts.csv.1.partial",
            "counts.csv.aB3xYz.partial",
            "counts.csv.2.partial",
            "counts.csv.gz.1.partial",
            "counts.csv.old.partial",
        ] {
            fs::write(at(name), b"half").unwrap();
        }
        let another = File::open(at("counts.csv.2.partial")).unwrap();
        another.lock().unwrap();
        OutputFile::create(&at("counts.csv"))
            .unwrap()
            .finish()
            .unwrap();
        let mut remaining = names(folder.path());
        remaining.sort();
        let expected = [
            "counts.csv",
            "counts.csv.2.partial",
            "counts.csv.gz.1.partial",
            "counts.csv.old.partial",
        ];
        assert_eq!(remaining, expected);
    }

    #[test]
    fn existing_file_is_kept_until_the_new_file_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.csv");
        fs::write(&path, b"old").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(remove_unfinished());
        assert!(file.finish().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
