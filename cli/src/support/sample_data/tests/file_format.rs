//! The format of the files.

use std::io::{BufRead as _, BufReader, Read as _};

use proptest::prelude::*;

use super::*;

/// The header of the files that the City of Paris publishes.
const PUBLIC_HEADER: &str = "Identifiant du compteur;Nom du compteur;Identifiant du site de comptage;\
    Nom du site de comptage;Comptage horaire;Date et heure de comptage;\
    Date d'installation du site de comptage;Coordonnées géographiques;mois_annee_comptage";

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
