mod file_format;
mod live_events;
mod realism;

use std::{
    collections::BTreeMap,
    fs::{self, File},
};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

struct Count {
    counter: String,
    name: String,
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
        name: row[1].to_owned(),
        count: row[4].parse().unwrap(),
        when: row[5].to_owned(),
        coordinates: row[7].to_owned(),
        month: row[8].to_owned(),
    };
    reader.records().map(|row| count(row.unwrap())).collect()
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
    for (file, outages) in [
        (&written.test, [0; 6]),
        (&written.live, [0, 0, 0, 0, 0, 10]),
    ] {
        let counts = counts(file);
        let mut silent: Vec<_> = silent_days(&counts).into_values().collect();
        silent.sort_unstable();
        assert_eq!(silent, outages.map(|days| (days, 0)));
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
