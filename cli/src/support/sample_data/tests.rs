use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// The header of the files that the City of Paris publishes.
const PUBLIC_HEADER: &str = "Identifiant du compteur;Nom du compteur;Identifiant du site de comptage;\
    Nom du site de comptage;Comptage horaire;Date et heure de comptage;\
    Date d'installation du site de comptage;Coordonnées géographiques;mois_annee_comptage";

struct Count {
    counter: String,
    coordinates: String,
    count: u64,
    when: String,
    month: String,
}

impl Count {
    fn day(&self) -> &str {
        &self.when[..10]
    }

    fn hour(&self) -> &str {
        &self.when[11..13]
    }

    fn instant(&self) -> Timestamp {
        self.when.parse().unwrap()
    }
}

/// The default periods with few counters.
fn small() -> Settings {
    Settings {
        counters: 6,
        ..Settings::default()
    }
}

/// The default test and live periods, after four weeks of training.
fn short() -> Settings {
    Settings {
        train_days: 28,
        first_day: date(2021, 4, 18),
        ..small()
    }
}

/// A few days of each period.
fn tiny() -> Settings {
    Settings {
        train_days: 3,
        test_days: 2,
        live_days: 2,
        ..small()
    }
}

fn written(settings: &Settings) -> (TempDir, Written) {
    let folder = TempDir::new().unwrap();
    let written = write(settings, folder.path(), &mut |_, _| ()).unwrap();
    (folder, written)
}

fn counts(file: &WrittenFile) -> Vec<Count> {
    let decoder = GzDecoder::new(File::open(&file.path).unwrap());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_reader(decoder);
    let count = |row: csv::StringRecord| Count {
        counter: row[0].to_owned(),
        count: row[4].parse().unwrap(),
        when: row[5].to_owned(),
        coordinates: row[7].to_owned(),
        month: row[8].to_owned(),
    };
    reader.records().map(|row| count(row.unwrap())).collect()
}

fn mean(counts: &[&Count]) -> f64 {
    counts.iter().map(|count| count.count as f64).sum::<f64>() / counts.len() as f64
}

fn mean_between(counts: &[Count], first: &str, last: &str) -> f64 {
    let days = first..=last;
    mean(
        &counts
            .iter()
            .filter(|count| days.contains(&count.day()))
            .collect::<Vec<_>>(),
    )
}

/// Returns the days without a count above 0 and the days without rows, by counter.
fn silent_days(counts: &[Count]) -> BTreeMap<&str, (u64, u64)> {
    let mut sums: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for count in counts {
        *sums
            .entry(&count.counter)
            .or_default()
            .entry(count.day())
            .or_default() += count.count;
    }
    let all = sums.values().map(BTreeMap::len).max().unwrap();
    let silent = |days: &BTreeMap<&str, u64>| {
        let zero = days.values().filter(|sum| **sum == 0).count();
        (zero as u64, (all - days.len()) as u64)
    };
    sums.iter()
        .map(|(counter, days)| (*counter, silent(days)))
        .collect()
}

#[test]
fn output_is_deterministic() {
    let (_one, one) = written(&tiny());
    let (_other, other) = written(&tiny());
    for (one, other) in [
        (one.train, other.train),
        (one.test, other.test),
        (one.live, other.live),
    ] {
        assert!(fs::read(one.path).unwrap() == fs::read(other.path).unwrap());
    }
}

#[test]
fn seed_changes_the_counts() {
    let (_one, one) = written(&tiny());
    let (_other, other) = written(&Settings { seed: 2, ..tiny() });
    assert!(fs::read(one.test.path).unwrap() != fs::read(other.test.path).unwrap());
}

#[test]
fn gzip_header_contains_no_time() {
    let (_folder, written) = written(&tiny());
    let bytes = fs::read(written.live.path).unwrap();
    assert_eq!(bytes[4..8], [0, 0, 0, 0]);
}

#[test]
fn header_matches_the_public_export() {
    let (_folder, written) = written(&tiny());
    for file in [written.train, written.test, written.live] {
        let mut line = String::new();
        let decoder = GzDecoder::new(File::open(file.path).unwrap());
        BufReader::new(decoder).read_line(&mut line).unwrap();
        assert_eq!(line, format!("{PUBLIC_HEADER}\n"));
    }
}

