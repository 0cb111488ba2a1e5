mod champion;
mod period;

use std::{fs, path::Path, sync::Arc};

use shared::{
    audit::AuditEntry,
    bus::Message,
    clock::{Clock, SimulatedClock},
    event::Topic,
    ledger::{Claim, Ledger},
    registry::{AliasChange, Operator, Run},
};

use super::{display::UNKNOWN, *};
use crate::{args::TargetArguments, support::state::State};

/// Registers a champion and a challenger.
async fn register_versions(ports: &Ports, now: Timestamp) {
    for (name, mae) in [("champion-2021-05-15", 15.5), ("fine-tune-2021-W30", 14.25)] {
        let metrics = [("test_mae".to_owned(), mae)].into();
        let run = Run {
            metrics,
            ..Run::new(name.parse().unwrap(), now)
        };
        ports.registry.register(&run).await.unwrap();
    }
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, Version::new(1)))
        .await
        .unwrap();
    ports
        .registry
        .move_alias(AliasChange::challenger(None, Version::new(2)))
        .await
        .unwrap();
}

/// Records two drift checks, the later one first.
async fn record_drift_checks(ports: &Ports) {
    for (hour, decision) in [(5, "drift"), (3, "no-drift")] {
        let id = EventId::of(Function::DriftCheck, format_args!("2021-W{hour}"));
        let at = format!("2021-08-02T0{hour}:00:00Z").parse().unwrap();
        let row =
            AuditEntry::new(decision, "a reason").into_row(at, Function::DriftCheck, id, "dev");
        ports.warehouse.record(&row).await.unwrap();
    }
}

