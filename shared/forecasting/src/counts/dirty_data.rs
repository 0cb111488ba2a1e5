//! Tests of the reader with each known fault of the public data.

mod balance;
mod clock_changes;
mod shared_names;

use super::{Coordinates, Counts, Export, MAXIMUM_COUNT, Reject, RejectReason, read, read_export};

const FRENCH: &str = "Identifiant du compteur;Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonnées géographiques\n";

/// Reads an export and asserts that no row is rejected.
fn export(lines: &[&str]) -> Counts {
    let mut rejects = Vec::new();
    let counts = read(
        format!("{FRENCH}{}\n", lines.join("\n")).as_bytes(),
        &mut rejects,
    )
    .unwrap();
    assert_eq!(rejects, []);
    counts
}

/// Returns hour and count of each row, the hour formatted in UTC.
fn rows(counts: &Counts) -> Vec<(String, u32)> {
    counts
        .rows()
        .iter()
        .map(|row| (row.hour.to_string(), row.count))
        .collect()
}

fn expected(rows: &[(&str, u32)]) -> Vec<(String, u32)> {
    rows.iter()
        .map(|(hour, count)| ((*hour).to_owned(), *count))
        .collect()
}

#[test]
fn missing_hour_in_autumn_does_not_shift_other_hours() {
    let counts = export(&[
        "1;Quai;5;2020-10-25T01:00:00+02:00;",
        "1;Quai;4;2020-10-25T02:00:00+01:00;",
        "1;Quai;3;2020-10-25T03:00:00+01:00;",
    ]);
    let hours = [
        ("2020-10-24T23:00:00Z", 5),
        ("2020-10-25T01:00:00Z", 4),
        ("2020-10-25T02:00:00Z", 3),
    ];
    assert_eq!(rows(&counts), expected(&hours));
}

#[test]
fn phantom_zero_in_spring_is_dropped_in_any_order() {
    let phantom = "1;Quai;0;2021-03-28T03:00:00+02:00;";
    let count = "1;Quai;12;2021-03-28T03:00:00+02:00;";
    for lines in [[phantom, count], [count, phantom]] {
        let mut counts = export(&[&["1;Quai;7;2021-03-28T01:00:00+01:00;"][..], &lines].concat());
        assert_eq!(counts.deduplicate(), 1);
        assert_eq!(
            rows(&counts),
            expected(&[("2021-03-28T00:00:00Z", 7), ("2021-03-28T01:00:00Z", 12)])
        );
    }
}

