//! A better challenger is promoted, and a replay does not move the alias again.

use std::sync::Arc;

use cli::{
    args::StrategyArguments,
    commands::{
        run::Inputs,
        stack::{LocalStack, OpenDataServer, StackSettings},
        train::{Allowances, TrainPlan, train},
    },
    support::{embedded_bus::Replay, state::State},
};
use forecasting::{
    counts::{self, Counts},
    time::{Day, Week},
};
use google_cloud::ExploreClient;
use model::{FineTuneRecipe, StrategyChoice, TrainRecipe};
use report::{month::Month, publish::Page};
use shared::{
    clock::{Clock, SimulatedClock},
    evaluation::Evaluation,
    event::{DriftCheckRequested, Function, Topic},
    registry::{Alias, Version},
    store::read_json,
};

use super::{assert_same, small_sample, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn better_challenger_is_promoted_and_replay_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let mut known = counts::read_file(inputs.test.as_ref(), &mut Vec::new()).unwrap();
    known.extend(&counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap());
    let last = known.period().unwrap().1.day();
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(last.plus(1).at(7)));
    let stack = start(&state, Arc::clone(&clock)).await;
    let plan = weak_champion(inputs);
    train(&stack.ports, &state, &plan).await.unwrap();
    fill_tables(&stack, &known).await;

    stack
        .publish(&DriftCheckRequested {
            week: Some(last.week()),
            ..DriftCheckRequested::default()
        })
        .await
        .unwrap();
    stack.bus.idle().await;

    assert_promoted(&stack, &state, last.week()).await;
    assert_pages(&stack, last.week()).await;
    let before = snapshot(&state);
    let all = Replay {
        function: None,
        from: shared::Timestamp::MIN,
        to: shared::Timestamp::MAX,
    };
    assert_eq!(stack.bus.replay(all).await.unwrap(), 4);
    stack.bus.idle().await;
    assert_same(&before, &snapshot(&state));

    assert_judged_again(&stack, last.week()).await;
}

/// Judges the week again, and checks that the whole chain runs under new ids.
async fn assert_judged_again(stack: &LocalStack, week: Week) {
    let ports = &stack.ports;
    let first = Evaluation::path(week);
    let before = ports.store.read(&first).await.unwrap().bytes;
    let audit_rows = ports.warehouse.audit_log().await.unwrap().len();
    let again = DriftCheckRequested {
        week: Some(week),
        again: Some("2021-02-22T06:00:01Z".parse().unwrap()),
    };
    for _ in 0..2 {
        stack.publish(&again).await.unwrap();
        stack.bus.idle().await;
    }
    let subject = format!("{week}@2021-02-22T06-00-01Z");
    let audit_log = ports.warehouse.audit_log().await.unwrap();
    let rows: Vec<_> = audit_log[audit_rows..]
        .iter()
        .map(|row| (row.function, row.event_id.subject()))
        .collect();
    let expected = [
        Function::DriftCheck,
        Function::FineTune,
        Function::Evaluate,
        Function::Promote,
    ];
    assert_eq!(rows, expected.map(|function| (function, subject.as_str())));
    assert_eq!(ports.registry.versions().await.unwrap().len(), 3);
    assert_eq!(ports.store.read(&first).await.unwrap().bytes, before);
    let second = Evaluation::path(&subject);
    let (evaluation, _) = read_json::<Evaluation>(&*ports.store, &second)
        .await
        .unwrap();
    assert_eq!(evaluation.champion, Version::new(2));
}

async fn start(state: &State, clock: Arc<dyn Clock>) -> LocalStack {
    let nothing = OpenDataServer::start(Counts::default(), Arc::clone(&clock))
        .await
        .unwrap();
    LocalStack::start(state, clock, settings(&nothing))
        .await
        .unwrap()
}

/// Returns the settings of a stack whose champion is fine-tuned into a better challenger.
pub(super) fn settings(open_data: &OpenDataServer) -> StackSettings {
    let open_data = Arc::new(ExploreClient::new(open_data.base().clone()));
    let strategy = StrategyArguments {
        // Few counters drift in fewer columns than the default policy requires.
        policy: r#"{"drift_share":0.1}"#.parse().unwrap(),
        fine_tune: FineTuneRecipe {
            strategy: StrategyChoice::Append,
            learning_rate: 0.1,
            epochs: 60,
            ..FineTuneRecipe::default()
        },
    };
    StackSettings::new(strategy, open_data)
}

