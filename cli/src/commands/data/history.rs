//! `bike-traffic data history`.

use std::fmt;

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use shared::{
    baseline::{self, Manifest},
    store::Store,
};

/// The data sets in use, and what they continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The training data: those in use first, then those that each continues.
    pub train: Vec<Manifest>,
    /// The fixed test set.
    pub test: Manifest,
}

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
            "training data",
            "rows",
            "counters",
            "from",
            "to",
            "made of",
        ]);
        for manifest in self.train.iter().chain([&self.test]) {
            let sources: Vec<_> = manifest
                .sources
                .iter()
                .map(|source| source.name.as_str())
                .collect();
            table.add_row([
                manifest.name.to_string(),
                manifest.rows.to_string(),
                manifest.counters.len().to_string(),
                manifest.first_hour.to_string(),
                manifest.last_hour.to_string(),
                shorten(&sources),
            ]);
        }
        for column in table.column_iter_mut().skip(1).take(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(formatter, "{table}")
    }
}

/// Names a few of many files.
fn shorten(names: &[&str]) -> String {
    match names {
        [first, second, .., last] if names.len() > 3 => {
            format!("{first}, {second}, … {last} ({} files)", names.len())
        }
        few => few.join(", "),
    }
}

/// Reads the manifests of the data sets in use, and of all that they continue.
///
/// # Errors
/// When there is no baseline yet, or the store fails.
pub async fn history(store: &dyn Store) -> anyhow::Result<History> {
    let (in_use, _) = baseline::published(store).await?.context(
        "there is no baseline yet: `bike-traffic train` publishes that of the first champion",
    )?;
    Ok(History {
        train: baseline::history(store, &in_use.train).await?,
        test: baseline::manifest(store, &in_use.test).await?,
    })
}
