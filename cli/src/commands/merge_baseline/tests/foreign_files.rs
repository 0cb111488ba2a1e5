//! Files of other programs: without offsets, with other apostrophes, damaged, or not CSV at all.

use super::*;

/// The night of 2020-10-25 of one counter. The city's data omit 02:00+02:00.
const NIGHT: [(&str, &str, u32); 4] = [
    ("2020-10-25T01:00:00+02:00", "2020-10-25 01:00", 9),
    ("2020-10-25T02:00:00+01:00", "2020-10-25 02:00", 12),
    ("2020-10-25T03:00:00+01:00", "2020-10-25 03:00", 4),
    ("2020-10-25T04:00:00+01:00", "2020-10-25 04:00", 3),
];

fn night(hour: impl Fn(&(&'static str, &'static str, u32)) -> &'static str) -> Vec<u8> {
    let rows = NIGHT.iter().map(|row| {
        let (hour, count) = (hour(row), row.2);
        format!("1;Quai;{count};{hour};48.8,2.3\n")
    });
    export(&rows.collect::<Vec<_>>())
}

#[test]
fn export_without_offsets_adds_no_hour_in_autumn() {
    let fixture = Fixture::new(&[
        ("offset.csv", &night(|row| row.0)),
        ("naive.csv", &night(|row| row.1)),
    ]);
    for (baseline, other) in [("offset.csv", "naive.csv"), ("naive.csv", "offset.csv")] {
        let report = merge(&fixture.plan(baseline, &[other])).unwrap();
        assert_eq!(row_counts(&report.sources[1]), [4, 0, 0, 4, 0, 0]);
        assert_eq!(
            fixture.read("out/next.csv").into_bytes(),
            night(|row| row.0)
        );
    }
    let report = merge(&fixture.plan("offset.csv", &["naive.csv"])).unwrap();
    let note = "naive.csv: 1 rows without an offset are in an hour that occurs twice";
    assert!(report.to_string().contains(note), "{report}");
}

#[test]
fn typographic_apostrophe_is_the_same_counter() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai d'Orsay E-O", 1, "00")])),
        (
            "new.csv",
            &export(&[row("Quai d\u{2019}Orsay E\u{2013}O", 2, "01")]),
        ),
    ]);
    let report = merge(&fixture.plan("old.csv", &["new.csv"])).unwrap();
    assert_eq!((report.rows, report.counters), (2, 1));
    assert!(report.appeared.is_empty() && report.vanished.is_empty());
}

#[test]
fn counters_of_one_name_are_both_kept_and_recognized_in_the_next_merge() {
    let both = |hour: &str| {
        [("111", 30), ("222", 10)]
            .map(|(id, count)| format!("{id};Quai;{count};2021-07-19T{hour}:00:00+02:00;\n"))
            .concat()
    };
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[both("00")])),
        ("new.csv", &export(&[both("01")])),
        // Only one of the two counters reports.
        (
            "last.csv",
            &export(&["222;Quai;9;2021-07-19T02:00:00+02:00;\n".to_owned()]),
        ),
    ]);
    let report = merge(&fixture.plan("old.csv", &["new.csv", "last.csv"])).unwrap();
    assert_eq!((report.rows, report.counters), (5, 2));
    let line = |id: &str, count: u32, hour: &str| {
        format!("{id};Quai ({id});{count};2021-07-19T{hour}:00:00+02:00;\n")
    };
    let expected = [
        line("111", 30, "00"),
        line("222", 10, "00"),
        line("111", 30, "01"),
        line("222", 10, "01"),
        line("222", 9, "02"),
    ];
    assert_eq!(fixture.read("out/next.csv").into_bytes(), export(&expected));
    let note = "old.csv: 2 counters share a name in the same hours";
    assert!(report.to_string().contains(note), "{report}");
}

/// Returns the hours of a day of one counter, with `first` bicycles in the first hour, and one more
/// in each next one.
fn day_of(id: &str, first: u32) -> Vec<u8> {
    let row = |hour: u32| {
        let count = first + hour;
        format!("{id};Quai;{count};2021-07-19T{hour:02}:00:00+02:00;\n")
    };
    export(&(0..24).map(row).collect::<Vec<_>>())
}

