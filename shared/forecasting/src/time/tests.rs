use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

#[test]
fn day_has_23_24_or_25_hours() {
    for (text, hours) in [("2021-03-28", 23), ("2021-07-19", 24), ("2020-10-25", 25)] {
        assert_eq!(day(text).hours().count(), hours, "{text}");
        assert!(
            day(text).hours().all(|hour| hour.day() == day(text)),
            "{text}"
        );
    }
}

#[test]
fn local_hour_of_a_clock_change_is_the_first_or_none() {
    let hour = |text: &str| Hour::starting_at(text.parse().unwrap());
    for (text, expected) in [
        ("2021-07-19", hour("2021-07-19T00:00:00Z")),
        ("2021-03-28", None),
        ("2020-10-25", hour("2020-10-25T00:00:00Z")),
    ] {
        assert_eq!(day(text).local_hour(2), expected, "{text}");
    }
    assert_eq!(
        day("2021-03-28").local_hour(3),
        hour("2021-03-28T01:00:00Z")
    );
    assert_eq!(day("2021-07-19").local_hour(24), None);
}

#[test]
fn invalid_days_are_rejected() {
    for text in ["2021-02-30", "2021-13-01", "yesterday", ""] {
        assert!(text.parse::<Day>().is_err(), "{text}");
    }
    assert!(Day::from_compact("20210231").is_err());
}

#[test]
fn weeks_follow_iso_8601() {
    assert_eq!(day("2021-07-19").week().to_string(), "2021-W29");
    assert_eq!(day("2021-01-03").week().to_string(), "2020-W53");
    let week: Week = "2026-W47".parse().unwrap();
    assert_eq!(
        (week.first_day(), week.last_day()),
        (day("2026-11-16"), day("2026-11-22"))
    );
    for text in [
        "2021-W53", "2021-W00", "2021W30", "2021-W3", "+021-W30", "2021-W+3", "-021-W30",
    ] {
        assert!(text.parse::<Week>().is_err(), "{text}");
    }
}

#[test]
fn local_hour_uses_paris_time() {
    let hour = Hour::starting_at("2021-07-18T22:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(
        hour.local(),
        LocalHour {
            date: day("2021-07-19").date(),
            hour: 0
        }
    );
    assert_eq!(hour.local().weekday(), 0);
    assert_eq!(day("2021-07-19").first_hour(), hour);
    assert_eq!(
        Hour::starting_at("2021-07-18T22:00:01Z".parse().unwrap()),
        None
    );
}

#[test]
fn day_arithmetic_crosses_month_boundaries() {
    assert_eq!(day("2021-02-28").plus(1), day("2021-03-01"));
    assert_eq!(day("2021-02-28").days_until(day("2021-03-02")), 2);
    assert_eq!(day("2021-07-19").through(day("2021-07-21")).count(), 3);
    assert_eq!(day("9999-12-30").through(day("9999-12-31")).count(), 2);
    assert_eq!(day("9999-12-30").hours().count(), 23);
    assert_eq!(day("9999-12-31").hours().count(), 0);
    assert_eq!(
        Day::from_compact(&day("2021-07-19").compact()).unwrap(),
        day("2021-07-19")
    );
}
