//! Versions of tables, and exports.

use forecasting::counts::{self, Coordinates, Counter, Counts};
use shared::{address::ObjectPath, warehouse::schema};

use super::{Place, counts_of, day, hour, rows, timestamp};

/// Whoever has read a version need not read the table again.
pub async fn a_table_has_another_version_after_each_replacement(place: &Place) {
    let [first, second, last] = ["2012-07-01", "2012-07-02", "2012-07-04"].map(day);
    let warehouse = &place.warehouse;
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

/// With the columns of the daily tables, in the order of the days, whatever a name may hold.
pub async fn an_export_has_every_count_of_its_days_once_and_in_order(place: &Place) {
    // The clocks change on the second day.
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
        place
            .warehouse
            .replace_counts(day, &counts, timestamp("2013-04-04T06:00:00Z"))
            .await
            .unwrap();
        if day != days[3] {
            written.extend(&counts);
        }
    }
    let folder: ObjectPath = "exports/2013".parse().unwrap();
    let objects = place
        .warehouse
        .export_counts((days[0], days[2]), &place.store, &folder)
        .await
        .unwrap();
    assert_eq!(place.store.list("exports/2013/").await.unwrap(), objects);
    let mut exported = Counts::default();
    for object in objects {
        let table = place.store.read(&object).await.unwrap().bytes;
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

/// Not even an object with nothing but a header.
pub async fn an_export_of_days_without_a_table_has_no_object(place: &Place) {
    let (day, folder) = (day("2011-07-01"), "exports/nothing".parse().unwrap());
    place
        .warehouse
        .replace_counts(day, &counts_of(&[day], "Quai", 5), day.plus(1).at(6))
        .await
        .unwrap();
    for range in [(day.plus(1), day.plus(9)), (day, day.plus(-1))] {
        assert_eq!(
            place
                .warehouse
                .export_counts(range, &place.store, &folder)
                .await
                .unwrap(),
            []
        );
    }
    assert_eq!(place.store.list("exports/nothing").await.unwrap(), []);
}
