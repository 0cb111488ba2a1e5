use std::{
    io::{BufReader, Write},
    iter,
};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::*;
use crate::counts::{Coordinates, Reject, RejectReason};

const HEADER: &str = "Identifiant du compteur;Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonnées géographiques\n";

fn rows(text: &str) -> (Vec<(String, String, u32)>, Vec<Reject>) {
    let mut rejects = Vec::new();
    let counts = read(text.as_bytes(), &mut rejects).unwrap();
    let row = |row: &super::super::Count| {
        (
            counts.counter(row.counter).name.clone(),
            row.hour.to_string(),
            row.count,
        )
    };
    (counts.rows().iter().map(row).collect(), rejects)
}

fn row(name: &str, hour: &str, count: u32) -> (String, String, u32) {
    (name.to_owned(), hour.to_owned(), count)
}

#[test]
fn public_export_is_read() {
    let (read, rejects) = rows(&format!(
        "{HEADER}1;Quai;25;2021-07-19T00:00:00+02:00;48.8,2.3\n"
    ));
    assert_eq!(read, [row("Quai", "2021-07-18T22:00:00Z", 25)]);
    assert!(rejects.is_empty());
}

#[test]
fn bigquery_export_with_bom_commas_and_fractions_is_read() {
    let text = "\u{feff}comptage_horaire,nom_du_compteur,date_et_heure_de_comptage,coordonnees_geographiques\n155.0,Quai,2025-10-11 05:00:00 UTC,\"48.8, 2.3\"\n";
    let mut rejects = Vec::new();
    let counts = read(text.as_bytes(), &mut rejects).unwrap();
    assert_eq!((counts.rows()[0].count, rejects.len()), (155, 0));
    assert_eq!(
        counts.counters()[0].coordinates,
        Coordinates::new(48.8, 2.3)
    );
    assert_eq!(counts.counters()[0].id, None);
}

#[test]
fn bytes_in_memory_are_read_like_a_stream() {
    let header = "nom_du_compteur,comptage_horaire,date_et_heure_de_comptage\n";
    let rows = "Quai,1,2021-07-19 00:00:00 UTC\nQuai,many,2021-07-19 01:00:00 UTC\n\"Pont\",2,";
    let text = format!("{header}{rows}2021-07-19 00:00:00 UTC\n\"open");
    let inputs = [
        text.clone(),
        format!("\u{feff}{text}"),
        text.replace('\n', "\r"),
        text.replace('\n', "\r\n"),
        // Larger than the buffer of a stream.
        format!(
            "{header}{}",
            "Quai,1,2021-07-19 00:00:00 UTC\n".repeat(40_000)
        ),
        header.to_owned(),
        "PK\u{3}\u{4}".to_owned(),
        String::new(),
    ];
    for input in inputs {
        let outcome = |counts: Result<Counts, ReadError>, rejects: Vec<Reject>| {
            let counts = counts.map_err(|error| error.to_string())?;
            Ok::<_, String>((counts.counters().to_vec(), counts.rows().to_vec(), rejects))
        };
        let (mut of_stream, mut of_bytes) = (Vec::new(), Vec::new());
        let stream = BufReader::with_capacity(1024, input.as_bytes());
        let stream = read(stream, &mut of_stream);
        let bytes = read(input.as_bytes(), &mut of_bytes);
        let start: String = input.chars().take(80).collect();
        assert!(
            outcome(bytes, of_bytes) == outcome(stream, of_stream),
            "{start:?}"
        );
    }
}

#[test]
fn cp1252_and_utf8_names_are_the_same_counter() {
    let mut text = HEADER.as_bytes().to_vec();
    text.extend_from_slice(b"1;90 Rue De S\xe8vres;1;2021-07-19T00:00:00+02:00;\n");
    text.extend_from_slice("1;90 rue de Sèvres;2;2021-07-19T01:00:00+02:00;\n".as_bytes());
    let counts = read(text.as_slice(), &mut Vec::new()).unwrap();
    assert_eq!((counts.counters().len(), counts.len()), (1, 2));
    assert_eq!(counts.counters()[0].name, "90 Rue De Sèvres");
}

