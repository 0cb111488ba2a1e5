//! Tests of what is reported about the forecasts besides their MAE.
//!
//! In the checked week, 2021-W29, the counts are those of each week before. Their mean is 23: three
//! counters with 11.5, 23 and 34.5 bicycles per hour.

use shared::store::read_json;

use super::*;

fn checked_week() -> Week {
    "2021-W29".parse().unwrap()
}

/// Returns ports with a champion and forecasts that are `error` too high.
async fn forecast_ports(error: f64) -> Ports {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    forecast(&ports, checked_week(), error).await;
    ports
}

/// Changes the 72 forecasts of each day of the checked week, of which each has a number.
async fn change_forecasts(ports: &Ports, change: impl Fn(usize, &mut Forecast)) {
    change_forecasts_of(ports, checked_week(), change).await;
}

/// Changes the 72 forecasts of each day of a week, of which each has a number.
async fn change_forecasts_of(ports: &Ports, week: Week, change: impl Fn(usize, &mut Forecast)) {
    for day in week.first_day().through(week.last_day()) {
        let mut forecasts = ports.warehouse.forecasts(day, day).await.unwrap();
        assert_eq!(forecasts.len(), 72);
        forecasts
            .iter_mut()
            .enumerate()
            .for_each(|(number, forecast)| change(number, forecast));
        ports
            .warehouse
            .replace_forecasts(day, &forecasts)
            .await
            .unwrap();
    }
}

/// Checks the week, and returns its report and the reason.
async fn checked(ports: &Ports) -> (WeekReport, String) {
    checked_as(ports, checked_week()).await
}

/// Checks a week, and returns its report and the reason.
async fn checked_as(ports: &Ports, week: Week) -> (WeekReport, String) {
    let request = DriftCheckRequested {
        week: Some(week),
        ..DriftCheckRequested::default()
    };
    let outcome = check_with(ports, Policy::default(), request, AFTER_FIRST_WEEK)
        .await
        .unwrap();
    let path = report_path(week);
    let (report, _) = read_json::<WeekReport>(&*ports.store, &path).await.unwrap();
    let detail = &outcome.entry().detail;
    assert_eq!(detail["accuracy"], json!(report.accuracy));
    assert_eq!(detail["recent_intervals"], json!(report.recent_intervals));
    (report, outcome.entry().reason.clone())
}

/// A quarter of the forecasts has no counter, and half of them have other spellings of its name.
#[tokio::test]
async fn forecasts_and_counts_are_joined_by_the_folded_name() {
    let ports = forecast_ports(2.0).await;
    change_forecasts(&ports, |number, forecast| {
        let name = &forecast.counter_name;
        forecast.counter_name = match number % 4 {
            0 => name.to_uppercase(),
            1 => format!(" {name} "),
            2 => format!("{name} E-O"),
            _ => name.clone(),
        };
    })
    .await;
    let (report, _) = checked(&ports).await;
    let live = report.live.unwrap();
    assert_eq!(live.rows, 7 * 54);
    assert!((live.mae - 2.0).abs() < 1e-9, "{live:?}");
}

#[tokio::test]
async fn bias_share_and_seasonal_naive_are_reported() {
    for (error, expected) in [
        (
            2.0,
            "the forecasts are 2.0 bicycles an hour too high on average (9 % of the counts), \
             error 9 % of the counts, seasonal naive's MAE 0.0",
        ),
        (
            -4.0,
            "the forecasts are 4.0 bicycles an hour too low on average (17 % of the counts), \
             error 17 % of the counts, seasonal naive's MAE 0.0",
        ),
        (
            0.0,
            "the forecasts are neither too high nor too low on average, \
             error 0 % of the counts, seasonal naive's MAE 0.0",
        ),
    ] {
        let (report, reason) = checked(&forecast_ports(error).await).await;
        let columns = "16 of 20 columns are the count itself, its lags and means";
        assert!(
            reason.ends_with(&format!("; {expected}; {columns}")),
            "{reason}"
        );
        assert_eq!(report.count_columns(), 16);
        let accuracy = report.accuracy.unwrap();
        assert_eq!(Some(accuracy.uncorrected), report.live);
        assert_eq!(accuracy.seasonal_naive.unwrap().rows, 504);
        assert_eq!((accuracy.interval_80, accuracy.interval_95), (None, None));
    }
}

