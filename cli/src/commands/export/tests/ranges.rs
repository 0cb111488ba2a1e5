//! Exports of a range of days.

use super::*;

fn only(first: &str, last: &str) -> impl FnOnce(&mut ExportPlan) + use<> {
    let range = (Some(day(first)), Some(day(last)));
    move |plan: &mut ExportPlan| (plan.from, plan.to) = range
}

#[tokio::test]
async fn range_ends_yesterday_by_default() {
    // The current day in Paris is 2021-08-02.
    let fixture = Fixture::with(&["2021-07-31", "2021-08-01", "2021-08-02"]).await;
    let exported = fixture.export().await.exported;
    assert_eq!(exported, Some((day("2021-07-31"), day("2021-08-01"))));
    let report = fixture
        .export_as(only("2021-08-02", "2021-08-02"))
        .await
        .unwrap();
    assert_eq!(
        report.exported,
        Some((day("2021-08-02"), day("2021-08-02")))
    );
    // A range with a day that is not over is exported as a part, not as the month.
    assert_eq!(
        fixture.names()[1..],
        [
            "2021-08-counts-000000000000.csv",
            "2021-08-from-02-to-02-counts-000000000000.csv"
        ]
    );
    let report = fixture
        .export_as(only("2021-06-01", "2021-06-01"))
        .await
        .unwrap();
    assert_eq!((report.files.len(), report.exported), (0, None));
    assert_eq!(
        report.to_string(),
        "nothing to export: no day from 2021-06-01 to 2021-06-01 has a table"
    );
    let error = fixture
        .export_as(only("2021-08-02", "2021-08-01"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the last day is before the first"),
        "{error}"
    );
}

#[tokio::test]
async fn partial_export_leaves_the_whole_month_unchanged_until_its_next_export() {
    let fixture = Fixture::with(&["2021-05-29", "2021-05-30", "2021-05-31"]).await;
    // A range with all available days of a month is a whole-month export.
    fixture
        .export_as(only("2021-05-20", "2021-05-31"))
        .await
        .unwrap();
    let whole = fixture.files();
    assert_eq!(fixture.names(), [MAY]);

    let part = fixture
        .export_as(only("2021-05-30", "2021-05-30"))
        .await
        .unwrap();
    assert_eq!(
        (part.rows, part.months_written),
        (24, vec!["2021-05-from-30-to-30".to_owned()])
    );
    assert_eq!(
        (&fixture.files()[..1], fixture.files().len()),
        (&whole[..], 2)
    );
    // The objects of the month are unchanged as well.
    assert!(fixture.export().await.months_written.is_empty());
    assert_eq!(fixture.files(), whole);

    fixture.write("2021-05-30", 9).await;
    fixture
        .export_as(only("2021-05-30", "2021-05-30"))
        .await
        .unwrap();
    let expected = [("2021-05-29", 7), ("2021-05-30", 9), ("2021-05-31", 7)];
    let expected = BTreeMap::from(expected.map(|(day, count)| (day.to_owned(), count)));
    assert_eq!(fixture.merged(), expected);
    fixture.export().await;
    assert_eq!(
        (fixture.names(), fixture.merged()),
        (vec![MAY.to_owned()], expected)
    );
}

#[tokio::test]
async fn overlapping_parts_stay_consistent_and_are_replaced_by_a_larger_part() {
    let fixture = Fixture::with(&[
        "2021-05-10",
        "2021-05-11",
        "2021-05-12",
        "2021-05-13",
        "2021-05-14",
    ])
    .await;
    fixture
        .export_as(only("2021-05-11", "2021-05-13"))
        .await
        .unwrap();
    fixture.write("2021-05-12", 9).await;
    let report = fixture
        .export_as(only("2021-05-10", "2021-05-12"))
        .await
        .unwrap();
    assert_eq!(
        (report.rows, report.files.len(), fixture.names().len()),
        (72, 1, 2)
    );
    assert_eq!(fixture.merged()["2021-05-12"], 9);
    // A requested part is written even if a larger part contains it.
    let report = fixture
        .export_as(only("2021-05-11", "2021-05-11"))
        .await
        .unwrap();
    assert!(report.files[0].path.exists());
    fixture
        .export_as(only("2021-05-10", "2021-05-13"))
        .await
        .unwrap();
    assert_eq!(
        fixture.names(),
        ["2021-05-from-10-to-13-counts-000000000000.csv"]
    );
    assert_eq!(
        fixture.merged().into_values().collect::<Vec<_>>(),
        [7, 7, 9, 7]
    );
}