#[test]
fn both_offsets_of_paris_are_read_in_one_file() {
    let counts = export(&[
        "1;Quai;1;2021-03-28T01:00:00+01:00;",
        "1;Quai;2;2021-03-28T03:00:00+02:00;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[("2021-03-28T00:00:00Z", 1), ("2021-03-28T01:00:00Z", 2)])
    );
}

#[test]
fn zeros_of_a_dead_counter_are_counts() {
    // The longest run in the public data is 1,834 hours.
    let first = super::parse_hour("2021-01-01T00:00:00Z").unwrap();
    let lines: Vec<_> = (0..1_834)
        .map(|hour| format!("1;Quai;0;{};", first.plus(hour)))
        .collect();
    let mut counts = export(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(counts.deduplicate(), 0);
    assert_eq!(counts.len(), 1_834);
    assert!(counts.rows().iter().all(|row| row.count == 0));
}

#[test]
fn gap_of_a_stopped_counter_is_not_filled() {
    // 455 hours without a count.
    let counts = export(&[
        "1;Quai;5;2021-01-01T00:00:00Z;",
        "1;Quai;6;2021-01-19T23:00:00Z;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[("2021-01-01T00:00:00Z", 5), ("2021-01-19T23:00:00Z", 6)])
    );
}

#[test]
fn counter_appearing_in_mid_year_has_no_earlier_counts() {
    let counts = export(&[
        "1;Quai;5;2021-01-01T00:00:00+01:00;48.8,2.3",
        "1;Quai;6;2021-06-01T00:00:00+02:00;48.8,2.3",
        "2;Pont;7;2021-06-01T00:00:00+02:00;48.9,2.4",
    ]);
    let names: Vec<_> = counts
        .counters()
        .iter()
        .map(|counter| counter.name.as_str())
        .collect();
    assert_eq!(names, ["Quai", "Pont"]);
    let pont: Vec<_> = counts
        .rows()
        .iter()
        .filter(|row| row.counter.position() == 1)
        .collect();
    assert_eq!(pont.len(), 1);
    assert_eq!(pont[0].hour.to_string(), "2021-05-31T22:00:00Z");
}

#[test]
fn counter_with_a_changed_id_has_the_last_id() {
    let counts = export(&[
        "100;Quai;5;2021-01-01T00:00:00+01:00;",
        "300;Quai;6;2021-06-01T00:00:00+02:00;",
    ]);
    assert_eq!((counts.counters().len(), counts.len()), (1, 2));
    assert_eq!(counts.counters()[0].id.as_deref(), Some("300"));
}

#[test]
fn spelling_and_rounding_variants_are_one_counter() {
    let counts = export(&[
        "1;90 Rue De Sèvres SO-NE;1;2021-01-01T00:00:00+01:00;48.846028,2.375429",
        "1;90 rue de sèvres so-ne;2;2021-01-01T01:00:00+01:00;48.84603,2.37543",
        "1;90  Rue De  Sevres SO-NE ;3;2021-01-01T02:00:00+01:00;48.8460,2.3754",
        // The accent is a combining character.
        "1;90 Rue De Se\u{300}vres SO-NE;4;2021-01-01T03:00:00+01:00;48.846,2.375",
    ]);
    assert_eq!((counts.counters().len(), counts.len()), (1, 4));
    assert_eq!(counts.counters()[0].name, "90 Rue De Sèvres SO-NE");
    assert_eq!(
        counts.counters()[0].coordinates,
        Coordinates::new(48.846_028, 2.375_429)
    );
}

#[test]
fn hour_without_offset_is_local_time_of_paris() {
    let counts = export(&[
        "1;Quai;1;2018-07-05T17:00;",
        "1;Quai;2;2018-01-05 17:00:00;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[("2018-07-05T15:00:00Z", 1), ("2018-01-05T16:00:00Z", 2)])
    );
}

#[test]
fn offset_after_a_space_is_read() {
    let counts = export(&[
        "1;Quai;1;2019-01-05 17:00:00 +0100;",
        "1;Quai;2;2019-07-05 17:00:00 +0200;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[("2019-01-05T16:00:00Z", 1), ("2019-07-05T15:00:00Z", 2)])
    );
}

#[test]
fn export_of_2025_in_cp1252_with_commas_is_read() {
    let mut bytes = b"Identifiant du compteur,Nom du compteur,Comptage horaire,Date et heure de comptage,Coordonn\xe9es g\xe9ographiques\n".to_vec();
    bytes.extend_from_slice(
        b"1,\"90 Rue De S\xe8vres, SO-NE\",25,2025-01-01T00:00:00+01:00,\"48.846, 2.375\"\n",
    );
    let mut rejects = Vec::new();
    let counts = read(bytes.as_slice(), &mut rejects).unwrap();
    assert_eq!(rejects, []);
    assert_eq!(rows(&counts), expected(&[("2024-12-31T23:00:00Z", 25)]));
    assert_eq!(counts.counters()[0].name, "90 Rue De Sèvres, SO-NE");
    assert_eq!(
        counts.counters()[0].coordinates,
        Coordinates::new(48.846, 2.375)
    );
}

/// Excel for Mac saves CSV files in Mac Roman.
#[test]
fn export_in_mac_roman_keeps_names_and_coordinates() {
    let mut bytes = b"Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonn\x8ees g\x8eographiques\r".to_vec();
    bytes.extend_from_slice(b"90 Rue De S\x8fvres;25;2025-01-01T00:00:00+01:00;48.846, 2.375\r");
    let mut rejects = Vec::new();
    let now = "2025-01-02T00:00:00Z".parse().unwrap();
    let Export { counts, summary } = read_export(bytes.as_slice(), now, &mut rejects).unwrap();
    assert_eq!((rejects, summary.notes()), (vec![], vec![]));
    assert_eq!(counts.counters()[0].name, "90 Rue De Sèvres");
    assert_eq!(
        counts.counters()[0].coordinates,
        Coordinates::new(48.846, 2.375)
    );
}

#[test]
fn column_in_an_unknown_encoding_is_noted() {
    let mut bytes = b"Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonn\x82es g\x82ographiques\n".to_vec();
    bytes.extend_from_slice(b"Quai;25;2025-01-01T00:00:00+01:00;48.846, 2.375\n");
    let now = "2025-01-02T00:00:00Z".parse().unwrap();
    let Export { counts, summary } = read_export(bytes.as_slice(), now, &mut Vec::new()).unwrap();
    assert_eq!(
        counts.counters()[0].coordinates,
        Coordinates::new(48.846, 2.375)
    );
    assert_eq!(
        summary.notes(),
        [
            "the column `Coordonn\u{201a}es g\u{201a}ographiques` is read as `coordonnees_geographiques`; names of \
             counters with accents are misspelt, so save the file as UTF-8"
        ]
    );
}

#[test]
fn byte_order_mark_does_not_hide_the_first_column() {
    let text = "\u{feff}Nom du compteur;Comptage horaire;Date et heure de comptage\nQuai;25;2021-07-19T00:00:00+02:00\n";
    let counts = read(text.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(rows(&counts), expected(&[("2021-07-18T22:00:00Z", 25)]));
}

#[test]
fn count_with_zero_fraction_is_a_whole_number() {
    let counts = export(&[
        "1;Quai;155.0;2021-07-19T00:00:00+02:00;",
        "1;Quai;0.0;2021-07-19T01:00:00+02:00;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[("2021-07-18T22:00:00Z", 155), ("2021-07-18T23:00:00Z", 0)])
    );
}

#[test]
fn rows_without_id_and_coordinates_are_matched_by_name() {
    let counts = export(&[
        ";Quai;1;2024-10-01T00:00:00+02:00;",
        "1;Quai;2;2024-10-01T01:00:00+02:00;48.8,2.3",
        ";Quai;3;2024-10-01T02:00:00+02:00;",
        ";Pont;4;2024-10-01T02:00:00+02:00;",
    ]);
    let [quai, pont] = counts.counters() else {
        panic!("{:?}", counts.counters())
    };
    assert_eq!(
        (quai.id.as_deref(), quai.coordinates),
        (Some("1"), Coordinates::new(48.8, 2.3))
    );
    assert_eq!((pont.id.as_deref(), pont.coordinates), (None, None));
    assert_eq!(counts.len(), 4);
}

#[test]
fn empty_unread_columns_are_ignored() {
    let text = "id;nom_compteur;sum_counts;date;installation_date;coordinates;url_photos_n1\n;Quai;1;2024-10-01T00:00:00+02:00;;;\n";
    let mut rejects = Vec::new();
    let counts = read(text.as_bytes(), &mut rejects).unwrap();
    assert_eq!(
        (rows(&counts), rejects),
        (expected(&[("2024-09-30T22:00:00Z", 1)]), Vec::new())
    );
}

#[test]
fn counts_above_the_maximum_are_rejected() {
    let counts = export(&[
        "1;Quai;11937;2024-10-01T00:00:00+02:00;",
        "1;Quai;50000;2024-10-01T01:00:00+02:00;",
    ]);
    assert_eq!(
        rows(&counts),
        expected(&[
            ("2024-09-30T22:00:00Z", 11_937),
            ("2024-09-30T23:00:00Z", MAXIMUM_COUNT)
        ])
    );
    let line = "1;Quai;50001;2024-10-01T00:00:00+02:00;";
    let mut rejects = Vec::new();
    let counts = read(format!("{FRENCH}{line}\n").as_bytes(), &mut rejects).unwrap();
    let reason = RejectReason::CountOutOfRange("50001".to_owned());
    assert_eq!(
        (counts.len(), rejects),
        (
            0,
            vec![Reject {
                row: 2,
                reason,
                text: line.to_owned()
            }]
        )
    );
}
