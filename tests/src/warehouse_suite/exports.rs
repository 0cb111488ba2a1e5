//! Tests of table versions and exports.

use forecasting::counts::{self, Coordinates, Counter, Counts};
use shared::{
    address::ObjectPath,
    warehouse::{ExportFormat, schema},
};

use super::{Setup, counts_of, day, hour, rows, timestamp};

/// A replaced table has a new version; the other tables keep theirs. Caches rely on this.
pub async fn table_version_changes_with_each_replacement(target: &Setup) {
    let [first, second, last] = ["2012-07-01", "2012-07-02", "2012-07-04"].map(day);
    let warehouse = &target.warehouse;
    let replace = async |day| {
        let ingested_at = timestamp("2012-07-05T06:00:00Z");
        warehouse
            .replace_counts(day, &counts_of(&[day], "Quai", 5), ingested_at)
            .await
            .unwrap();
    };
    assert!(
        warehouse
            .table_versions(first, last)
            .await
            .unwrap()
            .is_empty()
    );
    replace(first).await;
    replace(last).await;
    let before = warehouse.table_versions(first, last).await.unwrap();
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), [first, last]);
    assert_eq!(warehouse.table_versions(first, last).await.unwrap(), before);
    replace(first).await;
    replace(second).await;
    let after = warehouse.table_versions(first, last).await.unwrap();
    assert_eq!(
        after.keys().copied().collect::<Vec<_>>(),
        [first, second, last]
    );
    assert_ne!(after[&first], before[&first]);
    assert_eq!(after[&last], before[&last]);
    assert_eq!(
        warehouse
            .table_versions(second, second)
            .await
            .unwrap()
            .into_keys()
            .collect::<Vec<_>>(),
        [second]
    );
    assert!(
        warehouse
            .table_versions(last, first)
            .await
            .unwrap()
            .is_empty()
    );
}

/// An export has the columns of the daily tables and each count once, ordered by day.
pub async fn export_has_each_count_once_and_in_order(target: &Setup) {
    // The clocks change on 2013-03-31.
    let days = ["2013-03-30", "2013-03-31", "2013-04-02", "2013-04-03"].map(day);
    let mut written = Counts::default();
    for day in days {
        let mut counts = counts_of(&[day], "Pont", 3);
        let counter = counts.intern(Counter {
            id: Some("100003096-SC".to_owned()),
            name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
            coordinates: Coordinates::new(48.846_028, 2.375_429),
        });
        counts.push(counter, hour(day, 5), 0);
        target
            .warehouse
            .replace_counts(day, &counts, timestamp("2013-04-04T06:00:00Z"))
            .await
            .unwrap();
        if day != days[3] {
            written.extend(&counts);
        }
    }
    let folder: ObjectPath = "exports/2013".parse().unwrap();
    let objects = target
        .warehouse
        .export_counts(
            (days[0], days[2]),
            &target.store,
            &folder,
            ExportFormat::Csv,
        )
        .await
        .unwrap();
    assert_eq!(target.store.list("exports/2013/").await.unwrap(), objects);
    let mut exported = Counts::default();
    for object in objects {
        let table = target.store.read(&object).await.unwrap().bytes;
        let lines: Vec<_> = std::str::from_utf8(&table).unwrap().lines().collect();
        assert_eq!(lines[0], schema::COUNTS.map(|column| column.name).join(","));
        assert!(
            lines[1..]
                .iter()
                .all(|line| line.ends_with(",2013-04-04 06:00:00 UTC")),
            "{lines:?}"
        );
        let mut rejects = Vec::new();
        exported.extend(&counts::read(&*table, &mut rejects).unwrap());
        assert!(rejects.is_empty(), "{rejects:?}");
    }
    assert_eq!(rows(&exported), rows(&written));
    assert!(exported.rows().is_sorted_by_key(|row| row.hour.day()));
}

/// An export without tables writes no object, not even a header.
pub async fn export_of_days_without_a_table_is_empty(target: &Setup) {
    let (day, folder) = (day("2011-07-01"), "exports/nothing".parse().unwrap());
    target
        .warehouse
        .replace_counts(day, &counts_of(&[day], "Quai", 5), day.plus(1).at(6))
        .await
        .unwrap();
    for range in [(day.plus(1), day.plus(9)), (day, day.plus(-1))] {
        assert_eq!(
            target
                .warehouse
                .export_counts(range, &target.store, &folder, ExportFormat::Csv)
                .await
                .unwrap(),
            []
        );
    }
    assert_eq!(target.store.list("exports/nothing").await.unwrap(), []);
}
