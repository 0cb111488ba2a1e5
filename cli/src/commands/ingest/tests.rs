//! Tests with the ports in memory.

use forecasting::counts::{Counter, Counts};
use shared::clock::SimulatedClock;

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn write_hours(ports: &Ports, day: Day, hours: usize) {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    day.hours()
        .take(hours)
        .for_each(|hour| counts.push(quai, hour, 1));
    ports
        .warehouse
        .replace_counts(day, &counts, Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
}

fn options(from: &str, to: Option<&str>) -> Options {
    Options {
        from: day(from),
        to: to.map(day),
        force: false,
        dry_run: true,
    }
}

#[tokio::test]
async fn day_is_complete_with_counts_for_every_published_hour() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
        "2021-07-20T04:00:00Z".parse().unwrap(),
    )));
    // The day of the spring clock change has 23 hours. That of the autumn clock change has 25,
    // of which 24 are published.
    for (text, hours, is_complete) in [
        ("2021-07-17", 24, true),
        ("2021-07-18", 23, false),
        ("2021-03-28", 23, true),
        ("2021-03-27", 23, false),
        ("2020-10-25", 24, true),
        ("2020-10-25", 23, false),
    ] {
        write_hours(&ports, day(text), hours).await;
        let backfill = request_days(&ports, options(text, Some(text)))
            .await
            .unwrap();
        assert_eq!(
            (backfill.skipped == 1, backfill.asked.is_empty()),
            (is_complete, is_complete),
            "{text} with {hours} hours"
        );
    }
}

/// Another counter has a count for each hour.
#[tokio::test]
async fn day_is_incomplete_if_one_counter_lacks_an_hour() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
        "2021-07-20T04:00:00Z".parse().unwrap(),
    )));
    let yesterday = day("2021-07-19");
    for (hours_of_second, is_complete) in [(23, false), (24, true)] {
        let mut counts = Counts::default();
        for (name, hours) in [("Quai", 24), ("Pont", hours_of_second)] {
            let counter = counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            });
            for hour in yesterday.hours().take(hours) {
                counts.push(counter, hour, 1);
            }
        }
        ports
            .warehouse
            .replace_counts(yesterday, &counts, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let backfill = request_days(&ports, options("2021-07-19", None))
            .await
            .unwrap();
        assert_eq!(backfill.asked.is_empty(), is_complete, "{hours_of_second}");
        if !is_complete {
            let text = backfill.to_string();
            let expected = "2021-07-19: 24 of 24 hours, 47 of 48 counts of 2 counters\n";
            assert!(text.starts_with(expected), "{text}");
        }
    }
}

#[tokio::test]
async fn unfinished_days_are_rejected_and_yesterday_is_the_default() {
    // In Paris, this is 2021-07-20 at 00:30.
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
        "2021-07-19T22:30:00Z".parse().unwrap(),
    )));
    let backfill = request_days(&ports, options("2021-07-15", None))
        .await
        .unwrap();
    assert_eq!((backfill.to, backfill.asked.len()), (day("2021-07-19"), 5));
    let error = request_days(&ports, options("2021-07-15", Some("2021-07-20")))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("not over"), "{error}");
    let error = request_days(&ports, options("2021-07-15", Some("2021-07-14")))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the last day is before the first"),
        "{error}"
    );
    let error = request_days(&ports, options("2021-07-21", None)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("2021-07-21 is not over"), "{error}");
    for (from, to, expected) in [
        ("2021-07-15", "9999-12-31", "not over"),
        ("9999-12-31", "9999-12-31", "not over"),
        (
            "2020-06-14",
            "2021-07-19",
            "at most 400 days at once, for example --to 2021-07-18",
        ),
    ] {
        let error = request_days(&ports, options(from, Some(to))).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let most = request_days(&ports, options("2020-06-15", None)).await;
    assert_eq!(most.unwrap().days, 400);
}
