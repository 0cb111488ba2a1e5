//! A day and a week in one trace: the six functions, from a request to the decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cli::{
    commands::{
        stack::{LocalStack, OpenDataServer, StackSettings},
        train::train,
    },
    support::state::State,
};
use forecasting::counts;
use shared::{
    bus::Message,
    clock::{Clock, SimulatedClock},
    event::{DriftCheckRequested, Event, IngestRequested},
};

use super::{promotion, small_sample};
use crate::collector::{Collector, PARENT, PARENT_SPAN, ReceivedSpan, TRACE, record, traces_to};

/// The function of each delivery with its input, the function whose event it is, the decision, and
/// the ports it calls.
const DELIVERIES: [(&str, Option<&str>, &str, &[&str]); 6] = [
    (
        "ingest ingest-requested",
        None,
        "ingested",
        &["bus", "store", "warehouse"],
    ),
    (
        "predict day-ingested",
        Some("ingest"),
        "forecast",
        &["registry", "store", "warehouse"],
    ),
    ("drift-check drift-check-requested", None, "drift", ALL),
    (
        "fine-tune drift-detected",
        Some("drift-check"),
        "challenger-trained",
        ALL,
    ),
    (
        "evaluate challenger-trained",
        Some("fine-tune"),
        "evaluated",
        ALL,
    ),
    (
        "promote challenger-evaluated",
        Some("evaluate"),
        "promoted",
        ALL,
    ),
];
const ALL: &[&str] = &["bus", "registry", "store", "warehouse"];

/// Both requests name the same trace, as those of a person do. The recording of spans belongs to a
/// thread, so the test runs on one thread.
#[tokio::test]
async fn six_functions_are_one_trace() {
    let collector = Collector::start().await;
    let traces = traces_to(&collector.endpoint());
    let _recording = record(&traces);
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let live = counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap();
    let mut known = counts::read_file(inputs.test.as_ref(), &mut Vec::new()).unwrap();
    known.extend(&live);
    let (first, last) = known.period().unwrap();
    let last = last.day();
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(last.plus(1).at(7)));
    let server = OpenDataServer::start(live, Arc::clone(&clock))
        .await
        .unwrap();
    let settings = StackSettings {
        traces: Some(traces),
        ..promotion::settings(&server)
    };
    let stack = LocalStack::start(&state, clock, settings).await.unwrap();
    let plan = promotion::weak_champion(inputs);
    train(&stack.ports, &state, &plan).await.unwrap();
    // The last day is ingested from the open data server.
    promotion::fill_tables(&stack, &known.days(first.day(), last.plus(-1))).await;

    let day = IngestRequested {
        from: Some(last),
        ..IngestRequested::default()
    };
    let week = DriftCheckRequested {
        week: Some(last.week()),
        ..DriftCheckRequested::default()
    };
    publish(&stack, &day).await;
    publish(&stack, &week).await;

    assert_one_trace(&collector.spans());
}

/// Publishes a request with a trace context, and waits until all that follows is done.
async fn publish<E: Event>(stack: &LocalStack, event: &E) {
    let mut message = Message::of_event(event);
    let parent = ("traceparent".to_owned(), PARENT.to_owned());
    message.attributes.extend([parent]);
    stack
        .ports
        .publisher
        .publish(E::TOPIC, message)
        .await
        .unwrap();
    stack.bus.idle().await;
}

fn assert_one_trace(spans: &[ReceivedSpan]) {
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace_id.as_str()).collect();
    assert_eq!(traces, BTreeSet::from([TRACE]));
    let deliveries: BTreeMap<_, _> = spans
        .iter()
        .filter(|span| span.is_delivery)
        .map(|span| (span.attributes["function"].as_str(), span))
        .collect();
    for (name, producer, decision, ports) in DELIVERIES {
        let function = name.split(' ').next().unwrap();
        let span = deliveries[function];
        assert_eq!(span.name, name);
        let parent = producer.map_or(PARENT_SPAN, |producer| {
            deliveries[producer].span_id.as_str()
        });
        assert_eq!(span.parent_id, parent, "{name}");
        assert_eq!(span.attributes["decision"], decision, "{name}");
        assert_eq!(span.attributes["delivery_attempt"], "1", "{name}");
        for attribute in ["event_id", "message_id"] {
            assert!(!span.attributes[attribute].is_empty(), "{name}");
        }
        let children = spans.iter().filter(|call| call.parent_id == span.span_id);
        let called: BTreeSet<_> = children
            .filter(|call| !call.is_delivery)
            .filter_map(|call| call.name.split(' ').next())
            .collect();
        let expected: BTreeSet<_> = ports.iter().copied().collect();
        assert_eq!(called, expected, "{name}");
    }
    assert_eq!(deliveries.len(), DELIVERIES.len());
}
