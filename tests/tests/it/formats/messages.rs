//! Events, messages of the embedded bus, and dead letters.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::StatusCode;
use cli::support::embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription};
use shared::{
    bus::{LogPublisher, Message, Publisher, dead_letter::DeadLetter},
    clock::SimulatedClock,
    event::{
        ChallengerEvaluated, ChallengerTrained, ChampionDecided, DayIngested, DriftCheckRequested,
        DriftDetected, Event, EventId, FineTuneRequested, Function, IngestRequested, Topic, encode,
    },
    registry::Version,
    store::Store,
};
use tests::endpoint::Endpoint;

use super::{assert_attributes, assert_snapshot, day, store, stored, timestamp};

fn text<E: Event>(event: &E) -> String {
    String::from_utf8(encode(event)).unwrap()
}

#[test]
fn events() {
    let week = "2021-W30".parse().unwrap();
    let (champion, challenger) = (Version::new(1), Version::new(2));
    let all = [
        text(&IngestRequested::default()),
        text(&IngestRequested {
            from: Some(day("2021-07-01")),
            to: Some(day("2021-07-03")),
            again: Some(timestamp("2021-08-01T09:00:00.5Z")),
            force: false,
        }),
        text(&DayIngested {
            event_id: EventId::of(Function::Ingest, "2021-07-19"),
            day: day("2021-07-19"),
            rows: 480,
        }),
        text(&DriftCheckRequested::default()),
        text(&DriftCheckRequested {
            week: Some(week),
            again: None,
        }),
        text(&DriftCheckRequested {
            week: Some(week),
            again: Some(timestamp("2021-08-02T05:00:01.5Z")),
        }),
        text(&DriftDetected {
            event_id: EventId::of(Function::DriftCheck, week),
            week,
            champion,
            report: "reports/drift-check/2021-W30.json".parse().unwrap(),
            major: true,
        }),
        text(&FineTuneRequested {
            week: None,
            reason: "la rentrée".parse().unwrap(),
            strategy: None,
            recipe: None,
            requested_at: None,
        }),
        text(&FineTuneRequested {
            week: Some(week),
            reason: "a new lane".parse().unwrap(),
            strategy: Some("append".to_owned()),
            recipe: Some(r#"{"epochs":5}"#.parse().unwrap()),
            requested_at: Some(timestamp("2021-08-02T05:00:01.5Z")),
        }),
        text(&ChallengerTrained {
            event_id: EventId::of(Function::FineTune, week),
            week,
            champion,
            challenger,
        }),
        text(&ChallengerEvaluated {
            event_id: EventId::of(Function::Evaluate, week),
            week,
            champion,
            challenger,
            evaluation: "evaluations/2021-W30.json".parse().unwrap(),
        }),
        text(&ChampionDecided {
            event_id: EventId::of(Function::Promote, week),
            champion: challenger,
            challenger,
            promoted: true,
            reason: "a reason with 5 %".to_owned(),
        }),
    ];
    assert_snapshot("events", &all.join("\n"));
}

fn publisher(store: &Arc<dyn Store>) -> Arc<LogPublisher> {
    let clock = SimulatedClock::new(timestamp("2021-07-20T04:00:00.123Z"));
    Arc::new(LogPublisher::new(Arc::clone(store), Arc::new(clock)))
}

#[tokio::test]
async fn bus_messages() {
    let store = store();
    let event = DayIngested {
        event_id: EventId::of(Function::Ingest, "2021-07-19"),
        day: day("2021-07-19"),
        rows: 480,
    };
    let binary = Message {
        data: vec![0xff, 0x00].into(),
        ..Message::default()
    };
    let publisher = publisher(&store);
    for message in [Message::of_event(&event), binary] {
        publisher
            .publish(Topic::DayIngested, message)
            .await
            .unwrap();
    }
    for (name, number) in [("bus_message", 0), ("bus_message_not_utf8", 1)] {
        let path = format!("bus/topics/day-ingested/{number:09}.json");
        assert_snapshot(name, &stored(&store, &path).await);
    }
}

#[tokio::test]
async fn dead_letter_and_subscription_of_the_bus() {
    let store = store();
    let publisher = publisher(&store);
    let message = Message::of_event(&IngestRequested::default());
    publisher
        .publish(Topic::IngestRequested, message)
        .await
        .unwrap();
    let endpoint = Endpoint::responding(|_| async { StatusCode::SERVICE_UNAVAILABLE }).await;
    let subscription = Subscription {
        function: Function::Ingest,
        endpoint: endpoint.url(),
    };
    let policy = DeliveryPolicy {
        maximum_attempts: 1,
        ..DeliveryPolicy::default()
    };
    let bus = EmbeddedBus::start(publisher, vec![subscription], policy)
        .await
        .unwrap();
    bus.idle().await;
    for (name, path) in [
        (
            "bus_dead_letter",
            "bus/topics/ingest-dead-letter/000000000.json",
        ),
        ("bus_subscription", "bus/subscriptions/ingest.json"),
    ] {
        assert_snapshot(name, &stored(&store, path).await);
    }
}

fn dead_letter(attributes: &[(&str, &str)]) -> DeadLetter {
    let attributes: BTreeMap<_, _> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let message = Message {
        data: r#"{"type":"ingest-requested","from":"2021-02-30"}"#.into(),
        attributes,
    };
    DeadLetter::new(
        Function::Ingest,
        &EventId::of_message("ingest-requested-7"),
        "invalid fields in the event ingest-requested",
        Some(timestamp("2021-07-20T04:00:00.123Z")),
        message,
    )
}

#[test]
fn dead_letter_attributes() {
    let DeadLetter { message, offloaded } = dead_letter(&[("event_type", "ingest-requested")]);
    assert_eq!(offloaded, None);
    assert_attributes("dead_letter_attributes", &message.attributes);
}

/// Pub/Sub rejects attributes without a name, so the whole message is stored as an object.
#[test]
fn offloaded_dead_letter() {
    let DeadLetter { message, offloaded } = dead_letter(&[("", "without a name")]);
    let (_, contents) = offloaded.unwrap();
    assert!(message.data.is_empty());
    assert_attributes("offloaded_dead_letter_attributes", &message.attributes);
    let contents = String::from_utf8(contents.to_vec()).unwrap();
    assert_snapshot("offloaded_dead_letter_object", &contents);
}
