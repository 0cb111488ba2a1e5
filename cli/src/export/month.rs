//! A month in the store: objects that the warehouse has written, and a record of what they hold.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    runtime::Ports,
    store::{self, Condition, Store, StoreError},
    time::Day,
    warehouse::TableVersion,
};

/// A month, or as much of it as is exported.
#[derive(Clone, Debug)]
pub(super) struct Month {
    /// As in `2021-04`.
    pub(super) name: String,
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
    /// Returns the objects of the month, and whether they had to be made.
    ///
    /// A table that is replaced while the month is exported has another version the next time, and so makes the month be
    /// exported again.
    pub(super) async fn objects(&self, ports: &Ports, fresh: bool) -> anyhow::Result<(Vec<ObjectPath>, bool)> {
        let folder = format!("exports/{}", self.name);
        let record: ObjectPath = format!("{folder}/export.json").parse()?;
        if !fresh && let Some(objects) = self.complete(&*ports.store, &folder, &record).await? {
            return Ok((objects, false));
        }
        // A folder of its own: one of an export that was stopped may hold a part of a month, or may still be written to.
        let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let attempt = format!("{folder}/{now}-{:08x}", rand::random::<u32>()).parse()?;
        let (Some((first, _)), Some((last, _))) = (self.tables.first_key_value(), self.tables.last_key_value()) else {
            return Ok((Vec::new(), false));
        };
        let exported = ports.warehouse.export_counts((*first, *last), &ports.store, &attempt).await;
        let objects = exported.with_context(|| format!("cannot export the days from {first} to {last}"))?;
        let made = Record { tables: self.tables.clone(), objects };
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
            Err(error) => return Err(error).context("cannot tell what is exported; --fresh does not ask"),
        };
        let there = store.list(&format!("{folder}/")).await?;
        let is_complete = tables == self.tables && objects.iter().all(|object| there.binary_search(object).is_ok());
        Ok(is_complete.then_some(objects))
    }
}
