//! Tests of the daily tables of counts.

use forecasting::counts::{Coordinates, Counter, Counts};
use shared::warehouse::DayState;

use super::{
    Setup, counts_of, day,
    forecasts::{forecast, sorted},
    hour, rows, timestamp,
};

/// Counters with and without id and coordinates, and names with special characters, are read back
/// unchanged.
pub async fn counts_are_read_back(target: &Setup) {
    let day = day("2015-07-19");
    let mut counts = Counts::default();
    let coordinates = Coordinates::new(48.846_028, 2.375_429);
    let counters = [
        Counter {
            id: Some("100003096-SC".to_owned()),
            name: "97 avenue Denfert Rochereau SO-NE".to_owned(),
            coordinates,
        },
        Counter {
            id: None,
            name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
            coordinates: None,
        },
        Counter {
            id: Some("7".to_owned()),
            name: "Pont <Bercy> & 100 % \\ été".to_owned(),
            coordinates: None,
        },
    ];
    for (number, counter) in (0_u32..).zip(counters) {
        let counter = counts.intern(counter);
        for (hour, count) in day.hours().zip([0, 1, 50_000, number]) {
            counts.push(counter, hour, count);
        }
    }
    target
        .warehouse
        .replace_counts(day, &counts, timestamp("2015-07-20T06:00:00Z"))
        .await
        .unwrap();
    assert_eq!(
        rows(&target.warehouse.counts(day, day).await.unwrap()),
        rows(&counts)
    );
}

/// Writing a day again replaces its table: no row is left over and none is duplicated.
pub async fn rewritten_day_is_replaced(target: &Setup) {
    let day = day("2016-07-19");
    let (long, short) = (
        counts_of(&[day], "Quai", 5),
        counts_of(&[day], "Pont", 7).between(hour(day, 3), hour(day, 4)),
    );
    for counts in [&long, &long, &short] {
        target
            .warehouse
            .replace_counts(day, counts, timestamp("2016-07-20T06:00:00Z"))
            .await
            .unwrap();
        assert_eq!(
            rows(&target.warehouse.counts(day, day).await.unwrap()),
            rows(counts)
        );
    }
}

/// A range includes its first and last day and skips days without a table.
pub async fn count_range_includes_both_ends_and_skips_gaps(target: &Setup) {
    let days = ["2017-07-01", "2017-07-02", "2017-07-05", "2017-07-06"].map(day);
    for (count, day) in (1..).zip(days) {
        let counts = counts_of(&[day], "Quai", count);
        target
            .warehouse
            .replace_counts(day, &counts, timestamp("2017-07-07T06:00:00Z"))
            .await
            .unwrap();
    }
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            "2017-07-01",
            "2017-07-06",
            &["2017-07-01", "2017-07-02", "2017-07-05", "2017-07-06"],
        ),
        ("2017-07-02", "2017-07-05", &["2017-07-02", "2017-07-05"]),
        ("2017-06-01", "2017-07-01", &["2017-07-01"]),
        ("2017-07-03", "2017-07-04", &[]),
        ("2017-07-06", "2017-07-01", &[]),
    ];
    for (first, last, expected) in cases {
        let counts = target
            .warehouse
            .counts(day(first), day(last))
            .await
            .unwrap();
        let found: Vec<_> = counts.rows_per_day().into_iter().collect();
        let expected: Vec<_> = expected.iter().map(|text| (day(text), 24)).collect();
        assert_eq!(found, expected, "{first} to {last}");
    }
}

/// A day without counts can be written and read.
pub async fn day_without_counts_is_empty(target: &Setup) {
    let day = day("2018-07-19");
    let ingested_at = timestamp("2018-07-20T06:00:00Z");
    target
        .warehouse
        .replace_counts(day, &counts_of(&[day], "Quai", 5), ingested_at)
        .await
        .unwrap();
    target
        .warehouse
        .replace_counts(day, &Counts::default(), ingested_at)
        .await
        .unwrap();
    assert!(target.warehouse.counts(day, day).await.unwrap().is_empty());
    target.warehouse.replace_forecasts(day, &[]).await.unwrap();
    assert_eq!(target.warehouse.forecasts(day, day).await.unwrap(), []);
}

/// The state of a day has the numbers of counts, and of hours and counters with a count. Empty tables are omitted.
pub async fn count_days_returns_rows_and_hours(target: &Setup) {
    let [first, empty, last] = ["2014-03-29", "2014-03-30", "2014-04-02"].map(day);
    let ingested_at = timestamp("2014-04-03T06:00:00Z");
    assert!(
        target
            .warehouse
            .count_days(first, last)
            .await
            .unwrap()
            .is_empty()
    );
    // Two counters; the second has counts in two hours only.
    let mut counts = counts_of(&[first], "Quai", 5);
    counts.extend(&counts_of(&[first], "Pont", 0).between(hour(first, 3), hour(first, 4)));
    target
        .warehouse
        .replace_counts(first, &counts, ingested_at)
        .await
        .unwrap();
    target
        .warehouse
        .replace_counts(empty, &Counts::default(), ingested_at)
        .await
        .unwrap();
    let seven_hours = counts_of(&[last], "Quai", 5).between(hour(last, 0), hour(last, 6));
    target
        .warehouse
        .replace_counts(last, &seven_hours, ingested_at)
        .await
        .unwrap();
    let (complete, incomplete) = (
        DayState {
            rows: 26,
            hours: 24,
            counters: 2,
        },
        DayState {
            rows: 7,
            hours: 7,
            counters: 1,
        },
    );
    let cases = [
        (first, last, vec![(first, complete), (last, incomplete)]),
        (first.plus(1), last, vec![(last, incomplete)]),
        (first.plus(-400), last.plus(-1), vec![(first, complete)]),
        (last, first, vec![]),
    ];
    for (first, last, expected) in cases {
        let found = target.warehouse.count_days(first, last).await.unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            expected,
            "{first} to {last}"
        );
    }
}

/// A day has 23 or 25 hours when the clocks change: the repeated hour is two hours.
pub async fn hours_are_complete_when_the_clocks_change(target: &Setup) {
    for (text, hours) in [("2019-03-31", 23), ("2019-10-27", 25), ("2019-10-28", 24)] {
        let day = day(text);
        let counts = counts_of(&[day], "Quai", 5);
        let forecasts: Vec<_> = day.hours().map(|hour| forecast(hour, "Quai")).collect();
        target
            .warehouse
            .replace_counts(day, &counts, timestamp("2019-10-29T06:00:00Z"))
            .await
            .unwrap();
        target
            .warehouse
            .replace_forecasts(day, &forecasts)
            .await
            .unwrap();
        let read = target.warehouse.counts(day, day).await.unwrap();
        assert_eq!((read.len(), rows(&read)), (hours, rows(&counts)), "{text}");
        assert_eq!(
            sorted(target.warehouse.forecasts(day, day).await.unwrap()),
            forecasts,
            "{text}"
        );
    }
}