#[tokio::test]
async fn error_without_the_correction_is_reported() {
    let ports = forecast_ports(2.0).await;
    change_forecasts(&ports, |_, forecast| {
        forecast.model_prediction = Some(forecast.prediction + 3.0);
    })
    .await;
    let (report, reason) = checked(&ports).await;
    assert!(
        reason.contains(", MAE 5.0 without the daily correction"),
        "{reason}"
    );
    // The rule of the live MAE is about the published forecasts.
    assert!((report.live.unwrap().mae - 2.0).abs() < 1e-9);
    assert!((report.accuracy.unwrap().uncorrected.mae - 5.0).abs() < 1e-9);
}

/// Of each ten forecasts, `within` have an 80 % interval around the count. The intervals are 4 and
/// 8 bicycles wide.
#[tokio::test]
async fn unusual_coverage_of_the_intervals_is_a_finding() {
    let finding = |name, share, expected| {
        format!(
            "the {name} % intervals contain {share} % of 504 counts in 1 of the last four weeks \
             ({expected} expected)"
        )
    };
    let (of_80, of_95) = ("72 % to 90 %", "90 % to 99 %");
    for (within, expected) in [
        (7, Some(finding(80, "70.8", of_80))),
        (8, None),
        (10, Some(finding(80, "100.0", of_80))),
    ] {
        let ports = forecast_ports(2.0).await;
        change_forecasts(&ports, |number, forecast| {
            let is_within = number % 10 < within;
            let low = forecast.prediction - if is_within { 2.0 } else { 1.0 };
            forecast.prediction_low_80 = Some(low);
            forecast.prediction_high_80 = Some(low + 4.0);
            // 4 of 72 counts are below this interval.
            let low = forecast.prediction - if number % 20 == 0 { 1.0 } else { 4.0 };
            forecast.prediction_low_95 = Some(low);
            forecast.prediction_high_95 = Some(low + 8.0);
        })
        .await;
        let (report, reason) = checked(&ports).await;
        match expected {
            Some(expected) => assert!(reason.contains(&expected), "{reason}"),
            None => assert!(!reason.contains("intervals"), "{reason}"),
        }
        let accuracy = report.accuracy.unwrap();
        let interval_95 = accuracy.interval_95.unwrap();
        assert_eq!((interval_95.rows, interval_95.mean_width), (504, 8.0));
        assert!((interval_95.share - 68.0 / 72.0).abs() < 1e-12);
        assert_eq!(accuracy.interval_80.unwrap().mean_width, 4.0);
    }
    // The counts are 2 below the forecasts. One of nine is below its interval, and then none.
    for (remainder, share) in [(0, "88.9"), (9, "100.0")] {
        let ports = forecast_ports(2.0).await;
        change_forecasts(&ports, |number, forecast| {
            let distance = if number % 9 == remainder { 1.0 } else { 4.0 };
            forecast.prediction_low_95 = Some(forecast.prediction - distance);
            forecast.prediction_high_95 = Some(1e6);
        })
        .await;
        let (_, reason) = checked(&ports).await;
        let expected = finding(95, share, of_95);
        assert!(reason.contains(&expected), "{reason}");
    }
}

/// Gives the forecasts of a week 80 % intervals, which contain all counts or none.
async fn store_intervals(ports: &Ports, week: &str, contain: bool) {
    let week: Week = week.parse().unwrap();
    forecast(ports, week, 2.0).await;
    change_forecasts_of(ports, week, |_, forecast| {
        forecast.prediction_low_80 = Some(forecast.prediction - if contain { 4.0 } else { 1.0 });
        forecast.prediction_high_80 = Some(forecast.prediction + 4.0);
    })
    .await;
}

/// The intervals of the checked week contain no count, and those of the three weeks before all.
#[tokio::test]
async fn intervals_are_judged_over_four_weeks() {
    let ports = forecast_ports(2.0).await;
    store_intervals(&ports, "2021-W29", false).await;
    for (week, weeks, share, is_finding) in [
        ("2021-W28", 2, 0.5, true),
        ("2021-W27", 3, 2.0 / 3.0, true),
        ("2021-W26", 4, 0.75, false),
        // It is not one of the last four.
        ("2021-W25", 4, 0.75, false),
    ] {
        store_intervals(&ports, week, true).await;
        checked_as(&ports, week.parse().unwrap()).await;
        let (report, reason) = checked(&ports).await;
        assert_eq!(reason.contains("intervals contain"), is_finding, "{reason}");
        let recent = report.recent_intervals.unwrap();
        let interval = recent.interval_80.unwrap();
        assert!((interval.share - share).abs() < 1e-12, "{interval:?}");
        assert_eq!((recent.weeks, interval.rows), (weeks, 504 * weeks));
        assert_eq!(
            (recent.first_day, recent.last_day),
            (day("2021-06-28"), day("2021-07-25"))
        );
        assert_eq!(recent.interval_95, None);
        assert_eq!(report.accuracy.unwrap().interval_80.unwrap().share, 0.0);
        assert_eq!(report.live.unwrap().rows, 504);
    }
}

