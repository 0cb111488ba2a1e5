//! Tests of what a report has for its page: the program, the histograms and the breakdowns.
//!
//! In the checked week, 2021-W29, the counters have 1, 2 and 3 bicycles per hour of day.

use forecasting::{
    drift::{Column, histograms},
    metrics::{Breakdown, ForecastRow, Group, GroupScores},
};
use shared::{program::Program, store::read_json};

use super::*;

fn checked_week() -> Week {
    "2021-W29".parse().unwrap()
}

/// Returns ports with a champion and forecasts that are 2 bicycles too high.
async fn forecast_ports() -> Ports {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    forecast(&ports, checked_week(), 2.0).await;
    ports
}

/// Checks the week on the Monday after it, and returns the stored report.
async fn checked(ports: &Ports) -> WeekReport {
    let _ = check(ports, AFTER_FIRST_WEEK).await.unwrap();
    let path = report_path(checked_week());
    read_json(&*ports.store, &path).await.unwrap().0
}

fn names(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(|group| group.name.as_str()).collect()
}

#[tokio::test]
async fn report_has_the_time_of_its_event_and_the_program() {
    let report = checked(&forecast_ports().await).await;
    assert_eq!(report.started_at, Some(AFTER_FIRST_WEEK.parse().unwrap()));
    assert_eq!(report.program, Some(Program::current()));
}

#[tokio::test]
async fn compared_columns_have_a_histogram() {
    let report = checked(&forecast_ports().await).await;
    let drift = report.drift.columns.iter().map(|column| &column.column);
    let drawn = report.histograms.iter().map(|drawn| &drawn.column);
    assert_eq!(drawn.collect::<Vec<_>>(), drift.collect::<Vec<_>>());

    let of = |name: &str| report.histograms.iter().find(|drawn| drawn.column == name);
    let hour = of("hour").unwrap();
    assert_eq!((hour.bins.len(), hour.categories.len()), (24, 0));
    let counter = of("counter").unwrap();
    assert_eq!((counter.bins.len(), counter.categories.len()), (0, 3));
    assert!(
        counter
            .categories
            .iter()
            .all(|category| category.current == 0.333_333)
    );
}

/// At 8 o'clock the counts are 8, 16 and 24. The forecasts are 2 too high, and those of the model
/// alone 5.
#[tokio::test]
async fn errors_are_broken_down_with_and_without_the_correction() {
    let ports = forecast_ports().await;
    let week = checked_week();
    for day in week.first_day().through(week.last_day()) {
        let mut forecasts = ports.warehouse.forecasts(day, day).await.unwrap();
        for forecast in &mut forecasts {
            forecast.model_prediction = Some(forecast.prediction + 3.0);
        }
        let warehouse = &ports.warehouse;
        warehouse.replace_forecasts(day, &forecasts).await.unwrap();
    }
    let report = checked(&ports).await;
    for (breakdown, error) in [
        (report.breakdown.unwrap(), 2.0),
        (report.uncorrected_breakdown.unwrap(), 5.0),
    ] {
        let scores = |found: GroupScores| (found.mae - error).abs() + (found.bias - error).abs();
        assert_eq!(names(&breakdown.counters), ["Rue", "Pont", "Quai"]);
        let means = breakdown.counters.iter().map(|counter| counter.mean_count);
        assert_eq!(means.collect::<Vec<_>>(), [34.5, 23.0, 11.5]);
        assert_eq!((breakdown.hours.len(), breakdown.cells.len()), (24, 168));

        let hour = &breakdown.hours[8];
        assert_eq!((hour.name.as_str(), hour.rows), ("8 h", 21));
        assert_eq!(
            (hour.mean_count, hour.seasonal_naive_mae),
            (16.0, Some(0.0))
        );
        assert!(scores(hour.champion) < 1e-9, "{hour:?}");
        assert_eq!((hour.challenger, hour.silent_hours), (None, Some(0)));
        let tuesday = &breakdown.cells[24 + 8];
        assert_eq!((tuesday.weekday, tuesday.hour, tuesday.rows), (1, 8, 3));
        assert!(scores(tuesday.champion) < 1e-9, "{tuesday:?}");
    }
}

#[tokio::test]
async fn silent_hours_of_a_dead_counter_are_counted() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    let week = checked_week();
    for day in week.first_day().through(week.last_day()) {
        let usual = counts(paris(), day, day, 1);
        let mut changed = Counts::default();
        for row in usual.rows() {
            let counter = usual.counter(row.counter).clone();
            let count = if counter.name == "Rue" { 0 } else { row.count };
            let counter = changed.intern(counter);
            changed.push(counter, row.hour, count);
        }
        fill(&ports, day, &changed).await;
    }
    forecast(&ports, week, 2.0).await;
    let breakdown = checked(&ports).await.breakdown.unwrap();
    let silent = breakdown
        .counters
        .iter()
        .map(|counter| counter.silent_hours);
    assert_eq!(names(&breakdown.counters), ["Pont", "Quai", "Rue"]);
    assert_eq!(silent.collect::<Vec<_>>(), [Some(0), Some(0), Some(168)]);
}

#[tokio::test]
async fn check_without_forecasts_has_no_breakdown() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    let report = checked(&ports).await;
    assert_eq!(
        (report.breakdown, report.uncorrected_breakdown),
        (None, None)
    );
    assert!(!report.histograms.is_empty());
}

/// A page reads the reports of twelve weeks.
#[tokio::test]
async fn report_on_56_counters_is_below_300_kilobytes() {
    let report = checked(&forecast_ports().await).await;
    let counter = |number: u8| Counter {
        id: None,
        name: format!("{number} boulevard du Montparnasse E-O"),
        coordinates: None,
    };
    let counters: Vec<_> = (100..156).map(counter).collect();
    let first = checked_week().first_day().first_hour();
    // Numbers with all digits.
    let row = |number: i32| {
        let root = f64::from(number).sqrt();
        ForecastRow {
            counter: number.unsigned_abs() as usize % counters.len(),
            hour: first.plus(number % (7 * 24)),
            count: root,
            forecast: root * 1.1 - 3.0,
            seasonal_naive: Some(root * 0.9),
            is_living: true,
        }
    };
    let rows: Vec<_> = (0..7 * 24 * 60).map(row).collect();
    let breakdown = Breakdown::of_forecasts(&rows, &counters);
    assert_eq!((breakdown.counters.len(), breakdown.cells.len()), (56, 168));
    let column = |name: &String| {
        if name == "counter" {
            let names = counters.iter().map(|counter| counter.name.clone());
            return Column::categorical(name, names);
        }
        Column::numerical(name, rows.iter().map(|row| row.count))
    };
    let columns: Vec<_> = Policy::default().drift_columns.iter().map(column).collect();
    let report = WeekReport {
        histograms: histograms(&columns, &columns),
        breakdown: Some(breakdown.clone()),
        uncorrected_breakdown: Some(breakdown),
        ..report
    };
    assert_eq!(report.histograms.len(), 20);
    let bytes = serde_json::to_vec_pretty(&report).unwrap().len();
    assert!(bytes < 300_000, "{bytes} bytes");
}
