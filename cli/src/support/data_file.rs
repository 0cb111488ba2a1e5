//! Reading and writing of count files, with a reject file for invalid rows.

use std::{
    fs,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts, Export, ReadError, ReadSummary, RejectWriter, Rejects},
};
use google_cloud::CloudSettings;
use shared::{
    address::{Address, ObjectPath},
    baseline::Source,
    clock::{Clock, SystemClock},
    settings::ProcessVariables,
};

use crate::support::output::OutputFile;

/// The first bytes of a Parquet file.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// The counts of a file, and a summary of its rows.
pub(crate) struct Loaded {
    /// The sorted counts, one per counter and hour.
    pub(crate) counts: Counts,
    /// The rows by outcome.
    pub(crate) summary: ReadSummary,
    /// The description of the file for a manifest.
    pub(crate) source: Source,
}

/// Reads a local file or an object `gs://BUCKET/OBJECT`: CSV, gzipped CSV or Parquet.
///
/// Invalid rows are written to `rejects`; without invalid rows, an existing file is removed.
pub(crate) async fn load(path: &str, rejects: &Path) -> anyhow::Result<Loaded> {
    if path.starts_with("gs://") {
        let bytes = download(path).await?;
        let checksum = Checksum::of(&bytes);
        // The errors of local files name their file.
        let cannot_read = || format!("cannot read counts from {path}");
        if bytes.starts_with(PARQUET_MAGIC) {
            return load_with(path, checksum, rejects, |writer| {
                let csv = tables::parquet_as_csv(Cursor::new(bytes)).with_context(cannot_read)?;
                counts::read_export(&csv[..], SystemClock.now(), writer).with_context(cannot_read)
            });
        }
        let unpacked = counts::decompress(Cursor::new(bytes)).with_context(cannot_read)?;
        return load_with(path, checksum, rejects, |writer| {
            counts::read_export(unpacked, SystemClock.now(), writer).with_context(cannot_read)
        });
    }
    load_file(&local(path)?, rejects)
}

/// Returns the error text for a file that neither `option` nor `variable` names.
pub(crate) fn missing(file: &str, option: &str, variable: &str) -> String {
    format!(
        "missing {file}: pass {option} or set {variable}; `bike-traffic sample-data --out data` generates files to try"
    )
}

/// Returns an error if a local file cannot be opened, before a command creates anything. `option` is
/// the option that names the file.
pub(crate) fn refuse_unreadable(path: &str, option: &str) -> anyhow::Result<()> {
    if path.starts_with("gs://") {
        return Ok(());
    }
    fs::File::open(local(path)?)
        .map(drop)
        .with_context(|| format!("cannot read {path}; pass another file with {option}"))
}

/// Reads a local file like [`load`].
pub(crate) fn load_file(path: &Path, rejects: &Path) -> anyhow::Result<Loaded> {
    let name = path.display().to_string();
    let checksum = fs::File::open(path)
        .and_then(Checksum::from_reader)
        .with_context(|| format!("cannot read {name}"))?;
    load_with(&name, checksum, rejects, |writer| {
        Ok(read_file(path, writer)?)
    })
}

/// Reads counts from a file, CSV or Parquet, and rejects hours in the future.
///
/// The present time is that of the system, also in simulated runs: they replay files of the past.
pub(crate) fn read_file(path: &Path, rejects: &mut dyn Rejects) -> Result<Export, ReadError> {
    if !is_parquet(path) {
        return counts::read_export_file(path, SystemClock.now(), rejects);
    }
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let file = fs::File::open(path).map_err(|source| ReadError::Open {
        path: path.to_owned(),
        source,
    })?;
    let csv = tables::parquet_as_csv(file)
        .map_err(|error| in_file(ReadError::Io(io::Error::other(error))))?;
    counts::read_export(&csv[..], SystemClock.now(), rejects).map_err(in_file)
}

/// Returns `true` for a Parquet file. A file that cannot be read is not one, so that the reader of
/// CSV reports the error.
fn is_parquet(path: &Path) -> bool {
    let mut start = [0; PARQUET_MAGIC.len()];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *PARQUET_MAGIC
}

