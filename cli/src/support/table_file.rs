//! Tables for notebooks, as Parquet files.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Map, Value};
use shared::Timestamp;
use tables::Values;

use crate::support::output::OutputFile;

/// The report of a written table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TableReport {
    /// The file.
    pub(crate) file: PathBuf,
    /// The number of rows.
    pub(crate) rows: usize,
    /// The names of the columns.
    pub(crate) columns: Vec<String>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            rows,
            columns,
        } = self;
        let columns = columns.len();
        write!(
            formatter,
            "wrote {rows} rows with {columns} columns to {}",
            file.display()
        )
    }
}

/// Writes a table of `rows` rows. The file is replaced atomically.
///
/// # Errors
/// Returns an error if the name of the file does not end in `.parquet`, this build has no Polars,
/// or the file cannot be written.
pub(crate) fn save(
    columns: Vec<(String, Values)>,
    rows: usize,
    path: &Path,
) -> anyhow::Result<TableReport> {
    check(path)?;
    let names = columns.iter().map(|(name, _)| name.clone()).collect();
    let mut file = OutputFile::create(path)?;
    tables::write_parquet(columns, &mut file)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()?;
    Ok(TableReport {
        file: path.to_owned(),
        rows,
        columns: names,
    })
}

/// Writes objects as the rows of a table, as [`save`] does.
///
/// Fields of nested objects become columns with a dot in their names. Lists become JSON.
pub(crate) fn save_objects(objects: &[Value], path: &Path) -> anyhow::Result<TableReport> {
    let mut columns = BTreeMap::<String, Vec<Option<Value>>>::new();
    for (row, object) in objects.iter().enumerate() {
        let mut fields = Map::new();
        flatten("", object, &mut fields);
        for (name, value) in fields {
            let values = columns.entry(name).or_default();
            values.resize(row, None);
            values.push(Some(value).filter(|value| !value.is_null()));
        }
    }
    let columns = columns.into_iter().map(|(name, mut values)| {
        values.resize(objects.len(), None);
        (name, typed(values))
    });
    save(columns.collect(), objects.len(), path)
}

/// Checks that the name of a file ends in `.parquet` and that this build can write it, before time
/// is spent on its contents.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    tables::require_polars()?;
    if path.extension().is_some_and(|ending| ending == "parquet") {
        return Ok(());
    }
    bail!(
        "cannot write {}: the format is Parquet; choose a name that ends in .parquet",
        path.display()
    )
}

fn flatten(prefix: &str, value: &Value, fields: &mut Map<String, Value>) {
    let Value::Object(object) = value else {
        fields.insert(prefix.to_owned(), value.clone());
        return;
    };
    for (name, value) in object {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        flatten(&name, value, fields);
    }
}

/// Returns the values of a column with the type that all of them have. Texts are instants if all of
/// them are.
fn typed(values: Vec<Option<Value>>) -> Values {
    let all = |is_of_type: fn(&Value) -> bool| values.iter().flatten().all(is_of_type);
    if values.iter().all(Option::is_none) {
        return Values::Text(vec![None; values.len()]);
    }
    if all(Value::is_number) {
        return Values::Number(convert(&values, Value::as_f64));
    }
    if all(Value::is_boolean) {
        return Values::Flag(convert(&values, Value::as_bool));
    }
    if all(|value| instant(value).is_some()) {
        return Values::Instant(convert(&values, instant));
    }
    Values::Text(convert(&values, |value| {
        let text = value.as_str().map(str::to_owned);
        Some(text.unwrap_or_else(|| value.to_string()))
    }))
}

fn convert<T>(values: &[Option<Value>], of: impl Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
    values
        .iter()
        .map(|value| value.as_ref().and_then(&of))
        .collect()
}

/// Returns an instant in milliseconds, also in the form of the daily tables: `2021-07-19 00:00:00
/// UTC`.
fn instant(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let text = text
        .strip_suffix(" UTC")
        .map_or_else(|| text.to_owned(), |clock| format!("{clock}Z"));
    let timestamp: Timestamp = text.parse().ok()?;
    Some(timestamp.as_millisecond())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use serde_json::json;

    use super::*;

    #[test]
    fn objects_become_typed_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let rows = [
            json!({ "at": "2021-07-19 00:00:00 UTC", "mae": 12, "live": { "mae": 0.5 }, "name": "a" }),
            json!({ "at": "2021-07-19T01:00:00Z", "mae": null, "drift": true, "name": "b" }),
        ];
        let report = save_objects(&rows, &path).unwrap();
        assert_eq!(report.columns, ["at", "drift", "live.mae", "mae", "name"]);
        let csv = tables::parquet_as_csv(File::open(&path).unwrap()).unwrap();
        let expected = concat!(
            "\"at\",\"drift\",\"live.mae\",\"mae\",\"name\"\n",
            "\"2021-07-19T00:00:00Z\",\"\",\"0.5\",\"12\",\"a\"\n",
            "\"2021-07-19T01:00:00Z\",\"\",\"\",\"\",\"b\"\n",
        );
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
    }

    #[test]
    fn other_ending_is_refused() {
        let error = save_objects(&[], Path::new("rows.xlsx")).unwrap_err();
        assert!(error.to_string().contains("ends in .parquet"), "{error}");
    }
}
