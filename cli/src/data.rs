//! Reading files of counts, with a reject file beside the result.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use flate2::{Compression, GzBuilder};
use shared::counts::{self, Counts, RejectWriter};

/// Counts that were read, and what could not be.
pub(crate) struct Loaded {
    /// The counts, one for each counter and hour, sorted.
    pub(crate) counts: Counts,
    /// How many rows went because of another for the same counter and hour.
    pub(crate) duplicates: usize,
    /// How many rows could not be used.
    pub(crate) rejected: u64,
}

/// Reads a file; rows that cannot be used go to `rejects`, which is written only if there are any.
pub(crate) fn load(path: &str, rejects: &Path) -> anyhow::Result<Loaded> {
    let path = local(path)?;
    if let Some(folder) = rejects.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let cannot_write = || format!("cannot write the reject file {}", rejects.display());
    let mut writer = RejectWriter::new(File::create(rejects).with_context(cannot_write)?);
    let mut counts = counts::read_file(&path, &mut writer)?;
    let rejected = writer.finish().with_context(cannot_write)?;
    if rejected == 0 {
        fs::remove_file(rejects).with_context(cannot_write)?;
    }
    if counts.is_empty() {
        bail!("{} has no row that can be used ({rejected} rejected, see {})", path.display(), rejects.display());
    }
    let duplicates = counts.deduplicate();
    Ok(Loaded { counts, duplicates, rejected })
}

/// Writes counts as gzip with the header of the public export. The file appears whole or not at all.
pub(crate) fn save(counts: &Counts, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let temporary = path.with_extension("partial");
    let file = File::create(&temporary).with_context(cannot)?;
    let mut packed = GzBuilder::new().write(std::io::BufWriter::new(file), Compression::default());
    counts::write_french(counts, &mut packed).with_context(cannot)?;
    packed.finish().and_then(|mut file| file.flush()).with_context(cannot)?;
    fs::rename(&temporary, path).with_context(cannot)
}

fn local(path: &str) -> anyhow::Result<PathBuf> {
    match path.split_once("://") {
        None => Ok(PathBuf::from(path)),
        Some(("file", rest)) => Ok(PathBuf::from(rest)),
        Some((scheme, _)) => {
            bail!("cannot read {path}: {scheme}:// is not supported yet; copy the file and give its path")
        }
    }
}
