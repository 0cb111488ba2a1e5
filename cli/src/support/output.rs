//! Atomic output files, which are also cleaned up when Ctrl-C stops the command.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;

/// The temporary files in use, to be removed when the process is stopped.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is written to a temporary path and moved to its path by [`OutputFile::finish`].
///
/// Dropping an unfinished file removes it.
pub(crate) struct OutputFile {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
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
        let mut name = name.to_owned();
        // Two processes may write the same file, so each has its own temporary file.
        name.push(format!(".{}.partial", std::process::id()));
        let temporary = folder.join(name);
        unfinished().insert(temporary.clone());
        // The lock protects the file from `remove_abandoned` in other processes, which removes
        // nothing on file systems without locks.
        match File::create(&temporary).inspect(|file| drop(file.try_lock())) {
            Ok(file) => Ok(Self {
                file: BufWriter::new(file),
                path: path.to_owned(),
                temporary,
            }),
            Err(error) => {
                unfinished().remove(&temporary);
                Err(error).with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }

    /// Flushes the file to disk and moves it to its final path.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written or moved.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let written = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        let moved = written.and_then(|()| fs::rename(&self.temporary, &self.path));
        moved.with_context(|| format!("cannot write {}", self.path.display()))
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

impl Drop for OutputFile {
    fn drop(&mut self) {
        // After `finish`, the temporary file no longer exists.
        let _ = fs::remove_file(&self.temporary);
        unfinished().remove(&self.temporary);
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
        let process = middle.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(b".partial"));
        process.is_some_and(|process| process.iter().all(u8::is_ascii_digit))
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
    let unfinished = unfinished();
    for path in &*unfinished {
        let _ = fs::remove_file(path);
    }
    unfinished
}

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A panic cannot leave the set in an inconsistent state.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
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