/// Reads counts with `read` and writes the reject file.
fn load_with(
    path: &str,
    checksum: Checksum,
    rejects: &Path,
    read: impl FnOnce(&mut RejectWriter<&mut OutputFile>) -> anyhow::Result<Export>,
) -> anyhow::Result<Loaded> {
    let cannot_write = || format!("cannot write the reject file {}", rejects.display());
    let mut file = OutputFile::create(rejects)?;
    let mut writer = RejectWriter::new(&mut file);
    let export = read(&mut writer);
    let rejected = writer.finish().with_context(cannot_write)?;
    if rejected > 0 {
        file.finish()?;
    } else if rejects.exists() {
        // An earlier run may have left a reject file.
        fs::remove_file(rejects).with_context(|| format!("cannot remove {}", rejects.display()))?;
    }
    let Export { counts, summary } = export?;
    if counts.is_empty() {
        bail!(
            "{path} has no valid rows ({rejected} rejected, see {})",
            rejects.display()
        );
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    let source = Source {
        name,
        sha256: checksum,
        rows: summary.rows - summary.rejected,
    };
    Ok(Loaded {
        counts,
        summary,
        source,
    })
}

/// Downloads an object given as `gs://BUCKET/OBJECT`.
async fn download(address: &str) -> anyhow::Result<Bytes> {
    let rest = address.trim_start_matches("gs://");
    let (bucket, path) = rest.split_once('/').with_context(|| {
        format!("the address {address} has no object; write gs://BUCKET/OBJECT")
    })?;
    let (bucket, path): (_, ObjectPath) = (Address::Bucket(bucket.parse()?), path.parse()?);
    let store = runtime::open_store(&bucket, &CloudSettings::read(&ProcessVariables)?).await?;
    Ok(store.read(&path).await?.bytes)
}

/// Writes counts with the header of the public export, compressed if the name ends in `.gz`.
///
/// The file is replaced atomically.
pub(crate) fn save(counts: &Counts, path: &Path) -> anyhow::Result<()> {
    let cannot_write = || format!("cannot write {}", path.display());
    let mut file = OutputFile::create(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut encoder = GzBuilder::new().write(&mut file, Compression::default());
        counts::write_french(counts, &mut encoder).with_context(cannot_write)?;
        encoder.finish().with_context(cannot_write)?;
    } else {
        counts::write_french(counts, &mut file).with_context(cannot_write)?;
    }
    file.finish()
}

fn local(path: &str) -> anyhow::Result<PathBuf> {
    match path.split_once("://") {
        None => Ok(PathBuf::from(path)),
        Some(("file", rest)) => Ok(PathBuf::from(rest)),
        Some((scheme, _)) => {
            bail!(
                "cannot read {path}: unsupported scheme {scheme}://; use a file path or gs://BUCKET/OBJECT"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use tables::Values;

    use super::*;

    #[test]
    fn error_names_its_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.zip");
        fs::write(&path, b"PK\x03\x04").unwrap();
        let error = load_file(&path, &folder.path().join("rejects.csv")).err();
        let error = format!("{:#}", error.unwrap());
        assert_eq!(error.matches("export.zip").count(), 1, "{error}");
        assert!(
            error.ends_with("pass the CSV file or the folder"),
            "{error}"
        );
    }

    /// A daily table in Parquet has the same counts and the same rejected row as in CSV.
    #[test]
    fn parquet_is_read_like_csv() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let csv = "nom_du_compteur,date_et_heure_de_comptage,comptage_horaire\n\
                   Quai,2021-07-19T00:00:00Z,12\n\
                   Quai,2021-07-19T01:00:00Z,\n\
                   Pont,2021-07-19T01:00:00Z,3\n";
        fs::write(path("counts.csv"), csv).unwrap();
        let names = ["Quai", "Quai", "Pont"].map(|name| Some(name.to_owned()));
        let hour = 1_626_652_800_000;
        let columns = vec![
            ("nom_du_compteur".to_owned(), Values::Text(names.to_vec())),
            (
                "date_et_heure_de_comptage".to_owned(),
                Values::Instant(
                    [0, 1, 1]
                        .map(|hours| Some(hour + hours * 3_600_000))
                        .to_vec(),
                ),
            ),
            (
                "comptage_horaire".to_owned(),
                Values::Number(vec![Some(12.0), None, Some(3.0)]),
            ),
        ];
        let mut file = fs::File::create(path("counts.parquet")).unwrap();
        tables::write_parquet(columns, &mut file).unwrap();
        let [csv, parquet] = ["counts.csv", "counts.parquet"]
            .map(|name| load_file(&path(name), &path("rejects.csv")).unwrap());
        assert_eq!(parquet.counts.rows(), csv.counts.rows());
        assert_eq!(parquet.counts.counters(), csv.counts.counters());
        assert_eq!(
            (parquet.summary.rows, parquet.summary.rejected),
            (csv.summary.rows, csv.summary.rejected)
        );
        assert_eq!((csv.counts.len(), csv.summary.rejected), (2, 1));
    }
}
