//! The store with files in a local folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Condition, Generation, Object, Store, StoreError};
use crate::address::ObjectPath;

/// The subfolder with one small file per object. The file contains the object's generation and
/// serves as its lock.
const GENERATIONS: &str = ".generations";
const TEMPORARY: &str = ".temporary";

/// A store with one readable file per object. Any number of processes may share it.
///
/// Two subfolders accompany the objects. `.generations/PATH` contains the generation of an object
/// and is its lock. `.temporary/PATH` is an object being written by the holder of that lock. A
/// write acquires the lock, increments the generation, and then moves the new file to its final
/// path. After a crash between these steps, the old contents have a new generation: a condition
/// fails, but nothing is lost.
///
/// A write returns after its files and their folders are on disk, so a power loss reverts no
/// acknowledged write. Replacing an object costs three syncs; creating one costs two more for each
/// folder of its path. On a disk without a write cache, a sync takes milliseconds.
///
/// A folder that may not be written, such as a backup or a state of another user, can be read.
///
/// Unlike a bucket, a folder cannot contain both an object `a` and an object `a/b`: the second
/// write fails.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// Opens the store in `folder` and creates the folder if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self {
            folder: folder.to_owned(),
        };
        let unavailable = |source: io::Error| StoreError::Unavailable {
            verb: "create the folder of",
            address: format!("file://{}", folder.display()),
            source: source.into(),
        };
        create_synced(folder).map_err(unavailable)?;
        match fs::create_dir_all(folder.join(TEMPORARY)) {
            // The objects can be read.
            Err(error) if is_write_denied(&error) => Ok(store),
            created => created.map(|()| store).map_err(unavailable),
        }
    }

    fn file_of(&self, path: &ObjectPath) -> PathBuf {
        self.folder.join(path.as_str())
    }

    /// Runs file access on a blocking thread, so that it does not delay other tasks.
    async fn on_disk<T: Send + 'static>(
        &self,
        verb: &'static str,
        path: &ObjectPath,
        work: impl FnOnce(&Self, &ObjectPath) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (store, object) = (self.clone(), path.clone());
        let joined = tokio::task::spawn_blocking(move || work(&store, &object)).await;
        let result = joined.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        result.map_err(|source| self.failure(verb, path, source))
    }

    fn failure(&self, verb: &'static str, path: &ObjectPath, source: io::Error) -> StoreError {
        let address = self.address_of(path);
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { address },
            io::ErrorKind::AlreadyExists => StoreError::ConditionFailed { address },
            _ => StoreError::Unavailable {
                verb,
                address,
                source: source.into(),
            },
        }
    }

    fn read_file(&self, path: &ObjectPath) -> io::Result<Object> {
        // Check before locking, because locking creates a lock file.
        if !self.has_file(path)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Held until the contents are read.
        let mut lock = self.lock_to_read(path)?;
        let generation = known_generation(lock.as_mut())?;
        Ok(Object {
            bytes: fs::read(self.file_of(path))?.into(),
            generation,
        })
    }

    fn write_file(
        &self,
        path: &ObjectPath,
        bytes: &[u8],
        condition: Condition,
    ) -> io::Result<Generation> {
        let file = self.file_of(path);
        let mut lock = self.lock_file(path)?;
        lock.lock()?;
        let last = read_generation(&mut lock)?;
        let present = self.has_file(path)?.then_some(last);
        if !condition.holds(present) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let next = Generation(last.0 + 1);
        let temporary = self.folder.join(TEMPORARY).join(path.as_str());
        write_whole(&temporary, bytes)?;
        // The generation is on disk before the contents: after a power loss, contents with a reused
        // generation could fulfil the condition of an earlier reader.
        lock.rewind()?;
        write!(lock, "{:020}", next.0)?;
        lock.sync_all()?;
        let folder = file.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        fs::rename(&temporary, &file)?;
        if present.is_some() {
            sync_folder(folder)?;
        } else {
            self.sync_folders_of(path)?;
        }
        Ok(next)
    }

    /// Syncs all folders on the way to a new object and to its generation, because any of them may
    /// be new as well.
    fn sync_folders_of(&self, path: &ObjectPath) -> io::Result<()> {
        let root = self.folder.as_path();
        for file in [&self.lock_path(path), &self.file_of(path)] {
            let folders = file.ancestors().skip(1);
            folders
                .take_while(|folder| folder.starts_with(root))
                .try_for_each(sync_folder)?;
        }
        Ok(())
    }

    /// Returns `true` if an object exists. A folder is not an object, and an object has no
    /// children.
    fn has_file(&self, path: &ObjectPath) -> io::Result<bool> {
        match fs::metadata(self.file_of(path)) {
            Ok(found) => Ok(found.is_file()),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Locks an object against writes. Returns `None` if its lock file does not exist and may not
    /// be created.
    fn lock_to_read(&self, path: &ObjectPath) -> io::Result<Option<File>> {
        let lock = readable_lock(self.lock_file(path), &self.lock_path(path))?;
        if let Some(lock) = &lock {
            lock.lock_shared()?;
        }
        Ok(lock)
    }

    fn lock_path(&self, path: &ObjectPath) -> PathBuf {
        self.folder.join(GENERATIONS).join(path.as_str())
    }

    fn lock_file(&self, path: &ObjectPath) -> io::Result<File> {
        let file = self.lock_path(path);
        let open = || {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&file)
        };
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(file.parent().unwrap_or(&self.folder))?;
                open()
            }
            opened => opened,
        }
    }

    fn list_files(&self, prefix: &str) -> io::Result<Vec<ObjectPath>> {
        // Only the folder part of the prefix can contain matches.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = Vec::new();
        let mut folders = vec![self.folder.join(folder)];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Err(error) if is_missing(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let path = entry?.path();
                let Some(name) = path.strip_prefix(&self.folder).ok().and_then(Path::to_str) else {
                    continue;
                };
                if path.is_dir() && !name.starts_with('.') {
                    folders.push(path);
                } else if name.starts_with(prefix) {
                    found.extend(name.parse::<ObjectPath>().ok());
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

#[async_trait]
impl Store for FileStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        self.on_disk("read", path, |store, path| store.read_file(path))
            .await
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        let read = |store: &Self, path: &ObjectPath| {
            if !store.has_file(path)? {
                return Ok(None);
            }
            let mut lock = store.lock_to_read(path)?;
            known_generation(lock.as_mut()).map(Some)
        };
        self.on_disk("check", path, read).await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        self.on_disk("write", path, move |store, path| {
            store.write_file(path, &bytes, condition)
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        let (store, owned) = (self.clone(), prefix.to_owned());
        let joined = tokio::task::spawn_blocking(move || store.list_files(&owned)).await;
        let result = joined.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        let address = || format!("file://{}/{prefix}*", self.folder.display());
        result.map_err(|source| StoreError::Unavailable {
            verb: "list",
            address: address(),
            source: source.into(),
        })
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        format!("file://{}", self.file_of(path).display())
    }
}

/// Opens a lock file that may not be opened for writing, because reading needs no more. Returns
/// `None` if the file does not exist: no write has gone through this store.
fn readable_lock(opened: io::Result<File>, file: &Path) -> io::Result<Option<File>> {
    match opened {
        Err(error) if is_write_denied(&error) => match File::open(file) {
            Err(error) if is_missing(&error) => Ok(None),
            opened => opened.map(Some),
        },
        opened => opened.map(Some),
    }
}

fn is_write_denied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// Returns the generation in a lock file, or that of an object without one.
fn known_generation(lock: Option<&mut File>) -> io::Result<Generation> {
    lock.map_or(Ok(Generation(0)), read_generation)
}

fn read_generation(lock: &mut File) -> io::Result<Generation> {
    let mut text = String::new();
    lock.rewind()?;
    lock.read_to_string(&mut text)?;
    if text.is_empty() {
        return Ok(Generation(0));
    }
    text.trim()
        .parse()
        .map(Generation)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::create(file)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Creates a folder and the missing folders above it, and syncs each folder that got a new entry.
fn create_synced(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let is_missing = |folder: &&Path| !folder.is_dir();
    let created: Vec<_> = folder.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(folder)?;
    created
        .into_iter()
        .filter_map(Path::parent)
        .try_for_each(sync_folder)
}

/// Writes the entries of a folder to disk: created and renamed files.
///
/// Only Unix can sync a folder. An empty path is the working folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn is_missing(error: &io::Error) -> bool {
    // No file has a name that is too long for the file system.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_file_is_opened_for_reading_where_writing_is_denied() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock");
        let open = |kind: io::ErrorKind| readable_lock(Err(kind.into()), &file);
        for kind in [
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
        ] {
            assert!(open(kind).unwrap().is_none());
        }
        fs::write(&file, format!("{:020}", 7)).unwrap();
        for kind in [
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
        ] {
            let mut lock = open(kind).unwrap();
            let generation = known_generation(lock.as_mut()).unwrap();
            assert_eq!(generation, Generation(7));
        }
        let error = open(io::ErrorKind::StorageFull).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