/// The first report about the week before says that its intervals contain all counts.
#[tokio::test]
async fn earlier_week_that_was_judged_again_counts_with_its_last_report() {
    let ports = forecast_ports(2.0).await;
    store_intervals(&ports, "2021-W29", true).await;
    let week: Week = "2021-W28".parse().unwrap();
    store_intervals(&ports, "2021-W28", true).await;
    checked_as(&ports, week).await;
    store_intervals(&ports, "2021-W28", false).await;
    let request = DriftCheckRequested {
        week: Some(week),
        again: Some("2021-07-26T04:00:00Z".parse().unwrap()),
    };
    let again = check_with(&ports, Policy::default(), request, AFTER_FIRST_WEEK);
    let _ = again.await.unwrap();
    let (report, _) = checked(&ports).await;
    let recent = report.recent_intervals.unwrap();
    let interval = recent.interval_80.unwrap();
    assert_eq!((recent.weeks, interval.rows), (2, 1_008));
    assert_eq!(interval.share, 0.5);
}

/// One week before has three times the counts, one an invalid report, and one forecasts without a
/// report.
#[tokio::test]
async fn earlier_weeks_weigh_as_much_as_their_counts() {
    let ports = forecast_ports(2.0).await;
    store_intervals(&ports, "2021-W29", false).await;
    store_intervals(&ports, "2021-W27", true).await;
    let (report, _) = checked(&ports).await;
    let interval_80 = Some(IntervalCoverage {
        rows: 1_512,
        share: 1.0,
        mean_width: 13.0,
    });
    let earlier = WeekReport {
        accuracy: report.accuracy.map(|accuracy| LiveAccuracy {
            interval_80,
            ..accuracy
        }),
        ..report
    };
    let (path, invalid) = (report_path("2021-W26"), report_path("2021-W28"));
    write_json(&*ports.store, &path, &earlier, Condition::Always)
        .await
        .unwrap();
    ports
        .store
        .write(&invalid, "{".into(), Condition::Always)
        .await
        .unwrap();
    let recent = checked(&ports).await.0.recent_intervals.unwrap();
    assert_eq!((recent.weeks, recent.interval_95), (2, None));
    let interval = recent.interval_80.unwrap();
    assert_eq!((interval.rows, interval.share), (2_016, 0.75));
    // 504 intervals of the checked week have a width of 5: (504 * 5 + 1512 * 13) / 2016 = 11.
    assert!((interval.mean_width - 11.0).abs() < 1e-9);
}

#[tokio::test]
async fn forecasts_without_intervals_have_no_coverage() {
    let (report, reason) = checked(&forecast_ports(2.0).await).await;
    assert_eq!(report.recent_intervals, None);
    assert!(!reason.contains("intervals"), "{reason}");
}

/// A silent counter has the forecast 0. Its interval would contain every zero.
#[tokio::test]
async fn silent_counters_do_not_count_for_the_intervals() {
    let ports = forecast_ports(2.0).await;
    change_forecasts(&ports, |number, forecast| {
        forecast.silent = Some(number % 3 == 0);
        forecast.prediction_low_80 = Some(0.0);
        forecast.prediction_high_80 = Some(1e6);
    })
    .await;
    let (report, _) = checked(&ports).await;
    assert_eq!(report.accuracy.unwrap().interval_80.unwrap().rows, 336);
    let recent = report.recent_intervals.unwrap();
    assert_eq!(recent.interval_80.unwrap().rows, 336);
}

/// The counters count nothing from Tuesday to Thursday.
#[tokio::test]
async fn hours_of_an_outage_are_left_out_of_the_living_counters() {
    let ports = forecast_ports(2.0).await;
    for day in day("2021-07-20").through(day("2021-07-22")) {
        fill(&ports, day, &counts(paris(), day, day, 0)).await;
    }
    let (report, _) = checked(&ports).await;
    assert_eq!(report.live.unwrap().rows, 504);
    // The run of zeros ends with the first hour of Friday, in which no day has a count above 0.
    let living = report.accuracy.unwrap().living.unwrap();
    assert_eq!(living.rows, 504 - 3 * (3 * 24 + 1));
}