#[test]
fn rows_match_the_format_of_the_public_export() {
    let (_folder, written) = written(&short());
    let mut text = String::new();
    GzDecoder::new(File::open(written.test.path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(';').collect();
    let [
        id,
        name,
        site,
        site_name,
        _,
        when,
        installed,
        coordinates,
        month,
    ] = row[..]
    else {
        panic!("nine columns, not {row:?}");
    };
    assert_eq!((id, site), ("100000001-101000001", "100000001"));
    assert_eq!(name, format!("{site_name} E-O"));
    assert_eq!((when, month), ("2021-05-16T00:00:00+02:00", "2021-05"));
    assert!(installed.parse::<Date>().unwrap() < short().first_day);
    let (latitude, longitude) = coordinates.split_once(',').unwrap();
    assert!((48.81..48.91).contains(&latitude.parse().unwrap()));
    assert!((2.22..2.47).contains(&longitude.parse().unwrap()));
}

#[test]
fn default_periods_match_the_real_baseline() {
    let (_folder, written) = written(&small());
    let ends = |file: &WrittenFile| {
        let counts = counts(file);
        [
            counts.first().unwrap().when.clone(),
            counts.last().unwrap().when.clone(),
        ]
    };
    assert_eq!(
        ends(&written.train),
        ["2020-09-01T00:00:00+02:00", "2021-05-15T23:00:00+02:00"]
    );
    assert_eq!(
        ends(&written.test),
        ["2021-05-16T00:00:00+02:00", "2021-07-18T23:00:00+02:00"]
    );
    assert_eq!(
        ends(&written.live),
        ["2021-07-19T00:00:00+02:00", "2021-08-22T23:00:00+02:00"]
    );
}

#[test]
fn test_and_live_have_every_counter_every_hour() {
    let (_folder, written) = written(&short());
    assert_eq!(written.test.rows, 6 * 64 * 24);
    assert_eq!(written.live.rows, 6 * 35 * 24);
    for file in [&written.test, &written.live] {
        let counts = counts(file);
        assert!(
            silent_days(&counts)
                .values()
                .all(|silent| *silent == (0, 0))
        );
    }
}

#[test]
fn three_counters_fail_in_training() {
    let (_folder, written) = written(&small());
    let counts = counts(&written.train);
    let mut failures: Vec<_> = silent_days(&counts).into_values().collect();
    failures.sort_unstable();
    assert_eq!(
        failures,
        [(0, 0), (0, 0), (0, 0), (0, 14), (0, 128), (10, 0)]
    );
}

#[test]
fn repeated_hour_in_autumn_is_written_once() {
    let (_folder, written) = written(&small());
    let counts = counts(&written.train);
    let of_day = |counter: &str| {
        let of_day = counts.iter().filter(|count| count.day() == "2020-10-25");
        let of_counter = of_day.filter(|count| count.counter == counter);
        of_counter
            .map(|count| count.when[11..].to_owned())
            .collect::<Vec<_>>()
    };
    let hours = of_day(&counts[0].counter);
    assert_eq!(hours.len(), 24);
    assert_eq!(
        hours[..4],
        [
            "00:00:00+02:00",
            "01:00:00+02:00",
            "02:00:00+01:00",
            "03:00:00+01:00"
        ]
    );
}

#[test]
fn some_counters_write_zero_for_the_hour_skipped_in_spring() {
    let (_folder, written) = written(&small());
    let counts = counts(&written.train);
    let skipped: Vec<_> = counts
        .iter()
        .filter(|count| count.day() == "2021-03-28")
        .collect();
    assert_eq!(skipped.len(), 6 * 23 + 1);
    assert!(skipped.iter().all(|count| count.hour() != "02"));
    let twice = skipped
        .windows(2)
        .find(|pair| pair[0].counter == pair[1].counter)
        .unwrap();
    assert_eq!(twice[0].when, "2021-03-28T03:00:00+02:00");
    assert_eq!(
        (twice[1].when.as_str(), twice[0].count),
        ("2021-03-28T03:00:00+02:00", 0)
    );
}

#[test]
fn mean_and_deviation_are_close_to_real_counts() {
    let (_folder, written) = written(&small());
    for file in [&written.train, &written.test, &written.live] {
        let counts = counts(file);
        let mean = mean(&counts.iter().collect::<Vec<_>>());
        let squares = counts
            .iter()
            .map(|count| (count.count as f64 - mean).powi(2));
        let deviation = (squares.sum::<f64>() / counts.len() as f64).sqrt();
        // The real files have means of 54 to 71 and standard deviations of 69 to 98.
        assert!((45.0..80.0).contains(&mean), "{mean}");
        assert!((50.0..100.0).contains(&deviation), "{deviation}");
    }
}

#[test]
fn public_holiday_has_no_morning_rush() {
    let (_folder, written) = written(&small());
    let counts = counts(&written.train);
    let rush = |day: &str| {
        let of_day = counts
            .iter()
            .filter(|count| count.day() == day && count.hour() == "08");
        mean(&of_day.collect::<Vec<_>>())
    };
    assert!(rush("2020-11-11") < 0.5 * rush("2020-11-04"));
}

#[test]
fn traffic_falls_after_the_first_live_week() {
    for seed in 1..=3 {
        let (_folder, written) = written(&Settings { seed, ..short() });
        let test = counts(&written.test);
        let live = counts(&written.live);
        let usual = mean_between(&test, "2021-05-16", "2021-07-18");
        let first = mean_between(&live, "2021-07-19", "2021-07-24") / usual;
        let second = mean_between(&live, "2021-07-26", "2021-08-01") / usual;
        let last = mean_between(&live, "2021-08-16", "2021-08-22") / usual;
        assert!((0.9..1.2).contains(&first), "seed {seed}: {first}");
        assert!((0.55..0.75).contains(&second), "seed {seed}: {second}");
        assert!((0.45..0.65).contains(&last), "seed {seed}: {last}");
    }
}

#[test]
fn addresses_are_unique() {
    let settings = Settings {
        counters: MAX_COUNTERS,
        ..Settings::default()
    };
    let counters = city::counters(&settings).unwrap();
    let names: BTreeMap<_, _> = counters.iter().map(|counter| (&counter.name, ())).collect();
    assert_eq!(names.len(), MAX_COUNTERS as usize);
}

#[test]
fn row_minimum_extends_the_training_period_into_the_past() {
    let settings = Settings {
        counters: 56,
        ..Settings::default()
    };
    let longer = settings.clone().with_rows(905_000).unwrap();
    let rows = Plan::new(&longer).unwrap().rows().unwrap();
    assert!((905_000..905_000 + 56 * 25).contains(&rows), "{rows}");
    let test_begins = |settings: &Settings| {
        day_after(settings.first_day, i64::from(settings.train_days)).unwrap()
    };
    assert_eq!(test_begins(&longer), test_begins(&settings));
    assert_eq!((longer.test_days, longer.live_days), (64, 35));
}

#[test]
fn training_period_is_at_least_four_weeks() {
    let shorter = Settings::default().with_rows(1).unwrap();
    assert_eq!(
        (shorter.train_days, shorter.first_day),
        (28, date(2021, 4, 18))
    );
}

#[test]
fn invalid_settings_are_rejected() {
    let error_text = |settings: Settings| Plan::new(&settings).err().unwrap().to_string();
    let none = Settings {
        counters: 0,
        ..Settings::default()
    };
    assert_eq!(
        error_text(none),
        "cannot generate 0 counters, only 1 to 1000"
    );
    let no_test = Settings {
        test_days: 0,
        ..Settings::default()
    };
    assert_eq!(
        error_text(no_test),
        "the test period needs at least one day"
    );
    let many = Settings::default().with_rows(u64::MAX).unwrap_err();
    assert!(matches!(many, Error::TooManyRows { rows: u64::MAX }));
}

#[test]
fn folder_creation_error_names_the_folder() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = write(&tiny(), &file, &mut |_, _| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot create the folder {}", file.display())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_sorted_and_match_the_reported_number(
        counters in 1_u32..9,
        seed: u64,
        later in 0_i64..8_000,
        train_days in 1_u32..90,
        test_days in 1_u32..9,
        live_days in 1_u32..12,
    ) {
        let first_day = day_after(date(2000, 1, 1), later).unwrap();
        let settings = Settings { counters, seed, first_day, train_days, test_days, live_days };
        let folder = TempDir::new().unwrap();
        let mut reported = Vec::new();
        let mut progress = |done, total| reported.push((done, total));
        let written = write(&settings, folder.path(), &mut progress).unwrap();

        let total = written.train.rows + written.test.rows + written.live.rows;
        prop_assert_eq!(reported.len(), (train_days + test_days + live_days) as usize);
        prop_assert_eq!(reported.last(), Some(&(total, total)));
        for file in [&written.train, &written.test, &written.live] {
            let counts = counts(file);
            prop_assert_eq!(counts.len() as u64, file.rows);
            prop_assert!(counts.is_sorted_by_key(|count| (count.instant(), count.counter.clone())));
            prop_assert!(counts.iter().all(|count| count.when.starts_with(&count.month)));
            prop_assert!(counts.iter().all(|count| count.coordinates.contains(',')));
        }
    }
}
