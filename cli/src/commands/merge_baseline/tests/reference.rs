//! Comparison with a simple merge of random rows.

use std::collections::BTreeMap;

use forecasting::counts::{Counter, Counts};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// A row of the reference merge: counter, hour, count.
type Row = (u8, i32, u32);

/// The result of a simple merge, to compare the real one with.
#[derive(Default)]
struct ReferenceMerge {
    /// The counts by hour and counter.
    counts: BTreeMap<(i32, u8), u32>,
    /// The new, replaced, unchanged, test period and duplicate rows of each source.
    row_counts: Vec<[u64; 5]>,
}

fn reference_merge(sources: &[Vec<Row>], test_period: (i32, i32)) -> ReferenceMerge {
    let mut merged = ReferenceMerge::default();
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
            .row_counts
            .push([new, replaced, unchanged, in_test_period, duplicates]);
    }
    merged
}

const FIRST_HOUR: i32 = 450_000;

/// Merges the sources through files and compares the result with the reference merge.
fn assert_matches_reference_merge(sources: &[Vec<Row>], test_period: (i32, i32)) {
    let fixture = Fixture::new(&[]);
    // Zero-padded, so that names sort like numbers.
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
        data_file::save(&counts, &fixture.path(path)).unwrap();
    }
    let exports: Vec<_> = paths[1..].iter().map(String::as_str).collect();
    let mut plan = fixture.plan(&paths[0], &exports);
    let hour = |hour: i32| Hour::from_number(FIRST_HOUR + hour);
    plan.test_period = Some((hour(test_period.0), hour(test_period.1)));
    let expected = reference_merge(sources, test_period);
    if expected.counts.is_empty() {
        assert!(
            merge(&plan)
                .unwrap_err()
                .to_string()
                .contains("nothing to write")
        );
        return;
    }
    let report = merge(&plan).unwrap();
    let row_counts = report.sources.iter().map(|source| {
        assert_eq!(source.rows, row_counts(source)[1..].iter().sum::<u64>());
        [
            source.new,
            source.replaced,
            source.unchanged,
            source.in_test_period,
            source.duplicates,
        ]
    });
    assert_eq!(row_counts.collect::<Vec<_>>(), expected.row_counts);
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
    fn merge_matches_reference_merge(
        // Small ranges, so that sources overlap with equal and with different counts.
        sources in proptest::collection::vec(proptest::collection::vec((0..4_u8, 0..12_i32, 0..3_u32), 0..40), 2..5),
        first in 0..12_i32,
        length in 0..6_i32,
    ) {
        assert_matches_reference_merge(&sources, (first, first + length));
    }
}

#[test]
fn merge_of_100_000_overlapping_rows_matches_reference_merge() {
    for seed in [20_210_719, 1, 2, 3] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // The seeds differ in how much sources overlap and how often their counts differ.
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
        assert_matches_reference_merge(&sources, (first, first + 150));
    }
}
