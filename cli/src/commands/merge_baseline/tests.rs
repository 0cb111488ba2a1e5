use std::{fs, io::Read, path::Path};

use forecasting::counts;

use super::*;

mod files;
mod foreign_files;
mod options;
mod reference;

const FRENCH: &str = "Identifiant du compteur;Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonnées géographiques\n";
const SNAKE: &str = "comptage_horaire,date_et_heure_de_comptage,identifiant_du_compteur,nom_du_compteur,coordonnees_geographiques\n";

/// A temporary folder with a baseline and exports.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, bytes) in files {
            fs::create_dir_all(fixture.path(name).parent().unwrap()).unwrap();
            fs::write(fixture.path(name), bytes).unwrap();
        }
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, baseline: &str, exports: &[&str]) -> MergePlan {
        MergePlan {
            baseline: self.path(baseline),
            exports: exports.iter().map(|name| self.path(name)).collect(),
            test_period: None,
            test_rejected: 0,
            output: self.path("out/next.csv"),
            rejects: self.path("out/next.csv.rejects.csv"),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn hour(text: &str) -> Hour {
    counts::parse_hour(text).unwrap()
}

fn row(name: &str, count: u32, hour: &str) -> String {
    format!("1;{name};{count};2021-07-19T{hour}:00:00+02:00;48.8,2.3\n")
}

fn export(rows: &[String]) -> Vec<u8> {
    format!("{FRENCH}{}", rows.concat()).into_bytes()
}

/// Returns the row counts of a source in the order of the report table, without rejected rows.
fn row_counts(source: &SourceReport) -> [u64; 6] {
    [
        source.rows,
        source.new,
        source.replaced,
        source.unchanged,
        source.in_test_period,
        source.duplicates,
    ]
}

#[test]
fn later_source_wins_and_overlap_is_counted_once() {
    let fixture = Fixture::new(&[
        (
            "old.csv",
            &export(&[
                row("Quai", 1, "00"),
                row("Quai", 2, "01"),
                row("Quai", 3, "02"),
            ]),
        ),
        (
            "first.csv",
            &export(&[
                row("Quai", 2, "01"),
                row("Quai", 30, "02"),
                row("Quai", 4, "03"),
            ]),
        ),
        (
            "second.csv",
            &export(&[row("Quai", 31, "02"), row("Quai", 4, "03")]),
        ),
    ]);
    let report = merge(&fixture.plan("old.csv", &["first.csv", "second.csv"])).unwrap();
    let rows = [
        row("Quai", 1, "00"),
        row("Quai", 2, "01"),
        row("Quai", 31, "02"),
        row("Quai", 4, "03"),
    ];
    assert_eq!(fixture.read("out/next.csv").into_bytes(), export(&rows));
    let sources: Vec<_> = report.sources.iter().map(row_counts).collect();
    assert_eq!(
        sources,
        [[3, 3, 0, 0, 0, 0], [3, 1, 1, 1, 0, 0], [2, 0, 1, 1, 0, 0]]
    );
    assert_eq!((report.rows, report.counters), (4, 1));
    assert_eq!(
        report.period,
        "2021-07-18T22:00:00Z to 2021-07-19T01:00:00Z"
    );
    // In the reverse order, the other export wins.
    let report = merge(&fixture.plan("old.csv", &["second.csv", "first.csv"])).unwrap();
    assert!(
        fixture
            .read("out/next.csv")
            .contains(&row("Quai", 30, "02"))
    );
    assert_eq!(row_counts(&report.sources[2]), [3, 0, 1, 2, 0, 0]);
}

#[test]
fn rows_in_test_period_are_dropped_from_every_source() {
    let hours = ["00", "01", "02", "03", "04"];
    let all: Vec<_> = hours.map(|hour| row("Quai", 7, hour)).into();
    let fixture = Fixture::new(&[("old.csv", &export(&all)), ("new.csv", &export(&all[1..]))]);
    let mut plan = fixture.plan("old.csv", &["new.csv"]);
    plan.test_period = Some((
        hour("2021-07-19T01:00:00+02:00"),
        hour("2021-07-19T03:00:00+02:00"),
    ));
    let report = merge(&plan).unwrap();
    assert_eq!(
        fixture.read("out/next.csv").into_bytes(),
        export(&[row("Quai", 7, "00"), row("Quai", 7, "04")])
    );
    let sources: Vec<_> = report.sources.iter().map(row_counts).collect();
    assert_eq!(sources, [[5, 2, 0, 0, 3, 0], [4, 0, 0, 1, 3, 0]]);
    assert_eq!(
        report.test_period.as_deref(),
        Some("2021-07-18T23:00:00Z to 2021-07-19T01:00:00Z")
    );
}

#[test]
fn all_export_formats_are_merged_and_rejects_name_their_source() {
    let mut cp1252 = SNAKE.as_bytes().to_vec();
    cp1252.extend_from_slice(
        b"155.0,2021-07-19T02:00:00+02:00,2,90 RUE DE S\xc8VRES,\"48.84, 2.32\"\n",
    );
    cp1252.extend_from_slice(b"many,2021-07-19T03:00:00+02:00,2,90 RUE DE S\xc8VRES,\n");
    let fixture = Fixture::new(&[
        // A UTC offset without a colon, no id, no coordinates, and a duplicate row with count 0.
        (
            "old.csv",
            format!(
                "{FRENCH};90 Rue de Sèvres;8;2020-12-01 05:00:00 +0100;\n;90 Rue de Sèvres;0;2020-12-01 05:00:00 +0100;\n"
            )
            .as_bytes(),
        ),
        ("exports/b.csv", &cp1252),
        ("exports/a.csv", format!("\u{feff}{SNAKE}9,2021-07-18 23:00:00 UTC,1,90 rue  de Sevres,\n").as_bytes()),
        ("exports/notes.txt", b"not an export"),
    ]);
    let report = merge(&fixture.plan("old.csv", &["exports"])).unwrap();
    let line = |count: u32, hour: &str| format!("2;90 Rue de Sèvres;{count};{hour};48.84,2.32\n");
    let expected = [
        line(8, "2020-12-01T05:00:00+01:00"),
        line(9, "2021-07-19T01:00:00+02:00"),
        line(155, "2021-07-19T02:00:00+02:00"),
    ];
    assert_eq!(
        fixture.read("out/next.csv"),
        format!("{FRENCH}{}", expected.concat())
    );
    let sources: Vec<_> = report.sources.iter().map(row_counts).collect();
    assert_eq!(
        sources,
        [[2, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]]
    );
    assert_eq!(
        report.sources[2].rejected,
        [("the count is not a whole number", 1)].into()
    );
    let b = fixture.path("exports/b.csv");
    assert_eq!(
        fixture.read("out/next.csv.rejects.csv"),
        format!(
            "file,row,reason,text\n{},3,the count `many` is not a whole number,\"many,2021-07-19T03:00:00+02:00,2,90 RUE DE SÈVRES,\"\n",
            b.display()
        )
    );
    assert!(
        report
            .to_string()
            .contains("b.csv: 1 rejected: the count is not a whole number"),
        "{report}"
    );
}

#[test]
fn reject_file_of_an_earlier_merge_is_removed_when_no_row_is_rejected() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("new.csv", &export(&[row("Quai", 2, "01")])),
        ("out/next.csv.rejects.csv", b"from an earlier merge"),
    ]);
    let report = merge(&fixture.plan("old.csv", &["new.csv"])).unwrap();
    assert_eq!(report.rejects, None);
    assert_eq!(names(&fixture.path("out")), ["next.csv"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn appeared_and_vanished_counters_are_reported() {
    let fixture = Fixture::new(&[
        (
            "old.csv",
            &export(&[
                row("Quai", 1, "00"),
                row("Pont", 1, "00"),
                row("Gare", 1, "00"),
            ]),
        ),
        (
            "first.csv",
            &export(&[row("Parc", 1, "00"), row("Pont", 1, "01")]),
        ),
        ("last/1.csv", &export(&[row("QUAI", 1, "01")])),
        ("last/2.csv", &export(&[row("Place", 1, "01")])),
    ]);
    let report = merge(&fixture.plan("old.csv", &["first.csv", "last"])).unwrap();
    assert_eq!(report.appeared, ["Parc", "Place"]);
    assert_eq!(report.vanished, ["Pont", "Gare"]);
    assert_eq!(report.counters, 5);
}

#[test]
fn unreadable_input_is_named_and_output_is_unchanged() {
    let fixture = Fixture::new(&[
        (
            "old.csv",
            &export(&[
                row("Quai", 1, "00"),
                "1;Quai;many;2021-07-19T01:00:00+02:00;\n".to_owned(),
            ]),
        ),
        ("broken.csv", b"a;b;c\n1;2;3\n"),
        ("out/next.csv", b"previous output"),
        ("empty/notes.txt", b""),
    ]);
    for (export, expected) in [
        ("broken.csv", "broken.csv"),
        ("absent.csv", "absent.csv: No such"),
        ("empty", "no *.csv"),
    ] {
        let error = format!(
            "{:#}",
            merge(&fixture.plan("old.csv", &[export])).unwrap_err()
        );
        assert!(
            error.contains(expected) && !error.contains("cannot read the input"),
            "{error}"
        );
        assert_eq!(names(&fixture.path("out")), ["next.csv"]);
        assert_eq!(fixture.read("out/next.csv"), "previous output");
    }
}

#[test]
fn output_in_an_export_folder_and_empty_output_are_rejected() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("out/1.csv", &export(&[])),
    ]);
    // The empty name stands for the parent of the output folder.
    for folder in ["out", ""] {
        let error = merge(&fixture.plan("old.csv", &[folder]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("choose another folder"), "{error}");
    }
    let mut plan = fixture.plan("old.csv", &["out/1.csv"]);
    plan.test_period = Some((hour("2021-01-01T00:00:00Z"), hour("2022-01-01T00:00:00Z")));
    let error = merge(&plan).unwrap_err().to_string();
    assert!(error.contains("nothing to write"), "{error}");
}

