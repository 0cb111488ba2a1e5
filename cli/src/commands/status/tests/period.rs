//! The period of a status without a given start, and the messages that wait.

use super::*;

async fn ports_at(folder: &Path, now: &str) -> Ports {
    let clock = SimulatedClock::new(now.parse().unwrap());
    let ports = State::at(folder).unwrap().open(Arc::new(clock)).unwrap();
    let id = EventId::of(Function::Promote, "2021-W30");
    let at = "2021-08-02T05:00:00Z".parse().unwrap();
    let row = AuditEntry::new("promoted", "a reason").into_row(at, Function::Promote, id, "local");
    ports.warehouse.record(&row).await.unwrap();
    ports
}

#[tokio::test]
async fn period_of_a_simulated_run_ends_with_its_last_audit_row() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ports_at(folder.path(), "2026-08-02T05:00:00Z").await;
    let day = |text: &str| Some(text.parse::<Since>().unwrap());
    for (since, cloud, expected) in [
        (None, false, "2021-07-03T05:00:00Z"),
        (day("7d"), false, "2021-07-26T05:00:00Z"),
        (day("2021-07-19"), false, "2021-07-18T22:00:00Z"),
        (day("7d"), true, "2026-07-26T05:00:00Z"),
    ] {
        let start = start_of_period(&ports, since, cloud).await;
        assert_eq!(start, expected.parse().unwrap(), "{since:?}");
    }
}

/// The clock of another machine may be ahead.
#[tokio::test]
async fn audit_row_in_the_future_does_not_move_the_period() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ports_at(folder.path(), "2021-08-01T05:00:00Z").await;
    let start = start_of_period(&ports, None, false).await;
    assert_eq!(start, "2021-07-02T05:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn messages_of_a_local_state_wait_until_the_bus_has_settled_them() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ports_at(folder.path(), "2021-08-02T05:00:00Z").await;
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    for topic in [
        Topic::DriftDetected,
        Topic::FineTuneRequested,
        Topic::FineTuneRequested,
    ] {
        let message = Message::default();
        ports.publisher.publish(topic, message).await.unwrap();
    }
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    let status = read_status(&ports, &dead_letters, None).await;
    assert_eq!(status.functions[3].waiting, Some(3));
    let text = status.to_string();
    assert!(text.contains("waiting messages: 3 for fine-tune"), "{text}");

    let positions = folder.path().join("bus/bus/subscriptions");
    fs::create_dir_all(&positions).unwrap();
    // The first message to the second topic failed once, and the second was acknowledged.
    let state = r#"{"next":2,"pending":{"0":1}}"#;
    fs::write(positions.join("fine-tune-requested.json"), state).unwrap();
    fs::write(
        positions.join("fine-tune.json"),
        r#"{"next":1,"pending":{}}"#,
    )
    .unwrap();
    let status = read_status(&ports, &dead_letters, None).await;
    assert_eq!(status.functions[3].waiting, Some(1));

    fs::write(positions.join("fine-tune-requested.json"), "{").unwrap();
    let status = read_status(&ports, &dead_letters, None).await;
    assert_eq!(status.functions[3].waiting, None);
    assert_eq!(status.unreadable[0].part, "waiting messages of fine-tune");
}