#[test]
fn unusable_rows_are_rejected_with_row_number_and_reason() {
    let good = "1;Quai;3;2021-07-19T00:00:00+02:00;";
    let lines = [
        (
            "1;Quai;;2021-07-19T00:00:00+02:00;",
            RejectReason::MissingCount,
        ),
        (
            "1;Quai;many;2021-07-19T00:00:00+02:00;",
            RejectReason::InvalidCount("many".into()),
        ),
        (
            "1;Quai;1.5;2021-07-19T00:00:00+02:00;",
            RejectReason::InvalidCount("1.5".into()),
        ),
        (
            "1;Quai;NaN;2021-07-19T00:00:00+02:00;",
            RejectReason::InvalidCount("NaN".into()),
        ),
        (
            "1;Quai;-1;2021-07-19T00:00:00+02:00;",
            RejectReason::CountOutOfRange("-1".into()),
        ),
        (
            "1;Quai;1e12;2021-07-19T00:00:00+02:00;",
            RejectReason::CountOutOfRange("1e12".into()),
        ),
        (
            "1; ;1;2021-07-19T00:00:00+02:00;",
            RejectReason::MissingName,
        ),
        (
            "1;Quai;1;2021-02-30T00:00:00+02:00;",
            RejectReason::InvalidHour("2021-02-30T00:00:00+02:00".into()),
        ),
        (
            "1;Quai;1;2021-07-19T00:10:00+02:00;",
            RejectReason::NotOnTheHour("2021-07-19T00:10:00+02:00".into()),
        ),
        ("1;Quai;1", RejectReason::ShortRow { column: 4 }),
    ];
    let text = format!(
        "{HEADER}{good}\n{}\n{good}\n",
        lines.clone().map(|line| line.0).join("\n")
    );
    let (read, rejects) = rows(&text);
    assert_eq!(read.len(), 2);
    let expected: Vec<_> = (3..)
        .zip(lines)
        .map(|(row, (text, reason))| Reject {
            row,
            reason,
            text: text.to_owned(),
        })
        .collect();
    assert_eq!(rejects, expected);
}

#[test]
fn input_that_is_not_an_export_is_an_error() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"\x7fELF\0\x01", "binary"),
        (b"\xff\xfeN\0o\0m\0", "UTF-16"),
        (b"PK\x03\x04\0\0\0\0", "zip"),
        (b"a;b;c\n1;2;3\n", "`nom_du_compteur`"),
    ];
    for (input, expected) in cases {
        let error = read(input, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn gzip_file_is_read_and_truncated_gzip_is_an_error_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{HEADER}{}",
        "1;Quai;25;2021-07-19T00:00:00+02:00;48.8,2.3\n".repeat(50_000)
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let complete = folder.path().join("complete");
    let truncated = folder.path().join("truncated.gz");
    std::fs::write(&complete, &gzip).unwrap();
    std::fs::write(&truncated, &gzip[..gzip.len() / 2]).unwrap();
    assert_eq!(read_file(&complete, &mut Vec::new()).unwrap().len(), 50_000);
    let error = read_file(&truncated, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().ends_with("truncated.gz"), "{error}");
}

/// More bytes than the chunks that are decompressed ahead.
#[test]
fn decompressed_chunks_are_in_order() {
    let bytes: Vec<u8> = (0..9_u32 << 20)
        .map(|position| (position / 7 % 251) as u8)
        .collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let mut read = Vec::new();
    let mut input = decompress(std::io::Cursor::new(gzip.finish().unwrap())).unwrap();
    input.read_to_end(&mut read).unwrap();
    assert!(read == bytes, "{} bytes were read", read.len());
}

#[test]
fn rows_with_the_hour_before_the_count_are_read() {
    let (read, rejects) = rows(
        "date;nom_compteur;sum_counts\n\
         2021-07-19T00:00:00Z;Quai;1\n2021-07-19T00:00:00Z;Pont;2\n\
         2021-07-19T01:00:00Z;Quai;3\n2021-07-19T01:00:00Z;Pont;4\n",
    );
    let (first, second) = ("2021-07-19T00:00:00Z", "2021-07-19T01:00:00Z");
    let expected = [
        row("Quai", first, 1),
        row("Pont", first, 2),
        row("Quai", second, 3),
        row("Pont", second, 4),
    ];
    assert_eq!((&read[..], rejects.len()), (&expected[..], 0));
}

#[test]
fn missing_file_is_an_open_error() {
    let error = read_file(Path::new("absent.csv"), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ReadError::Open { .. }), "{error:?}");
}

