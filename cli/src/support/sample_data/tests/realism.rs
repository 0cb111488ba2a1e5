//! Properties that the counts share with those of Paris.

use super::*;

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
