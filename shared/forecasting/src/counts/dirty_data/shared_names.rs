//! Several ids under one name: one counter with a new id, or several counters.

use super::*;

/// Returns id, name, hour and count of each row after the removal of duplicates.
fn described(lines: &[&str]) -> Vec<(String, String, String, u32)> {
    let mut counts = export(lines);
    counts.deduplicate();
    let describe = |row: &crate::counts::Count| {
        let counter = counts.counter(row.counter);
        let id = counter.id.clone().unwrap_or_default();
        (id, counter.name.clone(), row.hour.to_string(), row.count)
    };
    counts.rows().iter().map(describe).collect()
}

fn described_as(rows: &[(&str, &str, &str, u32)]) -> Vec<(String, String, String, u32)> {
    rows.iter()
        .map(|(id, name, hour, count)| {
            (
                (*id).to_owned(),
                (*name).to_owned(),
                (*hour).to_owned(),
                *count,
            )
        })
        .collect()
}

#[test]
fn ids_with_different_counts_in_one_hour_are_two_counters() {
    let rows = described(&[
        "111;Quai;30;2021-07-19T00:00:00Z;48.8,2.3",
        "222;QUAI;10;2021-07-19T00:00:00Z;48.9,2.4",
        "111;Quai;0;2021-07-19T01:00:00Z;48.8,2.3",
        "222;QUAI;5;2021-07-19T01:00:00Z;48.9,2.4",
    ]);
    let expected = [
        ("111", "Quai (111)", "2021-07-19T00:00:00Z", 30),
        ("222", "QUAI (222)", "2021-07-19T00:00:00Z", 10),
        ("111", "Quai (111)", "2021-07-19T01:00:00Z", 0),
        ("222", "QUAI (222)", "2021-07-19T01:00:00Z", 5),
    ];
    assert_eq!(rows, described_as(&expected));
    let counts = export(&[
        "111;Quai;30;2021-07-19T00:00:00Z;48.8,2.3",
        "222;Quai;10;2021-07-19T00:00:00Z;48.9,2.4",
    ]);
    let coordinates: Vec<_> = counts
        .counters()
        .iter()
        .map(|counter| counter.coordinates)
        .collect();
    assert_eq!(
        coordinates,
        [Coordinates::new(48.8, 2.3), Coordinates::new(48.9, 2.4)]
    );
}

#[test]
fn ids_one_after_the_other_are_one_counter() {
    let rows = described(&[
        "111;Quai;30;2021-07-19T00:00:00Z;",
        // The new id starts in an hour for which the old one reports the same count, and then 0.
        "111;Quai;31;2021-07-19T01:00:00Z;",
        "222;Quai;31;2021-07-19T01:00:00Z;",
        "111;Quai;0;2021-07-19T02:00:00Z;",
        "222;Quai;32;2021-07-19T02:00:00Z;",
    ]);
    let expected = [
        ("222", "Quai", "2021-07-19T00:00:00Z", 30),
        ("222", "Quai", "2021-07-19T01:00:00Z", 31),
        ("222", "Quai", "2021-07-19T02:00:00Z", 32),
    ];
    assert_eq!(rows, described_as(&expected));
}

#[test]
fn rows_without_id_stay_under_the_shared_name() {
    let rows = described(&[
        ";Quai;7;2021-07-19T00:00:00Z;",
        "111;Quai;30;2021-07-19T00:00:00Z;",
        "222;Quai;10;2021-07-19T00:00:00Z;",
    ]);
    let expected = [
        ("", "Quai", "2021-07-19T00:00:00Z", 7),
        ("111", "Quai (111)", "2021-07-19T00:00:00Z", 30),
        ("222", "Quai (222)", "2021-07-19T00:00:00Z", 10),
    ];
    assert_eq!(rows, described_as(&expected));
}

#[test]
fn separated_counters_are_read_unchanged_after_writing() {
    let counts = export(&[
        "111;Quai;30;2021-07-19T00:00:00Z;",
        "222;Quai;10;2021-07-19T00:00:00Z;",
    ]);
    let mut written = Vec::new();
    super::super::write_french(&counts, &mut written).unwrap();
    // A later day, on which only one of the two reports.
    written.extend_from_slice("222;Quai;9;2021-07-20T00:00:00Z;\n".as_bytes());
    let read = read(written.as_slice(), &mut Vec::new()).unwrap();
    let names: Vec<_> = read
        .rows()
        .iter()
        .map(|row| (read.counter(row.counter).name.as_str(), row.count))
        .collect();
    assert_eq!(
        names,
        [("Quai (111)", 30), ("Quai (222)", 10), ("Quai (222)", 9)]
    );
}

/// Whatever their order, the counts keep the id and the place of the counter that counts.
#[test]
fn dead_id_beside_a_live_one_gives_neither_id_nor_coordinates() {
    let live = "111;Quai;30;2021-07-19T00:00:00Z;48.8,2.3";
    let dead = "222;Quai;0;2021-07-19T00:00:00Z;48.9,2.4";
    for lines in [[live, dead], [dead, live]] {
        let expected = [("111", "Quai", "2021-07-19T00:00:00Z", 30)];
        assert_eq!(described(&lines), described_as(&expected));
        let counts = export(&lines);
        assert_eq!(
            counts.counters()[0].coordinates,
            Coordinates::new(48.8, 2.3)
        );
    }
}

/// The id is part of the name, and a name has single spaces.
#[test]
fn whitespace_in_an_id_is_folded() {
    let counts = super::export(&[
        "1\u{a0}1;Quai;30;2021-07-19T00:00:00Z;",
        "2  2;Quai;10;2021-07-19T00:00:00Z;",
    ]);
    let mut file = Vec::new();
    crate::counts::write_french(&counts, &mut file).unwrap();
    let read = crate::counts::read(file.as_slice(), &mut Vec::new()).unwrap();
    assert_eq!(read.counters(), counts.counters());
    assert_eq!(counts.counters()[1].name, "Quai (2 2)");
}