/// Ids and names of counters.
const COUNTERS: [[&str; 2]; 5] = [
    ["1", "Quai"],
    ["\"1\"", "Quai"],
    ["2", "\"Pont; N, \"\"S\"\"\""],
    ["", "Écluse"],
    ["", " "],
];
const COUNTS: [&str; 9] = [
    "5",
    "12345",
    " 7",
    "8.0",
    "1 234",
    "\"6\"",
    "\"155,0\"",
    "\"9",
    "",
];
const HOURS: [&str; 7] = [
    "2021-07-19T00:00:00+02:00",
    "2021-07-19T01:00:00+02:00",
    "\"2021-07-19T00:00:00+02:00\"",
    "\"2021-07-19T00:00:00,000\"",
    "2021-07-19T00:00:00,000",
    "\"2021-07-19T00:00:00+02:00",
    "2021-07-19T00:30:00Z",
];
const COORDINATES: [&str; 5] = [
    "48.8,2.3",
    "\"48.8,2.3\"",
    "48.8;2.3",
    "",
    "near;\"the river",
];

proptest! {
    /// A row is compared with the last row of its counter, which a file of one row does not have.
    #[test]
    fn row_is_read_as_in_a_file_of_its_own(
        picks in proptest::collection::vec((0..5_usize, 0..9_usize, 0..7_usize, 0..5_usize), 1..80),
        repetitions in 1..4_usize,
        delimiter in prop_oneof![Just(";"), Just(",")],
    ) {
        let header = HEADER.replace(';', delimiter);
        let line = |&(counter, count, hour, coordinates): &(usize, usize, usize, usize)| {
            let [id, name] = COUNTERS[counter];
            [id, name, COUNTS[count], HOURS[hour], COORDINATES[coordinates]].join(delimiter)
        };
        // Repetitions are in the order in which rows are expected.
        let repeated = iter::repeat_n(&picks, repetitions).flatten();
        let lines: Vec<_> = repeated.map(line).collect();
        let (read, rejects) = rows(&format!("{header}{}\n", lines.join("\n")));
        let (mut expected, mut expected_rejects) = (Vec::new(), Vec::new());
        for (number, line) in (2..).zip(&lines) {
            let (read, rejects) = rows(&format!("{header}{line}\n"));
            expected.extend(read);
            expected_rejects.extend(rejects.into_iter().map(|reject| Reject { row: number, ..reject }));
        }
        prop_assert_eq!(read, expected);
        prop_assert_eq!(rejects, expected_rejects);
    }

    #[test]
    fn read_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut text = HEADER.as_bytes().to_vec();
        text.extend_from_slice(&bytes);
        let _ = read(text.as_slice(), &mut Vec::new());
    }

    #[test]
    fn each_row_is_read_or_rejected(counts in proptest::collection::vec("[0-9a-z.-]{0,6}", 1..40)) {
        let lines = counts.iter().map(|count| format!("1;Quai;{count};2021-07-19T00:00:00+02:00;\n"));
        let (read, rejects) = rows(&format!("{HEADER}{}", lines.collect::<String>()));
        prop_assert_eq!(read.len() + rejects.len(), counts.len());
    }
}
