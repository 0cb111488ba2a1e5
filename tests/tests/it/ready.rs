//! The readiness probe of each function: it touches the ports that the function needs.

use std::sync::Arc;

use runtime::{Error, Handler};
use shared::{
    Timestamp,
    clock::SimulatedClock,
    event::Function,
    ports::Ports,
    settings::{SettingsError, Variables},
};
use tests::failing::{Fault, Faults};

const STORE: &str = "look for data/baseline.json";
const WAREHOUSE: &str = "look for counts";

/// The function that creates a handler.
type Build<H> = fn(&dyn Variables, &Ports) -> Result<H, SettingsError>;

#[tokio::test]
async fn functions_touch_the_ports_they_need() {
    let touched = [
        touched_by(ingest::build).await,
        touched_by(predict::build).await,
        touched_by(drift_check::build).await,
        touched_by(fine_tune::build).await,
        touched_by(evaluate::build).await,
        touched_by(promote::build).await,
    ];
    let expected = [
        (Function::Ingest, vec![STORE, WAREHOUSE]),
        (Function::Predict, vec![STORE, WAREHOUSE]),
        (Function::DriftCheck, vec![STORE, WAREHOUSE]),
        (Function::FineTune, vec![STORE, WAREHOUSE]),
        (Function::Evaluate, vec![STORE, WAREHOUSE]),
        (Function::Promote, vec![STORE]),
    ];
    let expected = expected.map(|(function, calls)| {
        let calls: Vec<_> = calls.into_iter().map(str::to_owned).collect();
        (function, calls)
    });
    assert_eq!(touched, expected);
}

/// Returns the calls of the readiness probe. Asserts that it fails if one of them fails, and that
/// every function but ingest needs a champion.
async fn touched_by<H: Handler>(build: Build<H>) -> (Function, Vec<String>) {
    let (calls, without_champion) = probe(build, None).await;
    let champion_problem = without_champion.err().map(|error| error.chain());
    match (H::FUNCTION, champion_problem) {
        (Function::Ingest, None) => {}
        (_, Some(text)) => assert!(text.contains("no champion"), "{text}"),
        (function, None) => panic!("{function} is ready without a champion"),
    }
    for call in 0..calls.len() {
        let (_, result) = probe(build, Some(call)).await;
        let text = result.unwrap_err().chain();
        assert!(text.contains("planned fault"), "{text}");
    }
    (H::FUNCTION, calls)
}

/// Runs the readiness probe on ports without a champion, with a fault in one call.
async fn probe<H: Handler>(
    build: Build<H>,
    fault: Option<usize>,
) -> (Vec<String>, Result<(), Error>) {
    let faults = Arc::new(Faults::default());
    if let Some(call) = fault {
        faults.plan(call, Fault::Rejected);
    }
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)));
    let variables = |name: &str| {
        let is_read = name == "OPEN_DATA_URL";
        is_read.then(|| "https://opendata.example".to_owned())
    };
    let handler = build(&variables, &faults.wrap(&ports)).unwrap();
    let result = handler.ready().await;
    (faults.calls(), result)
}
