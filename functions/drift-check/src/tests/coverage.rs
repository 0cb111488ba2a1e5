//! Tests of weeks with missing days, columns or forecasts.

use shared::store::read_json;

use super::*;

/// The week is 2021-W29, of which only Monday has counts: 24 hours of three counters, 72 of 504.
/// In Paris, Wednesday begins at 22:00 UTC.
#[tokio::test]
async fn week_before_its_days_waits_until_wednesday_and_then_names_the_gaps() {
    let (first, last) = (day("2021-07-20"), day("2021-07-25"));
    let ports = ports_with(paris(), 1, |day| !(first..=last).contains(&day)).await;
    promote(&ports, 10.0).await;
    let covered =
        "1 of 7 days, 72 of 504 hours, 3 counters; missing 2021-07-20 to 2021-07-25".to_owned();
    for early in [AFTER_FIRST_WEEK, "2021-07-27T21:59:59Z"] {
        let error = check(&ports, early).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Transient);
        let expected = format!("cannot judge 2021-W29 yet: {covered}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert_eq!(ports.store.list("reports/").await.unwrap(), []);

    let outcome = check(&ports, "2021-07-27T22:00:00Z").await.unwrap();
    let entry = outcome.entry();
    assert!(entry.reason.ends_with(&covered), "{}", entry.reason);
    assert_eq!(entry.detail["coverage"]["days"], json!(1));
    let (report, _) = read_json::<WeekReport>(&*ports.store, &report_path("2021-W29"))
        .await
        .unwrap();
    assert_eq!(report.coverage.unwrap().to_string(), covered);

    for day in first.through(last) {
        fill(&ports, day, &counts(paris(), day, day, 1)).await;
    }
    let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
    let reason = &outcome.entry().reason;
    assert!(!reason.contains("of 7 days"), "{reason}");
}

/// Each day has counts, but only those of one hour.
#[tokio::test]
async fn week_of_single_counts_waits() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    for day in day("2021-07-19").through(day("2021-07-25")) {
        let counts = counts(paris(), day, day, 1);
        let noon = Hour::containing(day.at(12));
        fill(&ports, day, &counts.between(noon, noon)).await;
    }
    let error = check(&ports, AFTER_FIRST_WEEK).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Transient);
    assert!(
        error
            .to_string()
            .contains("partial 2021-07-19 to 2021-07-25"),
        "{error}"
    );
}

#[tokio::test]
async fn columns_without_values_are_named_and_the_live_error_decides() {
    let ports = ports_with(None, 1, |_| true).await;
    promote(&ports, 10.0).await;
    forecast(&ports, "2021-W29".parse().unwrap(), 11.5).await;
    let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
    let entry = outcome.entry();
    assert_eq!(entry.decision.as_str(), "live-error-too-high");
    assert!((entry.mae.unwrap() - 11.5).abs() < 1e-9);
    let excluded = json!(["latitude", "longitude"]);
    assert_eq!(entry.detail["excluded_columns"], excluded);
    assert!(
        entry.reason.contains("latitude, longitude"),
        "{}",
        entry.reason
    );
}

#[tokio::test]
async fn week_without_comparable_columns_is_judged_by_the_live_error_only() {
    let ports = ports_with(None, 1, |_| true).await;
    promote(&ports, 10.0).await;
    let policy: Policy = r#"{"drift_columns":["latitude"]}"#.parse().unwrap();
    let check = async || {
        let request = DriftCheckRequested::default();
        check_with(&ports, policy.clone(), request, AFTER_FIRST_WEEK).await
    };
    let error = check().await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    assert!(error.to_string().contains("drift_columns"), "{error}");

    forecast(&ports, "2021-W29".parse().unwrap(), 10.5).await;
    let outcome = check().await.unwrap();
    let entry = outcome.entry();
    assert_eq!(
        (entry.decision.as_str(), entry.drift_detected),
        ("no-drift", None)
    );
    assert!(
        entry.reason.starts_with("judged by the live error only"),
        "{}",
        entry.reason
    );
}

/// The daily tables begin with the checked week, so nothing is known of the week before.
#[tokio::test]
async fn first_week_of_a_deployment_is_judged_without_the_longer_lags() {
    let first = day("2021-07-19");
    let ports = ports_with(paris(), 1, |day| day >= first).await;
    promote(&ports, 10.0).await;
    let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
    let excluded = json!([
        "count_168h_earlier",
        "count_336h_earlier",
        "count_504h_earlier",
        "count_672h_earlier",
        "weekly_mean",
        "weekly_median"
    ]);
    assert_eq!(outcome.entry().detail["excluded_columns"], excluded);
}

/// Only Monday has forecasts: 24 hours of three counters.
#[tokio::test]
async fn live_error_of_some_counts_is_named() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    let monday = day("2021-07-19");
    forecast_days(&ports, (monday, monday), 13.5).await;
    let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
    let reason = &outcome.entry().reason;
    assert!(
        reason.ends_with("live MAE of 72 forecasts for 504 counts"),
        "{reason}"
    );
}

#[tokio::test]
async fn week_that_is_not_over_is_a_permanent_error() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    for (week, ends) in [("2021-W30", "2021-08-01"), ("9999-W01", "9999-01-10")] {
        let request = DriftCheckRequested {
            week: Some(week.parse().unwrap()),
            again: None,
        };
        let error = check_with(&ports, Policy::default(), request, AFTER_FIRST_WEEK)
            .await
            .unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent);
        let expected = format!("cannot judge {week}: it ends on {ends}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