#[test]
fn repeated_merge_without_new_rows_is_byte_identical() {
    let fixture = Fixture::new(&[
        (
            "old.csv",
            &export(&[row("Quai", 1, "01"), row("Gare", 1, "02")]),
        ),
        (
            "new.csv",
            &export(&[
                row("Pont", 2, "00"),
                row("Pont", 2, "01"),
                row("gare", 3, "02"),
            ]),
        ),
    ]);
    let mut plan = fixture.plan("old.csv", &["new.csv"]);
    merge(&plan).unwrap();
    let once = fs::read(&plan.output).unwrap();
    plan.baseline = plan.output.clone();
    let report = merge(&plan).unwrap();
    assert_eq!(fs::read(&plan.output).unwrap(), once);
    assert_eq!(
        report.sources.iter().map(row_counts).collect::<Vec<_>>(),
        [[4, 4, 0, 0, 0, 0], [3, 0, 0, 3, 0, 0]]
    );
}

#[test]
fn output_is_deterministic_and_gz_is_compressed() {
    let fixture = Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        (
            "new.csv",
            &export(&[row("Pont", 2, "01"), row("Quai", 2, "01")]),
        ),
    ]);
    let mut plan = fixture.plan("old.csv", &["new.csv"]);
    let mut compressed = Vec::new();
    for name in ["out/1.csv.gz", "out/2.csv.gz"] {
        plan.output = fixture.path(name);
        merge(&plan).unwrap();
        compressed.push(fs::read(&plan.output).unwrap());
    }
    assert_eq!(compressed[0], compressed[1]);
    let mut text = String::new();
    flate2::read::GzDecoder::new(compressed[0].as_slice())
        .read_to_string(&mut text)
        .unwrap();
    // Within an hour, rows are sorted by counter name.
    assert_eq!(
        text.into_bytes(),
        export(&[
            row("Quai", 1, "00"),
            row("Pont", 2, "01"),
            row("Quai", 2, "01")
        ])
    );
}
