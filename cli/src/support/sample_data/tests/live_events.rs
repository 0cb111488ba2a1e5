//! The events of the live period.

use super::*;

/// Returns the name of the only counter with an event.
fn counter_with(written: &Written, kind: EventKind) -> &str {
    let mut events = written.events.iter().filter(|event| event.event == kind);
    let (Some(event), None) = (events.next(), events.next()) else {
        panic!("not one {kind:?} in {:?}", written.events);
    };
    event.counter.as_deref().unwrap()
}

/// Returns the mean of the counts that meet a condition, from the first to the last day.
fn mean(counts: &[Count], first: &str, last: &str, condition: impl Fn(&Count) -> bool) -> f64 {
    let days = first..=last;
    let of_days = |count: &&Count| days.contains(&count.day()) && condition(count);
    let found: Vec<_> = counts
        .iter()
        .filter(of_days)
        .map(|count| count.count as f64)
        .collect();
    found.iter().sum::<f64>() / found.len() as f64
}

#[test]
fn default_periods_have_four_events_on_known_days() {
    let (_folder, written) = written(&short());
    let events: Vec<_> = written
        .events
        .iter()
        .map(|event| {
            let days = (event.first_day.to_string(), event.last_day.to_string());
            (event.event, days, event.counter.is_some())
        })
        .collect();
    let expected = [
        (EventKind::SummerExodus, "2021-07-25", "2021-08-15", false),
        (EventKind::NewBikeLane, "2021-07-28", "2021-08-22", true),
        (EventKind::Outage, "2021-08-03", "2021-08-12", true),
        (EventKind::Return, "2021-08-16", "2021-08-22", false),
    ];
    assert_eq!(
        events,
        expected.map(|(event, first, last, has_counter)| {
            (event, (first.to_owned(), last.to_owned()), has_counter)
        })
    );
    let text = written.to_string();
    let lane = counter_with(&written, EventKind::NewBikeLane);
    assert!(
        text.contains(&format!(
            "2021-07-28: new bike lane at {lane}, 2.5 times the traffic\n"
        )),
        "{text}"
    );
}

#[test]
fn traffic_falls_after_the_first_live_week_and_returns_in_the_fifth() {
    for seed in 1..=3 {
        let (_folder, written) = written(&Settings { seed, ..short() });
        let lane = counter_with(&written, EventKind::NewBikeLane);
        let silent = counter_with(&written, EventKind::Outage);
        let is_usual = |count: &Count| count.name != lane && count.name != silent;
        let test = counts(&written.test);
        let live = counts(&written.live);
        let usual = mean(&test, "2021-05-16", "2021-07-18", is_usual);
        let share = |first, last| mean(&live, first, last, is_usual) / usual;
        for (first, last, expected) in [
            ("2021-07-19", "2021-07-24", 0.9..1.2),
            ("2021-07-26", "2021-08-01", 0.45..0.68),
            ("2021-08-09", "2021-08-15", 0.38..0.6),
            ("2021-08-16", "2021-08-22", 0.85..1.2),
        ] {
            let share = share(first, last);
            assert!(expected.contains(&share), "seed {seed}, {first}: {share}");
        }
    }
}

#[test]
fn new_bike_lane_lasts_and_outage_ends() {
    for seed in 1..=3 {
        let (_folder, written) = written(&Settings { seed, ..short() });
        let (test, live) = (counts(&written.test), counts(&written.live));
        let growth = |name: &str, first: &str, last: &str| {
            let of_counter = |count: &Count| count.name == name;
            let of_counters = |_: &Count| true;
            let share = |condition: &dyn Fn(&Count) -> bool| {
                mean(&live, first, last, condition)
                    / mean(&test, "2021-05-16", "2021-07-18", condition)
            };
            share(&of_counter) / share(&of_counters)
        };
        let lane = counter_with(&written, EventKind::NewBikeLane);
        let before = growth(lane, "2021-07-19", "2021-07-24");
        assert!((0.8..1.25).contains(&before), "seed {seed}: {before}");
        // The counter itself raises the mean of all six.
        let last = growth(lane, "2021-08-16", "2021-08-22");
        assert!(last > 1.4, "seed {seed}: {last}");

        let silent = counter_with(&written, EventKind::Outage);
        let of_counter = |count: &Count| count.name == silent;
        let during = mean(&live, "2021-08-03", "2021-08-12", of_counter);
        assert!(during == 0.0, "seed {seed}: {during}");
        for day in ["2021-08-02", "2021-08-13"] {
            let around = mean(&live, day, day, of_counter);
            assert!(around > 0.0, "seed {seed}, {day}: {around}");
        }
    }
}

#[test]
fn events_of_few_counters_and_short_periods_are_left_out() {
    let kinds = |settings: &Settings| {
        let (_folder, written) = written(settings);
        written
            .events
            .iter()
            .map(|event| event.event)
            .collect::<Vec<_>>()
    };
    let five = Settings {
        counters: 5,
        ..short()
    };
    assert_eq!(kinds(&five), [EventKind::SummerExodus, EventKind::Return]);
    let two_weeks = Settings {
        live_days: 14,
        ..short()
    };
    assert_eq!(
        kinds(&two_weeks),
        [EventKind::SummerExodus, EventKind::NewBikeLane]
    );
    assert!(kinds(&tiny()).is_empty());
}
