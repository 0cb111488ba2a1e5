//! The whole loop on the real counts of Paris.

use std::sync::Arc;

use cli::{
    args::StrategyArguments,
    commands::{
        run::{Inputs, play},
        stack::{LocalStack, OpenDataServer, StackSettings},
    },
    support::{embedded_bus::Replay, state::State},
};
use forecasting::counts::Counts;
use google_cloud::ExploreClient;
use shared::{
    clock::{Clock, SimulatedClock},
    event::Function,
};

use super::{assert_corrected, assert_same, snapshot, strategy};
use crate::reference_data;

/// Checks the known results for these counts: MAE, R², and the weeks in which Evidently's rules
/// find drift.
#[tokio::test(flavor = "multi_thread")]
async fn five_weeks_of_paris_match_known_results_and_replay_changes_nothing() {
    let Some(paris) = reference_data::folder().map(|folder| folder.join("paris")) else {
        return;
    };
    let file = |name: &str| paris.join(name).to_string_lossy().into_owned();
    let inputs = Inputs {
        train: file("train_baseline.csv.gz"),
        test: file("test_baseline.csv.gz"),
        live: file("live.csv.gz"),
    };
    let folder = tempfile::tempdir().unwrap();
    let state = State::at(folder.path()).unwrap();
    let summary = play(&inputs, &state, append(), &mut |_| {}).await.unwrap();

    let scores = summary.trained.scores;
    assert!(
        scores.r2 >= 0.90 && scores.mae <= 15.3 && scores.rows == 86_016,
        "{scores:?}"
    );
    let served = &summary.trained.served;
    assert!(
        served.corrected.r2 >= 0.910 && served.corrected.mae <= 14.75,
        "{served:?}"
    );
    let [coverage_80, coverage_95] =
        [served.interval_80, served.interval_95].map(|interval| interval.unwrap().coverage);
    assert!(
        (0.77..=0.88).contains(&coverage_80) && (0.93..=0.98).contains(&coverage_95),
        "{served:?}"
    );
    assert!(
        (summary.trained.seasonal_naive.mae - 20.7).abs() < 0.05,
        "{:?}",
        summary.trained.seasonal_naive
    );
    assert!((summary.trained.test_std - 97.8).abs() < 0.05);
    assert_eq!(summary.dead_letters, 0);

    let shares: Vec<_> = summary
        .weeks
        .iter()
        .map(|week| week.drifted_share.unwrap())
        .collect();
    assert_eq!(shares.len(), 5);
    assert!(shares[0] < 0.2, "{shares:?}");
    assert!(
        shares[1..].iter().all(|share| (0.4..=0.8).contains(share)),
        "{shares:?}"
    );
    for week in &summary.weeks {
        let functions: Vec<_> = week
            .decisions
            .iter()
            .map(|decision| decision.function)
            .collect();
        let all_steps = [
            Function::DriftCheck,
            Function::FineTune,
            Function::Evaluate,
            Function::Promote,
        ];
        assert_eq!(
            functions,
            if week.drifted_share.unwrap() < 0.5 {
                &all_steps[..1]
            } else {
                &all_steps
            },
            "{week}"
        );
        assert!(
            week.decisions
                .iter()
                .all(|decision| !decision.reason.is_empty())
        );
    }
    assert_days_are_ingested(&state).await;
    for text in ["2021-07-19", "2021-08-22"] {
        assert_corrected(&state, text.parse().unwrap()).await;
    }
    assert_replay_changes_nothing(&state).await;
}

/// Returns the parameters of a run that only appends rounds. In an unoptimised build, retraining on
/// the sliding window takes minutes.
fn append() -> StrategyArguments {
    StrategyArguments {
        fine_tune: r#"{"strategy":"append"}"#.parse().unwrap(),
        ..strategy()
    }
}

async fn assert_days_are_ingested(state: &State) {
    let ports = state
        .open(Arc::new(SimulatedClock::new(shared::Timestamp::UNIX_EPOCH)))
        .unwrap();
    let (first, last) = ("2021-07-19".parse().unwrap(), "2021-08-22".parse().unwrap());
    let counts = ports.warehouse.counts(first, last).await.unwrap();
    assert_eq!((counts.len(), counts.rows_per_day().len()), (47_040, 35));
    let ingested = ports.warehouse.audit_log().await.unwrap();
    assert_eq!(
        ingested
            .iter()
            .filter(|row| row.function == Function::Ingest)
            .count(),
        35
    );
}

/// Replays all messages of the five weeks to a new stack, whose open data service has no counts.
async fn assert_replay_changes_nothing(state: &State) {
    let before = snapshot(state);
    let clock: Arc<dyn Clock> =
        Arc::new(SimulatedClock::new("2021-08-24T12:00:00Z".parse().unwrap()));
    let nothing = OpenDataServer::start(Counts::default(), Arc::clone(&clock))
        .await
        .unwrap();
    let open_data = Arc::new(ExploreClient::new(nothing.base().clone()));
    let stack = LocalStack::start(state, clock, StackSettings::new(append(), open_data))
        .await
        .unwrap();
    let replay = Replay {
        function: None,
        from: "2021-07-19T00:00:00Z".parse().unwrap(),
        to: "2021-08-24T00:00:00Z".parse().unwrap(),
    };
    let messages = stack.bus.replay(replay).await.unwrap();
    // 35 ingest requests, 36 ingested days (one before the first), 5 drift checks, and 3 messages
    // in each of 3 weeks with drift.
    assert_eq!(messages, 35 + 36 + 5 + 9);
    stack.bus.idle().await;
    drop(stack);
    assert_same(&before, &snapshot(state));
}