/// Returns the plan of a champion with only three rounds: any fine-tuned model is better, also on
/// the fixed test set.
pub(super) fn weak_champion(inputs: Inputs) -> TrainPlan {
    TrainPlan {
        train_path: inputs.train,
        test_path: inputs.test,
        data_source: "local",
        recipe: TrainRecipe {
            rounds: 3,
            ..TrainRecipe::default()
        },
        environment: "local".to_owned(),
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    }
}

pub(super) async fn fill_tables(stack: &LocalStack, known: &Counts) {
    for day in known.rows_per_day().into_keys() {
        let day: Day = day;
        stack
            .ports
            .warehouse
            .replace_counts(day, &known.days(day, day), day.plus(1).at(6))
            .await
            .unwrap();
    }
}

async fn assert_promoted(stack: &LocalStack, state: &State, week: Week) {
    let registry = &stack.ports.registry;
    let (first, second) = (Version::new(1), Version::new(2));
    let aliases =
        [Alias::Champion, Alias::Challenger, Alias::Previous].map(|alias| registry.alias(alias));
    let [champion, challenger, previous] = aliases;
    let aliases = (
        champion.await.unwrap(),
        challenger.await.unwrap(),
        previous.await.unwrap(),
    );
    assert_eq!(aliases, (Some(second), Some(second), Some(first)));

    let run = registry.version(second).await.unwrap().run;
    let tag = |name: &str| run.tags[name].as_str();
    assert_eq!(
        (
            tag("dataset"),
            tag("training_type"),
            tag("data_source"),
            tag("base_model")
        ),
        ("last_30_days", "fine_tune", "bigquery", "champion_v1")
    );
    let audit_log = stack.ports.warehouse.audit_log().await.unwrap();
    let rows: Vec<_> = audit_log
        .iter()
        .map(|row| (row.function, row.entry.decision.as_str()))
        .collect();
    let expected = [
        (Function::Promote, "trained"),
        (Function::DriftCheck, "drift"),
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "promoted"),
    ];
    assert_eq!(rows, expected);
    assert!(
        audit_log
            .iter()
            .skip(1)
            .all(|row| row.event_id.subject() == week.to_string())
    );
    assert!(
        audit_log[4].entry.model_improvement.unwrap() > 0.05,
        "{:?}",
        audit_log[4]
    );

    let bus = state.open_bus_store().unwrap();
    let decided = bus
        .list(&format!("bus/topics/{}/", Topic::ChampionDecided))
        .await
        .unwrap();
    let decided = String::from_utf8(bus.read(&decided[0]).await.unwrap().bytes.to_vec()).unwrap();
    assert!(
        decided.contains(r#"\"champion\":2,\"challenger\":2,\"promoted\":true"#),
        "{decided}"
    );
}

/// The pages are written after the decision, so they show it. The audit rows link them.
async fn assert_pages(stack: &LocalStack, week: Week) {
    let store = &*stack.ports.store;
    let read = async |page: Page| {
        let bytes = store.read(&page.path()).await.unwrap().bytes;
        String::from_utf8(bytes.into()).unwrap()
    };
    let index = read(Page::Index).await;
    assert!(index.contains("Last decision: promoted by promote"));
    assert!(index.contains(&format!("href=\"week/{week}.html\"")));
    let week_page = read(Page::Week(week)).await;
    assert!(week_page.contains("Version 2 replaced version 1."));
    let month = Month::of(week.last_day());
    assert!(read(Page::Month(month)).await.contains(&month.name()));
    let address = store.address_of(&Page::Week(week).path());
    let rows = stack.ports.warehouse.audit_log().await.unwrap();
    for function in [
        Function::DriftCheck,
        Function::FineTune,
        Function::Evaluate,
        Function::Promote,
    ] {
        let row = rows.iter().find(|row| {
            row.function == function && row.entry.detail["page"]["address"] == address.as_str()
        });
        assert!(row.is_some(), "{function}: {rows:?}");
    }
}