#[test]
fn another_id_with_other_counts_in_the_same_hours_is_another_counter() {
    let fixture = Fixture::new(&[
        ("old.csv", &day_of("111", 30)),
        ("new.csv", &day_of("222", 5)),
        // The next merge recognizes both.
        (
            "last.csv",
            &export(&["111;Quai;9;2021-07-20T02:00:00+02:00;\n".to_owned()]),
        ),
    ]);
    let report = merge(&fixture.plan("old.csv", &["new.csv", "last.csv"])).unwrap();
    assert_eq!((report.rows, report.counters), (49, 2));
    assert_eq!(row_counts(&report.sources[1]), [24, 24, 0, 0, 0, 0]);
    let output = fixture.read("out/next.csv");
    assert_eq!(output.matches(";Quai (111);").count(), 25);
    assert_eq!(output.matches(";Quai (222);").count(), 24);
    let note = "new.csv: 1 counters share a name with another id of the earlier files";
    assert!(report.to_string().contains(note), "{report}");
}

#[test]
fn another_id_with_some_corrected_counts_is_the_same_counter() {
    let corrected: Vec<u8> = String::from_utf8(day_of("222", 30))
        .unwrap()
        .replace(";31;", ";77;")
        .into_bytes();
    let fixture = Fixture::new(&[("old.csv", &day_of("111", 30)), ("new.csv", &corrected)]);
    let report = merge(&fixture.plan("old.csv", &["new.csv"])).unwrap();
    assert_eq!((report.rows, report.counters), (24, 1));
    assert_eq!(row_counts(&report.sources[1]), [24, 0, 1, 23, 0, 0]);
}

#[test]
fn hidden_files_of_macos_are_ignored_in_folders() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("unpacked/2019.csv", &export(&[row("Quai", 2, "01")])),
        ("unpacked/._2019.csv", b"\0\x05\x16\x07\0\x02"),
        ("unpacked/__MACOSX/._2019.csv", b"\0\x05\x16\x07\0\x02"),
        ("unpacked/__MACOSX/2019.csv", b"\0\x05\x16\x07\0\x02"),
    ]);
    let report = merge(&fixture.plan("old.csv", &["unpacked"])).unwrap();
    assert_eq!((report.rows, report.sources.len()), (2, 2));
}

#[test]
fn archives_are_named_with_the_action() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("export.zip", b"PK\x03\x04\x14\0\0\0"),
        ("export.parquet", b"PAR1\x15\x04"),
    ]);
    for (name, expected) in [
        ("export.zip", "a zip archive; unzip it"),
        ("export.parquet", "cannot process the columns of the table"),
    ] {
        let error = merge(&fixture.plan("old.csv", &[name])).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn row_of_a_later_year_does_not_stretch_the_test_period() {
    let broken_clock = "1;Quai;1;2049-07-19T02:00:00+02:00;48.8,2.3\n".to_owned();
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("test.csv", &export(&[row("Quai", 1, "02"), broken_clock])),
        ("new.csv", &export(&[row("Quai", 1, "05")])),
    ]);
    let [old, new, test, output] = ["old.csv", "new.csv", "test.csv", "out/next.csv"]
        .map(|name| fixture.path(name).display().to_string());
    let options = [
        "--baseline",
        &old,
        "--bq-export",
        &new,
        "--test-path",
        &test,
        "--output",
        &output,
    ];
    let plan = super::plan(options::parse(options).unwrap()).await.unwrap();
    let first = hour("2021-07-19T02:00:00+02:00");
    assert_eq!(plan.test_period, Some((first, first)));
    let report = merge(&plan).unwrap();
    assert_eq!(row_counts(&report.sources[1]), [1, 1, 0, 0, 0, 0]);
    assert!(
        report
            .to_string()
            .contains("fixed test set: 1 rows rejected"),
        "{report}"
    );
    assert_eq!(
        fixture.read("out/next.csv.test-rejects.csv"),
        "row,reason,text\n3,the hour 2049-07-19T00:00:00Z is in the future,1;Quai;1;2049-07-19T00:00:00Z\n"
    );
}
