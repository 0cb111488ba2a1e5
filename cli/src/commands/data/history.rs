//! `bike-traffic data history`: shows the data sets in use and the data sets that they continue.

use std::fmt;

use anyhow::Context;
use forecasting::time::Day;
use serde::Serialize;
use shared::{
    baseline::{self, Manifest},
    store::Store,
};

use crate::support::table::{Column, Table};

/// The data sets in use and their history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The training data sets: the one in use first, then each data set that it continues.
    pub train: Vec<Manifest>,
    /// The fixed test set.
    pub test: Manifest,
}

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            Column::text("training data"),
            Column::number("rows"),
            Column::number("counters").dropped_at(1),
            Column::text("from"),
            Column::text("to"),
            Column::text("made of").wrapped_to(16),
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
                Day::of(manifest.first_hour).to_string(),
                Day::of(manifest.last_hour).to_string(),
                shorten(&sources),
            ]);
        }
        write!(formatter, "{table}")
    }
}

/// Joins file names, and shortens a list of more than three.
fn shorten(names: &[&str]) -> String {
    match names {
        [first, second, .., last] if names.len() > 3 => {
            format!("{first}, {second}, … {last} ({} files)", names.len())
        }
        names => names.join(", "),
    }
}

/// Reads the manifests of the data sets in use and of all data sets that they continue.
///
/// # Errors
/// Returns an error if there is no baseline, or if the store fails.
pub async fn history(store: &dyn Store) -> anyhow::Result<History> {
    let (in_use, _) = baseline::published(store).await?.context(
        "there is no baseline yet; to train a champion and publish its data, run `bike-traffic train`",
    )?;
    Ok(History {
        train: baseline::history(store, &in_use.train).await?,
        test: baseline::manifest(store, &in_use.test).await?,
    })
}
