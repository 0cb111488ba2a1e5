//! A month in the store: the exported objects, and a record of the tables they were made from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use forecasting::time::Day;
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    ports::Ports,
    store::{self, Condition, Store, StoreError},
    warehouse::{ExportFormat, TableVersion},
};

/// The first and the last day of a range that excludes some tables of its month.
pub(super) type Part = (Day, Day);

/// A month, or the exported part of it.
#[derive(Clone, Debug)]
pub(super) struct Month {
    /// The name, for example `2021-04`.
    pub(super) name: String,
    /// The first and the last day, with or without tables.
    pub(super) days: (Day, Day),
    /// The same days if this is a part of a month. `None` for a whole month, which ends yesterday
    /// at the latest.
    pub(super) part: Option<Part>,
    /// The versions of the daily tables.
    pub(super) tables: BTreeMap<Day, TableVersion>,
}

/// The record of a complete export, stored next to its objects.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The table versions that the objects were made from.
    tables: BTreeMap<Day, TableVersion>,
    /// The objects in the order of their days.
    objects: Vec<ObjectPath>,
}

impl Month {
    /// Groups the tables of a range by month.
    ///
    /// `tables` must contain all tables of these months, to distinguish whole months from parts.
    pub(super) fn of_range(
        tables: &BTreeMap<Day, TableVersion>,
        range: (Day, Day),
        yesterday: Day,
    ) -> Vec<Self> {
        let requested = between(tables, range);
        let months: BTreeSet<_> = requested.keys().map(|day| month_of(*day)).collect();
        months
            .into_iter()
            .map(|month| Self::of(month, tables, range, yesterday))
            .collect()
    }

    fn of(
        (first, last): (Day, Day),
        all: &BTreeMap<Day, TableVersion>,
        range: (Day, Day),
        yesterday: Day,
    ) -> Self {
        let (from, to) = (first.max(range.0), last.min(range.1));
        let tables = between(all, (from, to));
        let is_whole = tables.keys().all(|day| *day <= yesterday)
            && between(all, (first, last.min(yesterday)))
                .keys()
                .all(|day| tables.contains_key(day));
        let name = first.date().strftime("%Y-%m").to_string();
        if is_whole {
            return Self {
                name,
                days: (first, to),
                part: None,
                tables,
            };
        }
        Self {
            name,
            days: (from, to),
            part: Some((from, to)),
            tables,
        }
    }

    /// Returns a part of a month.
    pub(super) fn part(part: Part, all: &BTreeMap<Day, TableVersion>) -> Self {
        let name = part.0.date().strftime("%Y-%m").to_string();
        Self {
            name,
            days: part,
            part: Some(part),
            tables: between(all, part),
        }
    }

    /// Returns the label, for example `2021-04`, or `2021-04-from-05-to-20` for a part.
    ///
    /// A part is sorted after its month, so that it wins in a merge of both.
    pub(super) fn label(&self) -> String {
        let Self { name, part, .. } = self;
        part.map_or_else(
            || name.clone(),
            |(first, last)| {
                format!(
                    "{name}-from-{}-to-{}",
                    first.date().strftime("%d"),
                    last.date().strftime("%d")
                )
            },
        )
    }

    /// Returns `true` if this month or part contains all days of `part`.
    pub(super) fn contains(&self, (first, last): Part) -> bool {
        self.days.0 <= first && last <= self.days.1
    }

    /// Returns the objects of the month, and `true` if they were exported by this call.
    ///
    /// A table replaced during the export has a new version, so the next call exports the month
    /// again.
    pub(super) async fn objects(
        &self,
        ports: &Ports,
        format: ExportFormat,
        fresh: bool,
    ) -> anyhow::Result<(Vec<ObjectPath>, bool)> {
        let folder = format!("exports/{}", self.label());
        let record: ObjectPath = format!("{folder}/{}", record_name(format)).parse()?;
        if !fresh && let Some(objects) = self.complete(&*ports.store, &folder, &record).await? {
            return Ok((objects, false));
        }
        // Each attempt has its own folder: an earlier one may be incomplete, or another process may
        // still write to it.
        let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let attempt = format!("{folder}/{now}-{:08x}", rand::random::<u32>()).parse()?;
        let (Some((first, _)), Some((last, _))) =
            (self.tables.first_key_value(), self.tables.last_key_value())
        else {
            return Ok((Vec::new(), false));
        };
        let exported = ports
            .warehouse
            .export_counts((*first, *last), &ports.store, &attempt, format)
            .await;
        let objects =
            exported.with_context(|| format!("cannot export the days from {first} to {last}"))?;
        let record_of_export = Record {
            tables: self.tables.clone(),
            objects,
        };
        store::write_json(&*ports.store, &record, &record_of_export, Condition::Always).await?;
        Ok((record_of_export.objects, true))
    }

    /// Returns the objects of an export of these table versions, unless one of them is missing.
    async fn complete(
        &self,
        store: &dyn Store,
        folder: &str,
        record: &ObjectPath,
    ) -> anyhow::Result<Option<Vec<ObjectPath>>> {
        let Record { tables, objects } = match store::read_json(store, record).await {
            Ok((record, _)) => record,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => {
                return Err(error).context(
                    "cannot read the record of the earlier export; add --fresh to ignore it",
                );
            }
        };
        let existing = store.list(&format!("{folder}/")).await?;
        let is_complete = tables == self.tables
            && objects
                .iter()
                .all(|object| existing.binary_search(object).is_ok());
        Ok(is_complete.then_some(objects))
    }
}

/// Returns the name of the record of an export. Those of CSV have the name of earlier program
/// versions.
const fn record_name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Csv => "export.json",
        ExportFormat::Parquet => "export-parquet.json",
    }
}

fn between(
    tables: &BTreeMap<Day, TableVersion>,
    (first, last): (Day, Day),
) -> BTreeMap<Day, TableVersion> {
    let is_within = |(day, _): &(&Day, &TableVersion)| first <= **day && **day <= last;
    tables
        .iter()
        .filter(is_within)
        .map(|(day, version)| (*day, *version))
        .collect()
}

/// Returns the first and the last day of the month of `day`.
pub(super) fn month_of(day: Day) -> (Day, Day) {
    let date = day.date();
    (
        Day::from_date(date.first_of_month()),
        Day::from_date(date.last_of_month()),
    )
}
