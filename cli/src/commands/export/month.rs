//! A month in the store: objects that the warehouse has written, and a record of what they hold.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use forecasting::time::Day;
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    ports::Ports,
    store::{self, Condition, Store, StoreError},
    warehouse::TableVersion,
};

/// The first and the last day of a range that leaves out days of a month that have tables.
pub(super) type Part = (Day, Day);

/// A month, or as much of it as is exported.
#[derive(Clone, Debug)]
pub(super) struct Month {
    /// As in `2021-04`.
    pub(super) name: String,
    /// The days it stands for, whether they have tables or not.
    pub(super) days: (Day, Day),
    /// Those days again, if it is not the whole month. Whole, it is as much of the month as there is by yesterday.
    pub(super) part: Option<Part>,
    /// The tables of its days.
    pub(super) tables: BTreeMap<Day, TableVersion>,
}

/// What is written beside the objects of a month once they are complete.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The tables that the objects were made from.
    tables: BTreeMap<Day, TableVersion>,
    /// The objects, in the order of the days.
    objects: Vec<ObjectPath>,
}

impl Month {
    /// Sorts the tables of a range into months. `tables` are all of these months, which tells what is a part.
    pub(super) fn of_range(
        tables: &BTreeMap<Day, TableVersion>,
        range: (Day, Day),
        yesterday: Day,
    ) -> Vec<Self> {
        let asked = between(tables, range);
        let months: BTreeSet<_> = asked.keys().map(|day| month_of(*day)).collect();
        months
            .into_iter()
            .map(|month| Self::of(month, tables, range, yesterday))
            .collect()
    }

    fn of(
        (first, last): (Day, Day),
        all: &BTreeMap<Day, TableVersion>,
        asked: (Day, Day),
        yesterday: Day,
    ) -> Self {
        let (from, to) = (first.max(asked.0), last.min(asked.1));
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

    /// Returns the name, and of a part its days, as in `2021-04` or `2021-04-from-05-to-20`. A part comes after its month in
    /// the order of names, so that in a merge of both it wins.
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

    /// Tells whether all days of a part are days of this one.
    pub(super) fn contains(&self, (first, last): Part) -> bool {
        self.days.0 <= first && last <= self.days.1
    }

    /// Returns the objects of the month, and whether they had to be made.
    ///
    /// A table that is replaced while the month is exported has another version the next time, and so makes the month be
    /// exported again.
    pub(super) async fn objects(
        &self,
        ports: &Ports,
        fresh: bool,
    ) -> anyhow::Result<(Vec<ObjectPath>, bool)> {
        let folder = format!("exports/{}", self.label());
        let record: ObjectPath = format!("{folder}/export.json").parse()?;
        if !fresh && let Some(objects) = self.complete(&*ports.store, &folder, &record).await? {
            return Ok((objects, false));
        }
        // A folder of its own: one of an export that was stopped may hold a part of a month, or may still be written to.
        let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let attempt = format!("{folder}/{now}-{:08x}", rand::random::<u32>()).parse()?;
        let (Some((first, _)), Some((last, _))) =
            (self.tables.first_key_value(), self.tables.last_key_value())
        else {
            return Ok((Vec::new(), false));
        };
        let exported = ports
            .warehouse
            .export_counts((*first, *last), &ports.store, &attempt)
            .await;
        let objects =
            exported.with_context(|| format!("cannot export the days from {first} to {last}"))?;
        let made = Record {
            tables: self.tables.clone(),
            objects,
        };
        store::write_json(&*ports.store, &record, &made, Condition::Always).await?;
        Ok((made.objects, true))
    }

    /// Returns the objects of an export of these very tables, if there is one and nobody has deleted an object of it.
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
                return Err(error).context("cannot tell what is exported; --fresh does not ask");
            }
        };
        let there = store.list(&format!("{folder}/")).await?;
        let is_complete = tables == self.tables
            && objects
                .iter()
                .all(|object| there.binary_search(object).is_ok());
        Ok(is_complete.then_some(objects))
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

/// Returns the first and the last day of the month that a day lies in.
pub(super) fn month_of(day: Day) -> (Day, Day) {
    let date = day.date();
    (
        Day::from_date(date.first_of_month()),
        Day::from_date(date.last_of_month()),
    )
}
