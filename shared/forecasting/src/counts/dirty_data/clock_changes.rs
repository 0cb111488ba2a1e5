//! Local hours without an offset around the changes of the clocks.

use super::*;

/// The hours in UTC of rows with the given local times, after the repeated hours are assigned.
fn hours(lines: &[&str]) -> Vec<String> {
    let counts = export(lines);
    counts
        .rows()
        .iter()
        .map(|row| row.hour.to_string())
        .collect()
}

/// Two counters on the night of 2020-10-25, each with `02:00` once.
const SINGLE: [&str; 6] = [
    "1;Quai;5;2020-10-25 01:00;",
    "2;Pont;6;2020-10-25 01:00;",
    "1;Quai;4;2020-10-25 02:00;",
    "2;Pont;7;2020-10-25 02:00;",
    "1;Quai;3;2020-10-25 03:00;",
    "2;Pont;8;2020-10-25 03:00;",
];

const SINGLE_HOURS: [&str; 6] = [
    "2020-10-24T23:00:00Z",
    "2020-10-24T23:00:00Z",
    "2020-10-25T01:00:00Z",
    "2020-10-25T01:00:00Z",
    "2020-10-25T02:00:00Z",
    "2020-10-25T02:00:00Z",
];

#[test]
fn single_repeated_hour_is_winter_time() {
    assert_eq!(hours(&SINGLE), SINGLE_HOURS);
}

#[test]
fn two_repeated_hours_are_both_occurrences_in_file_order() {
    let ascending = [
        "1;Quai;5;2020-10-25 01:00;",
        "1;Quai;12;2020-10-25 02:00;",
        "2;Pont;6;2020-10-25 02:00;",
        "1;Quai;4;2020-10-25 02:00;",
        "1;Quai;3;2020-10-25 03:00;",
    ];
    let expected = [
        "2020-10-24T23:00:00Z",
        "2020-10-25T00:00:00Z",
        "2020-10-25T01:00:00Z",
        "2020-10-25T01:00:00Z",
        "2020-10-25T02:00:00Z",
    ];
    assert_eq!(hours(&ascending), expected);
    let (mut descending, mut reversed) = (ascending, expected);
    descending.reverse();
    reversed.reverse();
    assert_eq!(hours(&descending), reversed);
}

#[test]
fn file_that_occurs_twice_adds_no_hour() {
    let twice = [SINGLE, SINGLE].concat();
    assert_eq!(hours(&twice), [SINGLE_HOURS, SINGLE_HOURS].concat());
    let mut counts = export(&twice);
    assert_eq!((counts.deduplicate(), counts.len()), (6, 6));
}

#[test]
fn file_with_both_occurrences_that_occurs_twice_has_both_hours() {
    let night = [
        "1;Quai;5;2020-10-25 01:00;",
        "1;Quai;12;2020-10-25 02:00;",
        "1;Quai;4;2020-10-25 02:00;",
        "1;Quai;3;2020-10-25 03:00;",
    ];
    let mut counts = export(&[night, night].concat());
    assert_eq!(counts.deduplicate(), 4);
    assert_eq!(
        rows(&counts),
        expected(&[
            ("2020-10-24T23:00:00Z", 5),
            ("2020-10-25T00:00:00Z", 12),
            ("2020-10-25T01:00:00Z", 4),
            ("2020-10-25T02:00:00Z", 3),
        ])
    );
}

#[test]
fn hours_without_and_with_offset_are_the_same_counts() {
    let with_offset = [
        "1;Quai;5;2020-10-25T01:00:00+02:00;",
        "1;Quai;4;2020-10-25T02:00:00+01:00;",
        "1;Quai;3;2020-10-25T03:00:00+01:00;",
    ];
    let mut counts = export(&[&with_offset[..], &[SINGLE[0], SINGLE[2], SINGLE[4]]].concat());
    assert_eq!((counts.deduplicate(), counts.len()), (3, 3));
}

#[test]
fn hour_that_does_not_exist_in_spring_is_rejected() {
    let line = "1;Quai;5;2021-03-28 02:00;";
    let mut rejects = Vec::new();
    let counts = read(format!("{FRENCH}{line}\n").as_bytes(), &mut rejects).unwrap();
    let reject = Reject {
        row: 2,
        reason: RejectReason::SkippedHour("2021-03-28 02:00".to_owned()),
        text: line.to_owned(),
    };
    assert_eq!((counts.len(), rejects), (0, vec![reject]));
}
