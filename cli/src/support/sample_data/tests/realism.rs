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
    let lane = &written.events[1];
    let lane_opens = lane.first_day.to_string();
    // One of six counters on a new bike lane would dominate the deviation.
    let without_lane = |count: &Count| {
        let is_on_lane = lane.counter.as_ref() == Some(&count.name);
        let growth = match is_on_lane && *count.day() >= *lane_opens {
            true => events::LANE_GROWTH,
            false => 1.0,
        };
        count.count as f64 / growth
    };
    for file in [&written.train, &written.test, &written.live] {
        let counts: Vec<f64> = counts(file).iter().map(without_lane).collect();
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let squares = counts.iter().map(|count| (count - mean).powi(2));
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

fn mean(counts: &[&Count]) -> f64 {
    counts.iter().map(|count| count.count as f64).sum::<f64>() / counts.len() as f64
}
