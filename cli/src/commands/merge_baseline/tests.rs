use std::{collections::BTreeMap, fs, io::Read, path::Path};

use clap::{Args, FromArgMatches};
use forecasting::counts::{Counter, Counts};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

mod files;

const FRENCH: &str = "Identifiant du compteur;Nom du compteur;Comptage horaire;Date et heure de comptage;Coordonnées géographiques\n";
const SNAKE: &str = "comptage_horaire,date_et_heure_de_comptage,identifiant_du_compteur,nom_du_compteur,coordonnees_geographiques\n";

/// A folder with a baseline and exports in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, bytes) in files {
            fs::create_dir_all(place.path(name).parent().unwrap()).unwrap();
            fs::write(place.path(name), bytes).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, baseline: &str, exports: &[&str]) -> MergePlan {
        MergePlan {
            baseline: self.path(baseline),
            exports: exports.iter().map(|name| self.path(name)).collect(),
            test_period: None,
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

/// Figures of a source in the order of its table, without the rejected.
fn figures(source: &SourceReport) -> [u64; 6] {
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
fn the_later_source_wins_and_an_overlap_is_not_counted_twice() {
    let place = Place::new(&[
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
    let report = merge(&place.plan("old.csv", &["first.csv", "second.csv"])).unwrap();
    let rows = [
        row("Quai", 1, "00"),
        row("Quai", 2, "01"),
        row("Quai", 31, "02"),
        row("Quai", 4, "03"),
    ];
    assert_eq!(place.read("out/next.csv").into_bytes(), export(&rows));
    let sources: Vec<_> = report.sources.iter().map(figures).collect();
    assert_eq!(
        sources,
        [[3, 3, 0, 0, 0, 0], [3, 1, 1, 1, 0, 0], [2, 0, 1, 1, 0, 0]]
    );
    assert_eq!((report.rows, report.counters), (4, 1));
    assert_eq!(
        report.period,
        "2021-07-18T22:00:00Z to 2021-07-19T01:00:00Z"
    );
    // Turned round, what was first wins.
    let report = merge(&place.plan("old.csv", &["second.csv", "first.csv"])).unwrap();
    assert!(place.read("out/next.csv").contains(&row("Quai", 30, "02")));
    assert_eq!(figures(&report.sources[2]), [3, 0, 1, 2, 0, 0]);
}

#[test]
fn no_row_of_the_test_period_is_left_whatever_the_source() {
    let hours = ["00", "01", "02", "03", "04"];
    let all: Vec<_> = hours.map(|hour| row("Quai", 7, hour)).into();
    let place = Place::new(&[("old.csv", &export(&all)), ("new.csv", &export(&all[1..]))]);
    let mut plan = place.plan("old.csv", &["new.csv"]);
    plan.test_period = Some((
        hour("2021-07-19T01:00:00+02:00"),
        hour("2021-07-19T03:00:00+02:00"),
    ));
    let report = merge(&plan).unwrap();
    assert_eq!(
        place.read("out/next.csv").into_bytes(),
        export(&[row("Quai", 7, "00"), row("Quai", 7, "04")])
    );
    let sources: Vec<_> = report.sources.iter().map(figures).collect();
    assert_eq!(sources, [[5, 2, 0, 0, 3, 0], [4, 0, 0, 1, 3, 0]]);
    assert_eq!(
        report.test_period.as_deref(),
        Some("2021-07-18T23:00:00Z to 2021-07-19T01:00:00Z")
    );
}

#[test]
fn every_shape_of_export_is_merged_and_what_cannot_be_read_is_kept_with_its_source() {
    let mut cp1252 = SNAKE.as_bytes().to_vec();
    cp1252.extend_from_slice(
        b"155.0,2021-07-19T02:00:00+02:00,2,90 RUE DE S\xc8VRES,\"48.84, 2.32\"\n",
    );
    cp1252.extend_from_slice(b"many,2021-07-19T03:00:00+02:00,2,90 RUE DE S\xc8VRES,\n");
    let place = Place::new(&[
        // Another offset, no id, no coordinates; a phantom 0 beside its count.
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
    let report = merge(&place.plan("old.csv", &["exports"])).unwrap();
    let line = |count: u32, hour: &str| format!("2;90 Rue de Sèvres;{count};{hour};48.84,2.32\n");
    let expected = [
        line(8, "2020-12-01T05:00:00+01:00"),
        line(9, "2021-07-19T01:00:00+02:00"),
        line(155, "2021-07-19T02:00:00+02:00"),
    ];
    assert_eq!(
        place.read("out/next.csv"),
        format!("{FRENCH}{}", expected.concat())
    );
    let sources: Vec<_> = report.sources.iter().map(figures).collect();
    assert_eq!(
        sources,
        [[2, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]]
    );
    assert_eq!(
        report.sources[2].rejected,
        [("the count is no whole number", 1)].into()
    );
    let b = place.path("exports/b.csv");
    assert_eq!(
        place.read("out/next.csv.rejects.csv"),
        format!(
            "file,row,reason,text\n{},3,the count `many` is no whole number of bicycles,\"many,2021-07-19T03:00:00+02:00,2,90 RUE DE SÈVRES,\"\n",
            b.display()
        )
    );
    assert!(
        report
            .to_string()
            .contains("b.csv: 1 rejected, the count is no whole number"),
        "{report}"
    );
}

#[test]
fn without_rejected_rows_there_is_no_reject_file_nor_that_of_a_merge_before() {
    let place = Place::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("new.csv", &export(&[row("Quai", 2, "01")])),
        ("out/next.csv.rejects.csv", b"of a merge before"),
    ]);
    let report = merge(&place.plan("old.csv", &["new.csv"])).unwrap();
    assert_eq!(report.rejects, None);
    assert_eq!(names(&place.path("out")), ["next.csv"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn counters_that_appear_and_vanish_are_named() {
    let place = Place::new(&[
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
    let report = merge(&place.plan("old.csv", &["first.csv", "last"])).unwrap();
    assert_eq!(report.appeared, ["Parc", "Place"]);
    assert_eq!(report.vanished, ["Pont", "Gare"]);
    assert_eq!(report.counters, 5);
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_the_output_stays_as_it_was() {
    let place = Place::new(&[
        (
            "old.csv",
            &export(&[
                row("Quai", 1, "00"),
                "1;Quai;many;2021-07-19T01:00:00+02:00;\n".to_owned(),
            ]),
        ),
        ("broken.csv", b"a;b;c\n1;2;3\n"),
        ("out/next.csv", b"as it was"),
        ("empty/notes.txt", b""),
    ]);
    for (export, expected) in [
        ("broken.csv", "broken.csv"),
        ("absent.csv", "absent.csv: No such"),
        ("empty", "no *.csv"),
    ] {
        let error = format!(
            "{:#}",
            merge(&place.plan("old.csv", &[export])).unwrap_err()
        );
        assert!(
            error.contains(expected) && !error.contains("breaks off"),
            "{error}"
        );
        assert_eq!(names(&place.path("out")), ["next.csv"]);
        assert_eq!(place.read("out/next.csv"), "as it was");
    }
}

#[test]
fn an_output_that_would_be_the_next_export_or_empty_is_refused() {
    let place = Place::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("out/1.csv", &export(&[])),
    ]);
    // The second folder is that above the output's.
    for folder in ["out", ""] {
        let error = merge(&place.plan("old.csv", &[folder]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("choose another folder"), "{error}");
    }
    let mut plan = place.plan("old.csv", &["out/1.csv"]);
    plan.test_period = Some((hour("2021-01-01T00:00:00Z"), hour("2022-01-01T00:00:00Z")));
    let error = merge(&plan).unwrap_err().to_string();
    assert!(error.contains("nothing is left"), "{error}");
}

#[test]
fn a_result_that_is_merged_again_with_nothing_new_gives_the_same_bytes() {
    let place = Place::new(&[
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
    let mut plan = place.plan("old.csv", &["new.csv"]);
    merge(&plan).unwrap();
    let once = fs::read(&plan.output).unwrap();
    plan.baseline = plan.output.clone();
    let report = merge(&plan).unwrap();
    assert_eq!(fs::read(&plan.output).unwrap(), once);
    assert_eq!(
        report.sources.iter().map(figures).collect::<Vec<_>>(),
        [[4, 4, 0, 0, 0, 0], [3, 0, 0, 3, 0, 0]]
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_gz_is_packed() {
    let place = Place::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        (
            "new.csv",
            &export(&[row("Pont", 2, "01"), row("Quai", 2, "01")]),
        ),
    ]);
    let mut plan = place.plan("old.csv", &["new.csv"]);
    let mut draft = Vec::new();
    for name in ["out/1.csv.gz", "out/2.csv.gz"] {
        plan.output = place.path(name);
        merge(&plan).unwrap();
        draft.push(fs::read(&plan.output).unwrap());
    }
    assert_eq!(draft[0], draft[1]);
    let mut text = String::new();
    flate2::read::GzDecoder::new(draft[0].as_slice())
        .read_to_string(&mut text)
        .unwrap();
    // Counters of one hour stand in the order of their names.
    assert_eq!(
        text.into_bytes(),
        export(&[
            row("Quai", 1, "00"),
            row("Pont", 2, "01"),
            row("Quai", 2, "01")
        ])
    );
}

/// Parses the options of `merge-baseline`, whatever the environment of the tests says of the test set.
fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<MergeArguments, clap::Error> {
    let command =
        MergeArguments::augment_args(clap::Command::new("merge-baseline").no_binary_name(true));
    let without_environment = command.mut_arg("test_path", |argument| {
        argument.env(clap::builder::Resettable::Reset)
    });
    MergeArguments::from_arg_matches(&without_environment.try_get_matches_from(options)?)
}

#[test]
fn the_test_set_must_be_named_or_denied() {
    let start = [
        "--baseline",
        "a",
        "--bq-export",
        "b",
        "c",
        "--output",
        "d.csv",
    ];
    let parse_with = |more: &[&'static str]| parse(start.into_iter().chain(more.iter().copied()));
    assert!(parse_with(&[]).is_err());
    assert!(parse_with(&["--test-path", "t.csv", "--no-test-set"]).is_err());
    assert_eq!(
        parse_with(&["--test-path", "t.csv"])
            .unwrap()
            .test_path
            .as_deref(),
        Some("t.csv")
    );
    assert_eq!(
        parse_with(&["--no-test-set"]).unwrap().bq_export,
        [PathBuf::from("b"), PathBuf::from("c")]
    );
}

#[tokio::test]
async fn the_test_period_reaches_from_the_first_to_the_last_hour_of_the_file() {
    let place = Place::new(&[(
        "test.csv",
        &export(&[
            row("Pont", 1, "07"),
            row("Quai", 1, "02"),
            row("Quai", 1, "05"),
        ]),
    )]);
    let [test, output] =
        ["test.csv", "out/next.csv"].map(|name| place.path(name).display().to_string());
    let options = [
        "--baseline",
        "a",
        "--bq-export",
        "b",
        "--output",
        &output,
        "--test-path",
        &test,
    ];
    let plan = plan(parse(options).unwrap()).await.unwrap();
    assert_eq!(
        plan.test_period,
        Some((
            hour("2021-07-19T02:00:00+02:00"),
            hour("2021-07-19T07:00:00+02:00")
        ))
    );
    assert_eq!(plan.rejects, place.path("out/next.csv.rejects.csv"));
}

/// A count as a naive merge knows it: counter, hour, count.
type Row = (u8, i32, u32);

/// What a naive merge gives.
#[derive(Default)]
struct Naive {
    /// The counts by hour and counter.
    counts: BTreeMap<(i32, u8), u32>,
    /// New, replaced, unchanged, in the test period and duplicates of each source.
    figures: Vec<[u64; 5]>,
}

fn naive(sources: &[Vec<Row>], test_period: (i32, i32)) -> Naive {
    let mut merged = Naive::default();
    for source in sources {
        let [mut new, mut replaced, mut unchanged, mut in_test_period] = [0; 4];
        let mut own = BTreeMap::<(i32, u8), u32>::new();
        for &(counter, hour, count) in source {
            let known = own.entry((hour, counter)).or_default();
            *known = count.max(*known);
        }
        let duplicates = (source.len() - own.len()) as u64;
        for ((hour, counter), count) in own {
            if hour >= test_period.0 && hour <= test_period.1 {
                in_test_period += 1;
                continue;
            }
            match merged.counts.insert((hour, counter), count) {
                None => new += 1,
                Some(known) if known == count => unchanged += 1,
                Some(_) => replaced += 1,
            }
        }
        merged
            .figures
            .push([new, replaced, unchanged, in_test_period, duplicates]);
    }
    merged
}

const FIRST_HOUR: i32 = 450_000;

/// Writes the sources as files, merges them and compares with the naive merge.
fn assert_merges_as_the_naive_one(sources: &[Vec<Row>], test_period: (i32, i32)) {
    let place = Place::new(&[]);
    // Names that sort as the numbers do.
    let name = |counter: u8| format!("Compteur {counter:02}");
    let paths: Vec<_> = (0..sources.len()).map(|at| format!("{at}.csv")).collect();
    for (source, path) in sources.iter().zip(&paths) {
        let mut counts = Counts::default();
        for &(counter, hour, count) in source {
            let counter = counts.intern(Counter {
                id: None,
                name: name(counter),
                coordinates: None,
            });
            counts.push(counter, Hour::from_number(FIRST_HOUR + hour), count);
        }
        data_file::save(&counts, &place.path(path)).unwrap();
    }
    let exports: Vec<_> = paths[1..].iter().map(String::as_str).collect();
    let mut plan = place.plan(&paths[0], &exports);
    let hour = |hour: i32| Hour::from_number(FIRST_HOUR + hour);
    plan.test_period = Some((hour(test_period.0), hour(test_period.1)));
    let expected = naive(sources, test_period);
    if expected.counts.is_empty() {
        assert!(
            merge(&plan)
                .unwrap_err()
                .to_string()
                .contains("nothing is left")
        );
        return;
    }
    let report = merge(&plan).unwrap();
    let figures = report.sources.iter().map(|source| {
        assert_eq!(source.rows, figures(source)[1..].iter().sum::<u64>());
        [
            source.new,
            source.replaced,
            source.unchanged,
            source.in_test_period,
            source.duplicates,
        ]
    });
    assert_eq!(figures.collect::<Vec<_>>(), expected.figures);
    let written = counts::read_file(&plan.output, &mut Vec::new()).unwrap();
    let written = written.rows().iter().map(|row| {
        (
            (
                row.hour.number() - FIRST_HOUR,
                written.counter(row.counter).name.clone(),
            ),
            row.count,
        )
    });
    let expected = expected
        .counts
        .into_iter()
        .map(|((hour, counter), count)| ((hour, name(counter)), count));
    assert_eq!(written.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn sources_are_merged_as_by_a_naive_merge(
        // Few counters, hours and counts, so that sources overlap, agree and disagree.
        sources in proptest::collection::vec(proptest::collection::vec((0..4_u8, 0..12_i32, 0..3_u32), 0..40), 2..5),
        first in 0..12_i32,
        length in 0..6_i32,
    ) {
        assert_merges_as_the_naive_one(&sources, (first, first + length));
    }
}

#[test]
fn a_hundred_thousand_rows_of_overlapping_sources_are_merged_as_by_a_naive_merge() {
    for seed in [20_210_719, 1, 2, 3] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Some seeds overlap little and disagree often, others the other way round.
        let (step, counts): (i32, u32) = (random.random_range(50..600), random.random_range(2..50));
        let sources: Vec<Vec<Row>> = (0..5)
            .map(|source| {
                let hours = source * step..source * step + 600;
                let mut row = || {
                    (
                        random.random_range(0..60),
                        random.random_range(hours.clone()),
                        random.random_range(0..counts),
                    )
                };
                (0..20_000).map(|_| row()).collect()
            })
            .collect();
        let first: i32 = random.random_range(0..600);
        assert_merges_as_the_naive_one(&sources, (first, first + 150));
    }
}
