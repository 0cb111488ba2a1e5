//! French public holidays compared with the Python package `holidays`.

use std::collections::BTreeSet;

use forecasting::calendar::is_public_holiday;
use jiff::civil::{Date, date};

#[test]
fn holidays_of_21_years_agree_with_the_python_package() {
    let expected: BTreeSet<Date> = include_str!("../fixtures/calendar/holidays.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.parse().unwrap())
        .collect();

    let actual: BTreeSet<Date> = date(2015, 1, 1)
        .series(jiff::Span::new().days(1))
        .take_while(|day| day.year() <= 2035)
        .filter(|day| is_public_holiday(*day))
        .collect();

    assert_eq!(actual, expected);
}

#[test]
fn easter_monday_follows_the_earliest_and_latest_easter() {
    assert!(is_public_holiday(date(1818, 3, 23)));
    assert!(is_public_holiday(date(1943, 4, 26)));
    assert!(!is_public_holiday(date(1943, 4, 27)));
}

#[test]
fn holidays_of_alsace_and_moselle_are_not_national() {
    let good_friday = date(2021, 4, 2);
    let second_day_of_christmas = date(2021, 12, 26);

    assert!(!is_public_holiday(good_friday));
    assert!(!is_public_holiday(second_day_of_christmas));
}

#[test]
fn first_and_last_supported_dates_do_not_panic() {
    let (new_year, new_years_eve) = (Date::MIN, Date::MAX);

    assert!(is_public_holiday(new_year));
    assert!(!is_public_holiday(new_years_eve));
}
