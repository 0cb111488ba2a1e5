//! The events of the sample data are found by the loop.

use std::sync::Arc;

use cli::{
    commands::run::{WeekEntry, play},
    support::{
        sample_data::{self, EventKind, LiveEvent, Settings},
        state::State,
    },
};
use forecasting::time::Day;
use shared::{Timestamp, clock::SimulatedClock, event::Function};

use super::{inputs, strategy};

#[tokio::test(flavor = "multi_thread")]
async fn five_weeks_of_sample_data_have_a_promotion_refusals_and_a_silent_counter() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        counters: 6,
        ..Settings::default()
    };
    let written =
        sample_data::write(&settings, &folder.path().join("data"), &mut |_, _| {}).unwrap();
    let state = State::at(&folder.path().join("state")).unwrap();
    let summary = play(&inputs(&written), &state, strategy(), &mut |_| {})
        .await
        .unwrap();

    assert_eq!(summary.dead_letters, 0);
    let checks: Vec<_> = summary
        .weeks
        .iter()
        .map(|week| week.decision_of(Function::DriftCheck))
        .collect();
    assert_eq!(checks.len(), 5);
    assert_eq!(checks[0], "no-drift", "{checks:?}");
    // The second week may have either: most of its weekly lags lie before the exodus.
    let has_drifted = |check: &&str| matches!(*check, "drift" | "major-drift");
    assert!(checks[2..].iter().all(has_drifted), "{checks:?}");

    // The policy that acts refuses each challenger. The other one promotes.
    let is_refused = |week: &&WeekEntry| week.decision_of(Function::Promote) == "kept";
    assert!(summary.weeks.iter().filter(is_refused).count() >= 3);
    let promotions = &summary.tracks.promotions;
    assert_eq!(promotions.fixed_test, []);
    assert!(!promotions.guarded.is_empty(), "{promotions:?}");

    let outage = |event: &&LiveEvent| event.event == EventKind::Outage;
    let outage = written.events.iter().find(outage).unwrap();
    let name = outage.counter.as_ref().unwrap();
    let silent: Vec<_> = summary
        .weeks
        .iter()
        .map(|week| week.silent_counters.contains(name))
        .collect();
    assert_eq!(silent, [false, false, true, true, false]);
    assert_silent(&state, outage).await;
}

/// Asserts that the forecasts are 0 from the second day of the outage to the day after it.
async fn assert_silent(state: &State, outage: &LiveEvent) {
    let clock = Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH));
    let warehouse = state.open(clock).unwrap().warehouse;
    let first = Day::from_date(outage.first_day);
    let last = Day::from_date(outage.last_day);
    for day in first.through(last.plus(2)) {
        let forecasts = warehouse.forecasts(day, day).await.unwrap();
        let predictions: Vec<_> = forecasts
            .iter()
            .filter(|forecast| Some(&forecast.counter_name) == outage.counter.as_ref())
            .map(|forecast| forecast.prediction)
            .collect();
        assert_eq!(predictions.len(), 24, "{day}");
        let is_silent = (first.plus(1)..=last.plus(1)).contains(&day);
        let total: f64 = predictions.iter().sum();
        assert_eq!(total == 0.0, is_silent, "{day}: {total}");
    }
}
