//! A request without drift leads to a challenger, an evaluation and a decision of its own.

use std::sync::Arc;

use cli::{
    commands::{
        stack::{LocalStack, OpenDataServer},
        train::train,
    },
    support::state::State,
};
use forecasting::counts::{self, Counts};
use shared::{
    audit::{AuditRow, StrategyDecision},
    clock::{Clock, SimulatedClock},
    evaluation::Evaluation,
    event::{FineTuneRequested, Function},
    registry::{self, Version},
    store::read_json,
};

use super::{
    promotion::{fill_tables, settings, weak_champion},
    small_sample,
};

#[tokio::test(flavor = "multi_thread")]
async fn request_is_trained_evaluated_and_decided_once() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let mut known = counts::read_file(inputs.test.as_ref(), &mut Vec::new()).unwrap();
    known.extend(&counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap());
    let last = known.period().unwrap().1.day();
    let now = last.plus(1).at(7);
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(now));
    let nothing = OpenDataServer::start(Counts::default(), Arc::clone(&clock))
        .await
        .unwrap();
    let stack = LocalStack::start(&state, clock, settings(&nothing))
        .await
        .unwrap();
    let plan = weak_champion(inputs);
    train(&stack.ports, &state, &plan).await.unwrap();
    fill_tables(&stack, &known).await;

    let request = FineTuneRequested {
        week: None,
        reason: "la rentrée".parse().unwrap(),
        strategy: None,
        recipe: None,
        requested_at: Some(now),
    };
    stack.publish(&request).await.unwrap();
    stack.bus.idle().await;

    let week = last.week();
    let subject = format!("{week}@requested-2021-02-22T06-00-00Z");
    let rows = audit_rows(&stack).await;
    assert_decided(&rows, &subject);
    let ports = &stack.ports;
    let path = Evaluation::path(&subject);
    let (evaluation, _) = read_json::<Evaluation>(&*ports.store, &path).await.unwrap();
    let (first, second) = (Version::new(1), Version::new(2));
    assert_eq!(
        (evaluation.week, evaluation.champion, evaluation.challenger),
        (week, first, second)
    );
    assert_eq!(registry::champion(&*ports.registry).await.unwrap(), second);

    // The same request, published again.
    stack.publish(&request).await.unwrap();
    stack.bus.idle().await;
    assert_eq!(audit_rows(&stack).await, rows);
    assert_eq!(ports.registry.versions().await.unwrap().len(), 2);
}

/// Returns the rows after that of the first champion.
async fn audit_rows(stack: &LocalStack) -> Vec<AuditRow> {
    let mut rows = stack.ports.warehouse.audit_log().await.unwrap();
    rows.remove(0);
    rows
}

/// Asserts that three functions have handled the request, and that the challenger is promoted.
fn assert_decided(rows: &[AuditRow], subject: &str) {
    let decisions: Vec<_> = rows
        .iter()
        .map(|row| (row.function, row.entry.decision.as_str()))
        .collect();
    let expected = [
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "promoted"),
    ];
    assert_eq!(decisions, expected);
    for row in rows {
        assert_eq!(row.event_id.subject(), subject);
    }
    let [trained, _, promoted] = rows else {
        panic!("{rows:?}");
    };
    let reason = &trained.entry.reason;
    assert!(
        reason.starts_with("requested (la rentrée): version 2 trained from version 1 "),
        "{reason}"
    );
    assert_eq!(
        promoted.entry.strategy_decision,
        Some(StrategyDecision::ChampionPromoted)
    );
}
