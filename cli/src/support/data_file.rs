//! Reading files of counts, with a reject file beside the result.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use forecasting::{
    checksum::Checksum,
    counts::{self, Counts, RejectWriter},
};
use google_cloud::CloudSettings;
use shared::{
    address::{Address, ObjectPath},
    baseline::Source,
    settings::ProcessVariables,
};

use crate::support::output::OutputFile;

/// Counts that were read, and what could not be.
pub(crate) struct Loaded {
    /// The counts, one for each counter and hour, sorted.
    pub(crate) counts: Counts,
    /// How many rows went because of another for the same counter and hour.
    pub(crate) duplicates: usize,
    /// How many rows could not be used.
    pub(crate) rejected: u64,
    /// The file, as a manifest names it.
    pub(crate) source: Source,
}

/// Reads a file or an object of a bucket; rows that cannot be used go to `rejects`, which is written only if there are
/// any.
pub(crate) async fn load(path: &str, rejects: &Path) -> anyhow::Result<Loaded> {
    if path.starts_with("gs://") {
        let bytes = download(path).await?;
        let checksum = Checksum::of(&bytes);
        let unpacked =
            counts::unpack(Cursor::new(bytes)).with_context(|| format!("cannot read {path}"))?;
        return keep(path, checksum, rejects, |writer| {
            Ok(counts::read(unpacked, writer)?)
        });
    }
    load_file(&local(path)?, rejects)
}

/// Reads a file, see [`load`].
pub(crate) fn load_file(path: &Path, rejects: &Path) -> anyhow::Result<Loaded> {
    let name = path.display().to_string();
    let checksum = fs::File::open(path)
        .and_then(Checksum::of_reader)
        .with_context(|| format!("cannot read {name}"))?;
    keep(&name, checksum, rejects, |writer| {
        Ok(counts::read_file(path, writer)?)
    })
}

fn keep(
    path: &str,
    checksum: Checksum,
    rejects: &Path,
    read: impl FnOnce(&mut RejectWriter<&mut OutputFile>) -> anyhow::Result<Counts>,
) -> anyhow::Result<Loaded> {
    let cannot_write = || format!("cannot write the reject file {}", rejects.display());
    let mut file = OutputFile::create(rejects)?;
    let mut writer = RejectWriter::new(&mut file);
    let counts = read(&mut writer);
    let rejected = writer.finish().with_context(cannot_write)?;
    if rejected > 0 {
        file.finish()?;
    } else if rejects.exists() {
        // Of a file that was read before.
        fs::remove_file(rejects).with_context(|| format!("cannot remove {}", rejects.display()))?;
    }
    let mut counts = counts.with_context(|| format!("cannot read {path}"))?;
    if counts.is_empty() {
        bail!(
            "{path} has no row that can be used ({rejected} rejected, see {})",
            rejects.display()
        );
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    let source = Source {
        name,
        sha256: checksum,
        rows: counts.len() as u64,
    };
    let duplicates = counts.deduplicate();
    Ok(Loaded {
        counts,
        duplicates,
        rejected,
        source,
    })
}

/// Reads an object whole, given as `gs://bucket/path`.
async fn download(address: &str) -> anyhow::Result<Bytes> {
    let rest = address.trim_start_matches("gs://");
    let (bucket, path) = rest
        .split_once('/')
        .with_context(|| format!("{address} names a bucket and no object"))?;
    let (bucket, path): (_, ObjectPath) = (Address::Bucket(bucket.parse()?), path.parse()?);
    let store = runtime::open_store(&bucket, &CloudSettings::read(&ProcessVariables)?).await?;
    Ok(store.read(&path).await?.bytes)
}

/// Writes counts with the header of the public export, as gzip if the name ends in `.gz`. The file appears whole or not at
/// all.
pub(crate) fn save(counts: &Counts, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = OutputFile::create(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut draft = GzBuilder::new().write(&mut file, Compression::default());
        counts::write_french(counts, &mut draft).with_context(cannot)?;
        draft.finish().with_context(cannot)?;
    } else {
        counts::write_french(counts, &mut file).with_context(cannot)?;
    }
    file.finish()
}

fn local(path: &str) -> anyhow::Result<PathBuf> {
    match path.split_once("://") {
        None => Ok(PathBuf::from(path)),
        Some(("file", rest)) => Ok(PathBuf::from(rest)),
        Some((scheme, _)) => {
            bail!(
                "cannot read {path}: there is no way to {scheme}://; give a path, or gs:// and an object of a bucket"
            )
        }
    }
}
