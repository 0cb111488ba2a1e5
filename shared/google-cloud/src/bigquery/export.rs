//! Exports of counts into a bucket, written by BigQuery itself.

use forecasting::time::Day;
use shared::{
    address::ObjectPath,
    store::Store,
    warehouse::{ExportFormat, WarehouseError, schema},
};

use super::{
    BigQueryWarehouse,
    checked::by_table_day,
    days::{BY_DAY_HOUR_AND_COUNTER, Days},
    error,
};

/// The columns of an export as CSV, with instants in the format of the embedded warehouse.
const CSV_COLUMNS: &str = "comptage_horaire, \
    FORMAT_TIMESTAMP('%F %T UTC', date_et_heure_de_comptage) AS date_et_heure_de_comptage, \
    identifiant_du_compteur, nom_du_compteur, coordonnees_geographiques, \
    FORMAT_TIMESTAMP('%F %T UTC', ingestion_ts) AS ingestion_ts";
/// The columns of an export as Parquet, which has types.
const COLUMNS: &str = "comptage_horaire, date_et_heure_de_comptage, identifiant_du_compteur, \
    nom_du_compteur, coordonnees_geographiques, ingestion_ts";

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
        format: ExportFormat,
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
        let statement = |source: &str, order: &str| statement(&address, format, source, order);
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

/// Returns the statement that exports the rows of `source` to objects below an address.
fn statement(address: &str, format: ExportFormat, source: &str, order: &str) -> String {
    let (options, columns) = match format {
        ExportFormat::Csv => ("format='CSV', header=true", CSV_COLUMNS),
        ExportFormat::Parquet => ("format='PARQUET', compression='SNAPPY'", COLUMNS),
    };
    let (address, ending) = (address.replace('\'', "\\'"), format.ending());
    format!(
        "EXPORT DATA OPTIONS(uri='{address}/counts-*.{ending}', {options}, overwrite=true) AS \
         SELECT {columns} FROM {source} {order}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_names_the_format_and_its_columns() {
        let of = |format| statement("gs://a-bucket/ada's", format, "`daily_*`", "ORDER BY 2");
        let csv = of(ExportFormat::Csv);
        let start = "EXPORT DATA OPTIONS(uri='gs://a-bucket/ada\\'s/counts-*.csv', format='CSV', \
                     header=true, overwrite=true) AS SELECT comptage_horaire, FORMAT_TIMESTAMP(";
        assert!(csv.starts_with(start), "{csv}");
        assert!(csv.ends_with(" FROM `daily_*` ORDER BY 2"), "{csv}");
        // The option `header` is an error with other formats than CSV.
        assert_eq!(
            of(ExportFormat::Parquet),
            "EXPORT DATA OPTIONS(uri='gs://a-bucket/ada\\'s/counts-*.parquet', format='PARQUET', \
             compression='SNAPPY', overwrite=true) AS SELECT comptage_horaire, \
             date_et_heure_de_comptage, identifiant_du_compteur, nom_du_compteur, \
             coordonnees_geographiques, ingestion_ts FROM `daily_*` ORDER BY 2"
        );
    }

    #[test]
    fn both_formats_export_all_columns_of_a_daily_table() {
        for columns in [CSV_COLUMNS, COLUMNS] {
            for column in schema::COUNTS {
                assert!(columns.contains(column.name), "{columns}: {}", column.name);
            }
        }
    }
}
