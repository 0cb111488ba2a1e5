//! Files that appear whole or not at all, also when the command is stopped by Ctrl-C.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;

/// What is being written at present, to be removed when the process is stopped.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is written beside its place, and takes its place when it is finished. Dropped before, it is removed.
pub(crate) struct OutputFile {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
}

impl OutputFile {
    /// Begins to write a file; its folder is made if there is none. What a killed process has left of the file is removed.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let name = path
            .file_name()
            .with_context(|| format!("{} names no file", path.display()))?;
        remove_abandoned(folder, name);
        let mut name = name.to_owned();
        // Two processes that write one file do not write into one another's.
        name.push(format!(".{}.partial", std::process::id()));
        let temporary = folder.join(name);
        unfinished().insert(temporary.clone());
        // The lock says that somebody still writes, see `remove_abandoned`; where there are no locks, nothing is removed.
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

    /// Puts the file into its place.
    ///
    /// # Errors
    /// When what was written does not reach the disk.
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
        // Finished, it is gone already.
        let _ = fs::remove_file(&self.temporary);
        unfinished().remove(&self.temporary);
    }
}

/// Removes what processes that were killed have left of a file: what nobody holds a lock on. A file that cannot be removed
/// stays, and harms nobody.
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

/// Removes what is being written at present, for a process that ends at once. While the guard lives, no file is begun or
/// given up, so that nobody reports the loss of a file before the process has ended.
pub(crate) fn remove_unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    let unfinished = unfinished();
    for path in &*unfinished {
        let _ = fs::remove_file(path);
    }
    unfinished
}

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A set that was left by a panic is whole.
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
    fn a_file_appears_whole_or_not_at_all() {
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
    fn what_a_killed_process_has_left_is_removed_and_what_another_writes_is_not() {
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
        let mut left = names(folder.path());
        left.sort();
        let kept = [
            "counts.csv",
            "counts.csv.2.partial",
            "counts.csv.gz.1.partial",
            "counts.csv.old.partial",
        ];
        assert_eq!(left, kept);
    }

    #[test]
    fn what_was_there_stays_until_the_new_file_is_whole() {
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
