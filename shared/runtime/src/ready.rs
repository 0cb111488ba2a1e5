//! Checks of ports for the readiness probe. Each is one small request that changes nothing.

use forecasting::time::Day;
use jiff::Timestamp;
use shared::{address::ObjectPath, baseline::PUBLISHED, store::Store, warehouse::Warehouse};

use crate::Error;

/// Checks that a store answers, by looking for the pointer of the baseline. It may be missing.
///
/// # Errors
/// Returns the error of the store.
pub async fn check_store(store: &dyn Store) -> Result<(), Error> {
    store.generation(&ObjectPath::new(PUBLISHED)).await?;
    Ok(())
}

/// Checks that a warehouse answers, by looking for the counts of a day that has none.
///
/// # Errors
/// Returns the error of the warehouse.
pub async fn check_warehouse(warehouse: &dyn Warehouse) -> Result<(), Error> {
    let day = Day::of(Timestamp::UNIX_EPOCH);
    warehouse.table_versions(day, day).await?;
    Ok(())
}
