//! Exports of counts into a bucket, written by BigQuery itself.

use forecasting::time::Day;
use shared::{
    address::ObjectPath,
    store::Store,
    warehouse::{WarehouseError, schema},
};

use super::{
    BigQueryWarehouse,
    checked::by_table_day,
    days::{BY_DAY_HOUR_AND_COUNTER, Days},
    error,
};

/// The exported columns, with instants in the format of the embedded warehouse.
const COLUMNS: &str = "comptage_horaire, \
    FORMAT_TIMESTAMP('%F %T UTC', date_et_heure_de_comptage) AS date_et_heure_de_comptage, \
    identifiant_du_compteur, nom_du_compteur, coordonnees_geographiques, \
    FORMAT_TIMESTAMP('%F %T UTC', ingestion_ts) AS ingestion_ts";

impl BigQueryWarehouse {
    /// Exports the counts of a range; see [`shared::warehouse::Warehouse::export_counts`].
    ///
    /// Uses a statement because an extract job does not support wildcard tables. The object names
    /// of a sorted result follow its order.
    pub(super) async fn export(
        &self,
        (first, last): (Day, Day),
        store: &dyn Store,
        folder: &ObjectPath,
    ) -> Result<Vec<ObjectPath>, WarehouseError> {
        let tables = self.tables(schema::RAW);
        let failed = |source| WarehouseError::Unavailable {
            verb: "export",
            table: tables.to_string(),
            source,
        };
        let address = store.address_of(folder);
        if !address.starts_with("gs://") {
            let reason = "BigQuery can export only to Cloud Storage; set GCS_BUCKET to a bucket";
            return Err(failed(
                format!("the folder {address} is not in a bucket: {reason}").into(),
            ));
        }
        if self
            .daily_tables(schema::RAW, (first, last))
            .await?
            .is_empty()
        {
            return Ok(Vec::new());
        }
        let address = address.replace('\'', "\\'");
        let statement = |source: &str, order: &str| {
            format!(
                "EXPORT DATA OPTIONS(uri='{address}/counts-*.csv', format='CSV', header=true, overwrite=true) AS \
                 SELECT {COLUMNS} FROM {source} {order}"
            )
        };
        let days = Days::Range(first, last);
        let (condition, parameters) = days.condition();
        let source = format!("`{tables}` WHERE {condition}");
        let sql = statement(&source, BY_DAY_HOUR_AND_COUNTER);
        let mut exported = self.service.query(&sql, parameters).await.map(drop);
        if exported
            .as_ref()
            .is_err_and(|failure| failure.is_invalid_query())
        {
            let selects = self.checked_selects(schema::RAW, days).await?;
            let source = format!("({})", selects.join(" UNION ALL "));
            let sql = statement(&source, &by_table_day(BY_DAY_HOUR_AND_COUNTER));
            exported = self.service.query(&sql, Vec::new()).await.map(drop);
        }
        exported.map_err(|failure| error("export", &tables, failure))?;
        store
            .list(&format!("{folder}/counts-"))
            .await
            .map_err(|source| failed(source.into()))
    }
}