/// Leaves an entry in each state that is not complete.
async fn leave_unfinished_events(ports: &Ports, clock: &SimulatedClock) {
    let ledger = Ledger::new(
        Arc::clone(&ports.store),
        Function::FineTune,
        SignedDuration::from_secs(60),
    );
    for week in ["2021-W29", "2021-W30", "2021-W31", "2021-W32"] {
        let claim = ledger
            .claim(&EventId::of(Function::DriftCheck, week), clock.now())
            .await
            .unwrap();
        let Claim::Acquired(lease) = claim else {
            panic!("{claim:?}")
        };
        match week {
            "2021-W29" => clock.set("2021-08-02T05:02:00Z".parse().unwrap()),
            "2021-W30" => ledger
                .release(lease, clock.now(), "the store was unavailable")
                .await
                .unwrap(),
            "2021-W32" => ledger
                .dead_letter(&lease, clock.now(), "the week cannot exist", "")
                .await
                .unwrap(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn status_reports_aliases_last_events_and_unfinished_events() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let ports = State::at(folder.path())
        .unwrap()
        .open(shared_clock)
        .unwrap();
    register_versions(&ports, clock.now()).await;
    record_drift_checks(&ports).await;
    leave_unfinished_events(&ports, &clock).await;
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    let status = read_status(&ports, &dead_letters, None).await;

    let versions: Vec<_> = status
        .versions
        .iter()
        .flatten()
        .map(|version| (version.version, &version.aliases[..]))
        .collect();
    let expected = [
        (Version::new(2), &[Alias::Challenger][..]),
        (Version::new(1), &[Alias::Champion][..]),
    ];
    assert_eq!(versions, expected);
    let drift_check = &status.functions[2];
    let last = drift_check.last.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(last.decision, "drift");
    let states: Vec<_> = status
        .unfinished
        .iter()
        .flatten()
        .map(|event| (event.event_id.subject(), event.state))
        .collect();
    let expected = [
        ("2021-W29", UnfinishedState::Overdue),
        ("2021-W30", UnfinishedState::Failed),
        ("2021-W31", UnfinishedState::InProgress),
        ("2021-W32", UnfinishedState::DeadLettered),
    ];
    assert_eq!(states, expected);
    let text = status.to_string();
    for expected in [
        "14.25",
        "fine-tune-2021-W30",
        "overdue",
        "the store was unavailable",
        "dead-lettered",
        "the week cannot exist",
        "since 2021-07-03 05:02:00Z",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let later = read_status(
        &ports,
        &dead_letters,
        Some("2021-08-02T05:00:01Z".parse().unwrap()),
    )
    .await;
    assert!(
        later
            .functions
            .iter()
            .all(|status| status.last.as_ref().unwrap().is_none()),
        "{:?}",
        later.functions
    );
}

/// A message without a valid event has an entry of its own. It is open as long as there is the dead
/// letter.
#[tokio::test]
async fn rejected_message_is_shown_until_its_dead_letter_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let ports = State::at(folder.path())
        .unwrap()
        .open(Arc::new(clock.clone()))
        .unwrap();
    let lasting = SignedDuration::from_secs(60);
    let ledger = Ledger::new(Arc::clone(&ports.store), Function::Ingest, lasting);
    for message_id in ["7", "8"] {
        let id = EventId::of_message(message_id);
        let Claim::Acquired(lease) = ledger.claim(&id, clock.now()).await.unwrap() else {
            panic!("{id} was claimed before")
        };
        ledger
            .dead_letter(&lease, clock.now(), "not valid JSON", "")
            .await
            .unwrap();
    }
    let attributes = [(EVENT_ID_ATTRIBUTE.to_owned(), "message/7".to_owned())].into();
    let message = Message {
        data: "7".into(),
        attributes,
    };
    let topic = Topic::DeadLetter(Function::Ingest);
    ports.publisher.publish(topic, message).await.unwrap();

    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    let status = read_status(&ports, &dead_letters, None).await;
    let open: Vec<_> = status
        .unfinished
        .iter()
        .flatten()
        .map(|event| (event.event_id.to_string(), event.state))
        .collect();
    let expected = [("message/7".to_owned(), UnfinishedState::DeadLettered)];
    assert_eq!(open, expected);
}

#[tokio::test]
async fn default_period_is_thirty_days() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let ports = State::at(folder.path())
        .unwrap()
        .open(Arc::new(clock))
        .unwrap();
    let promoted_at: Timestamp = "2021-07-03T04:59:59Z".parse().unwrap();
    let id = EventId::of(Function::Promote, "2021-W26");
    let row =
        AuditEntry::new("promoted", "a reason").into_row(promoted_at, Function::Promote, id, "dev");
    ports.warehouse.record(&row).await.unwrap();
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    for (since, expected) in [(None, None), (Some(promoted_at), Some(promoted_at))] {
        let status = read_status(&ports, &dead_letters, since).await;
        let last = status.functions[5].last.as_ref().unwrap();
        assert_eq!(last.as_ref().map(|last| last.at), expected);
    }
}

/// The known parts of a status: versions, last events, the dead letters of ingest, the ledger.
fn known_parts(status: &Status) -> [bool; 4] {
    [
        status.versions.is_some(),
        status.functions.iter().all(|status| status.last.is_some()),
        status.functions[0].dead_letters.is_some(),
        status.has_whole_ledger(),
    ]
}

#[tokio::test]
async fn spoilt_object_is_named_and_hides_no_other_part() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let ports = State::at(folder.path())
        .unwrap()
        .open(Arc::new(clock))
        .unwrap();
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    let status = read_status(&ports, &dead_letters, None).await;
    assert_eq!(known_parts(&status), [true; 4]);
    let text = status.to_string();
    assert!(
        text.contains("no unfinished events") && !text.contains(UNKNOWN),
        "{text}"
    );
    let dead_letter = format!(
        "bus/bus/topics/{}/000000000.json",
        Topic::DeadLetter(Function::Ingest)
    );
    for (number, file, part) in [
        (
            0,
            "registry/registry/bike-traffic-champion.json",
            "versions",
        ),
        (1, "warehouse/monitoring_audit/logs.csv", "audit log"),
        (2, dead_letter.as_str(), "dead letters of ingest"),
        (3, "objects/ledger/ingest/ingest/2021-07-19.json", "ledger"),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a,b\n{").unwrap();
        let status = read_status(&ports, &dead_letters, None).await;
        let [unreadable] = &status.unreadable[..] else {
            panic!("{file}: {status:?}")
        };
        assert_eq!(unreadable.part, part);
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        assert!(unreadable.reason.contains(name), "{unreadable:?}");
        let mut expected = [true; 4];
        expected[number] = false;
        assert_eq!(known_parts(&status), expected, "{file}");
        let text = status.to_string();
        assert!(text.contains(UNKNOWN) && text.contains(part), "{text}");
        fs::remove_file(&path).unwrap();
    }
}
