//! The local files of an export, and a record of the object each was downloaded from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Cursor, ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use forecasting::checksum::Checksum;
use serde::{Deserialize, Serialize};
use shared::{address::ObjectPath, store::Store};

use super::{
    month::{Month, Part},
    report::ExportedFile,
};
use crate::support::output::OutputFile;

const RECORD: &str = "export.json";

/// An output folder and the record of its files.
pub(super) struct Files {
    folder: PathBuf,
    known: BTreeMap<String, FileRecord>,
}

/// The record of a file.
#[derive(Debug, Serialize, Deserialize)]
struct FileRecord {
    /// The exported days; `None` if the file belongs to a whole month.
    part: Option<Part>,
    /// The object that the file was downloaded from. Object names are never reused.
    object: ObjectPath,
    rows: u64,
    bytes: u64,
    sha256: Checksum,
}

impl Files {
    /// Opens an output folder, which need not exist, and reads its record.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let record = folder.join(RECORD);
        let known = match fs::read(&record) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "cannot parse {0}; to download its files again, run `rm {0}`",
                    record.display()
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", record.display()));
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            known,
        })
    }

    /// Downloads the objects of a month or part, and removes its files of other objects.
    ///
    /// A file that is identical to its object is not downloaded again.
    pub(super) async fn update(
        &mut self,
        store: &dyn Store,
        month: &Month,
        objects: &[ObjectPath],
    ) -> anyhow::Result<Vec<ExportedFile>> {
        let label = month.label();
        let name = |object: &ObjectPath| {
            format!(
                "{label}-{}",
                object
                    .as_str()
                    .rsplit('/')
                    .next()
                    .unwrap_or_else(|| object.as_str())
            )
        };
        let names: Vec<_> = objects.iter().map(name).collect();
        let mut files = Vec::new();
        for (object, name) in objects.iter().zip(&names) {
            let is_new = !self.holds(name, object)?;
            if is_new {
                let known = self.download(store, object, name, month.part).await?;
                self.known.insert(name.clone(), known);
                self.save()?;
            }
            let FileRecord { rows, bytes, .. } = self.known[name];
            files.push(ExportedFile {
                path: self.folder.join(name),
                rows,
                bytes,
                is_new,
            });
        }
        // An earlier export may have written more objects.
        self.remove(&month.name, |name, part| {
            part == month.part && names.iter().all(|current| current != name)
        })?;
        Ok(files)
    }

    /// Removes the files of all smaller parts that this month or part contains.
    pub(super) fn remove_parts_of(&mut self, month: &Month) -> anyhow::Result<()> {
        self.remove(&month.name, |_, part| {
            part != month.part && part.is_some_and(|part| month.contains(part))
        })
    }

    /// Returns the parts of a month that have files.
    pub(super) fn parts(&self, month: &str) -> BTreeSet<Part> {
        self.of_month(month)
            .filter_map(|(_, known)| known.part)
            .collect()
    }

    fn of_month(&self, month: &str) -> impl Iterator<Item = (&String, &FileRecord)> {
        let start = format!("{month}-");
        self.known
            .iter()
            .filter(move |(name, _)| name.starts_with(&start))
    }

    /// Returns `true` if the file exists and its size and checksum are those of the object.
    fn holds(&self, name: &str, object: &ObjectPath) -> anyhow::Result<bool> {
        let Some(known) = self.known.get(name).filter(|known| known.object == *object) else {
            return Ok(false);
        };
        let path = self.folder.join(name);
        let cannot_read = || format!("cannot read {}", path.display());
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened.with_context(cannot_read)?,
        };
        let has_size = file.metadata().with_context(cannot_read)?.len() == known.bytes;
        Ok(has_size && Checksum::from_reader(file).with_context(cannot_read)? == known.sha256)
    }

    async fn download(
        &self,
        store: &dyn Store,
        object: &ObjectPath,
        name: &str,
        part: Option<Part>,
    ) -> anyhow::Result<FileRecord> {
        let contents = store.read(object).await?.bytes;
        let counted = if name.ends_with(".parquet") {
            tables::parquet_rows(Cursor::new(&contents)).map_err(anyhow::Error::from)
        } else {
            count_rows(&contents)
        };
        let rows = counted.with_context(|| {
            format!(
                "cannot read {}; to export the month again, add --fresh",
                store.address_of(object)
            )
        })?;
        let path = self.folder.join(name);
        let mut file = OutputFile::create(&path)?;
        file.write_all(&contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.finish()?;
        Ok(FileRecord {
            part,
            object: object.clone(),
            rows,
            bytes: contents.len() as u64,
            sha256: Checksum::of(&contents),
        })
    }

    /// Removes the recorded files of a month that `is_chosen` selects by name and part.
    ///
    /// Files without a record are never removed.
    fn remove(
        &mut self,
        month: &str,
        is_chosen: impl Fn(&str, Option<Part>) -> bool,
    ) -> anyhow::Result<()> {
        let chosen = self
            .of_month(month)
            .filter(|(name, known)| is_chosen(name, known.part));
        let names: Vec<_> = chosen.map(|(name, _)| name.clone()).collect();
        for name in &names {
            let path = self.folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed.with_context(|| format!("cannot remove {}", path.display()))?,
            }
            self.known.remove(name);
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> anyhow::Result<()> {
        let path = self.folder.join(RECORD);
        let mut file = OutputFile::create(&path)?;
        serde_json::to_writer_pretty(&mut file, &self.known)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.finish()
    }
}

/// Returns the number of rows of a CSV file, without its header.
fn count_rows(contents: &[u8]) -> anyhow::Result<u64> {
    let mut rows = 0;
    let mut reader = csv::Reader::from_reader(contents);
    if reader.byte_headers()?.is_empty() {
        bail!("the file has no header");
    }
    for row in reader.byte_records() {
        row?;
        rows += 1;
    }
    Ok(rows)
}
