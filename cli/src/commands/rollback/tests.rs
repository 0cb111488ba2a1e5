//! Tests with the embedded registry.

use shared::{
    clock::SimulatedClock,
    registry::{Alias, EmbeddedRegistry, Operator, Run},
    store::{Condition, MemoryStore, Store, read_json, write_json},
};

use super::*;

/// Returns ports with three registered versions. The registry is in the store.
async fn ports() -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(SimulatedClock::new(
            "2021-08-02T09:30:00Z".parse().unwrap(),
        )))
    };
    for name in ["first", "second", "third"] {
        let run = Run::new(name.parse().unwrap(), ports.clock.now());
        ports.registry.register(&run).await.unwrap();
    }
    ports
}

async fn aliases(ports: &Ports) -> [Option<u32>; 2] {
    let mut found = [None; 2];
    for (found, alias) in found.iter_mut().zip([Alias::Champion, Alias::Previous]) {
        let version = ports.registry.alias(alias).await.unwrap();
        *found = version.map(|version| version.to_string().parse().unwrap());
    }
    found
}

#[tokio::test]
async fn rollback_restores_the_previous_champion_and_records_the_reason() {
    let ports = ports().await;
    let [one, two] = [1, 2].map(Version::new);
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, one))
        .await
        .unwrap();
    let promotion = Promotion::by_operator(&Operator::named("tests"), Some(one), two);
    let _ = registry::promote(&*ports.registry, &promotion)
        .await
        .unwrap();
    let rollback = roll_back(&ports, None, "nights are forecast too high", "prod")
        .await
        .unwrap();
    assert_eq!(
        (rollback.from, rollback.to, aliases(&ports).await),
        (Some(two), one, [Some(1), Some(2)])
    );
    let log = ports.warehouse.audit_log().await.unwrap();
    let [row] = &log[..] else { panic!("{log:?}") };
    assert_eq!(
        (
            row.entry.decision.as_str(),
            row.env.as_str(),
            row.entry.champion_version
        ),
        ("rolled-back", "prod", Some(one))
    );
    assert_eq!(
        row.entry.reason,
        "from version 2 to version 1 by hand: nights are forecast too high"
    );
    assert_eq!(
        row.event_id.to_string(),
        "promote/rollback-2021-08-02T09-30-00Z-3"
    );
}

/// Makes version 1 champion, and then version 2.
async fn promote_two(ports: &Ports) {
    for (from, to) in [(None, 1), (Some(Version::new(1)), 2)] {
        let promotion = Promotion::by_operator(&Operator::named("tests"), from, Version::new(to));
        let _ = registry::promote(&*ports.registry, &promotion)
            .await
            .unwrap();
    }
}

async fn audit_rows(ports: &Ports) -> usize {
    ports.warehouse.audit_log().await.unwrap().len()
}

#[tokio::test]
async fn second_rollback_needs_a_version_and_has_an_id_of_its_own() {
    let ports = ports().await;
    promote_two(&ports).await;
    let first = roll_back(&ports, None, "", "dev").await.unwrap();
    let error = roll_back(&ports, None, "", "dev").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot roll back: the last change was a rollback from version 2 to version 1, and another one would undo \
         it; choose a version with --to VERSION"
    );
    assert_eq!(aliases(&ports).await, [Some(1), Some(2)]);
    assert_eq!(audit_rows(&ports).await, 1);
    // The clock stands still.
    let second = roll_back(&ports, Some(Version::new(2)), "", "dev")
        .await
        .unwrap();
    assert_eq!(aliases(&ports).await, [Some(2), Some(1)]);
    assert_ne!(first.event_id, second.event_id);
    assert_eq!(audit_rows(&ports).await, 2);
}

/// Removes a version from the registry, as a person who edits it.
async fn delete(ports: &Ports, version: u32) {
    let path = "registry/bike-traffic-champion.json".parse().unwrap();
    let (mut contents, _) = read_json::<serde_json::Value>(&*ports.store, &path)
        .await
        .unwrap();
    let versions = contents["versions"].as_array_mut().unwrap();
    versions.retain(|known| known["version"] != version);
    write_json(&*ports.store, &path, &contents, Condition::Always)
        .await
        .unwrap();
}

#[tokio::test]
async fn deleted_champion_is_named_and_replaced_with_a_chosen_version() {
    let ports = ports().await;
    promote_two(&ports).await;
    delete(&ports, 2).await;
    let error = format!(
        "{:#}",
        roll_back(&ports, None, "", "dev").await.unwrap_err()
    );
    assert!(
        error.contains("the champion is version 2, which was deleted from the registry")
            && error.contains("rollback --to VERSION"),
        "{error}"
    );
    let rollback = roll_back(&ports, Some(Version::new(1)), "it is gone", "dev")
        .await
        .unwrap();
    assert_eq!((rollback.from, rollback.to), (None, Version::new(1)));
    assert_eq!(aliases(&ports).await[0], Some(1));
    let log = ports.warehouse.audit_log().await.unwrap();
    assert_eq!(
        log[0].entry.reason,
        "from the deleted version 2 to version 1 by hand: it is gone"
    );
}

#[tokio::test]
async fn registry_without_versions_is_named_with_the_next_command() {
    let ports = ports().await;
    promote_two(&ports).await;
    for version in 1..=3 {
        delete(&ports, version).await;
    }
    for to in [None, Some(1), Some(2)] {
        let failed = roll_back(&ports, to.map(Version::new), "", "dev").await;
        let error = format!("{:#}", failed.unwrap_err());
        assert!(error.contains("`bike-traffic train`"), "{to:?}: {error}");
    }
}

#[tokio::test]
async fn rollback_accepts_any_version() {
    let ports = ports().await;
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, Version::new(2)))
        .await
        .unwrap();
    roll_back(&ports, Some(Version::new(3)), "", "dev")
        .await
        .unwrap();
    assert_eq!(aliases(&ports).await, [Some(3), Some(2)]);
}

#[tokio::test]
async fn failed_rollback_changes_nothing() {
    let ports = ports().await;
    let error = roll_back(&ports, None, "", "dev").await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("no champion"), "{error}");
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, Version::new(1)))
        .await
        .unwrap();
    for (to, expected) in [
        (
            None,
            "no previous champion; choose a version of `bike-traffic status`",
        ),
        (
            Some(1),
            "already the champion; choose a version of `bike-traffic status`",
        ),
        (Some(9), "version 9"),
    ] {
        let error = roll_back(&ports, to.map(Version::new), "", "dev")
            .await
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(aliases(&ports).await, [Some(1), None]);
    assert!(ports.warehouse.audit_log().await.unwrap().is_empty());
}

/// The process ended, or is still at work, after it moved the aliases and before it wrote the audit
/// row. An earlier program version did not record the event id.
#[tokio::test]
async fn repeated_rollback_writes_the_missing_audit_row_once() {
    let [one, two] = [1, 2].map(Version::new);
    let (recorded, new) = (
        "promote/rollback-2021-08-02T09-29-58Z-3",
        "promote/rollback-2021-08-02T09-30-00Z-3",
    );
    for (to, event, expected) in [
        (None, Some(recorded), recorded),
        (Some(one), Some(recorded), recorded),
        (None, None, new),
    ] {
        let ports = ports().await;
        promote_two(&ports).await;
        let seen = ports.registry.champion_state().await.unwrap();
        let interrupted = Promotion::rollback(&Operator::named("tests"), &seen, one);
        let interrupted = match event {
            Some(event) => interrupted.decided_by(&event.parse().unwrap()),
            None => interrupted,
        };
        let _ = registry::promote(&*ports.registry, &interrupted)
            .await
            .unwrap();
        assert_eq!(audit_rows(&ports).await, 0);

        let completed = roll_back(&ports, to, "too high", "prod").await.unwrap();
        assert_eq!((completed.from, completed.to), (Some(two), one));
        assert_eq!(aliases(&ports).await, [Some(1), Some(2)]);
        let log = ports.warehouse.audit_log().await.unwrap();
        let [row] = &log[..] else { panic!("{log:?}") };
        assert_eq!(
            (row.event_id.to_string(), row.entry.reason.as_str()),
            (
                expected.to_owned(),
                "from version 2 to version 1 by hand: too high"
            )
        );

        assert!(roll_back(&ports, to, "too high", "prod").await.is_err());
        assert_eq!(audit_rows(&ports).await, 1);
        assert_eq!(aliases(&ports).await, [Some(1), Some(2)]);
    }
}

#[tokio::test]
async fn missing_audit_row_names_the_deleted_champion() {
    let ports = ports().await;
    promote_two(&ports).await;
    delete(&ports, 2).await;
    let seen = ports.registry.champion_state().await.unwrap();
    let interrupted = Promotion::rollback(&Operator::named("tests"), &seen, Version::new(1));
    let _ = registry::promote(&*ports.registry, &interrupted)
        .await
        .unwrap();
    let completed = roll_back(&ports, None, "it is gone", "dev").await.unwrap();
    assert_eq!(completed.from, None);
    let log = ports.warehouse.audit_log().await.unwrap();
    assert_eq!(
        log[0].entry.reason,
        "from the deleted version 2 to version 1 by hand: it is gone"
    );
}

/// A rollback to another version is not the repetition of the interrupted one.
#[tokio::test]
async fn rollback_to_another_version_follows_an_interrupted_one() {
    let ports = ports().await;
    promote_two(&ports).await;
    let seen = ports.registry.champion_state().await.unwrap();
    let interrupted = Promotion::rollback(&Operator::named("tests"), &seen, Version::new(1));
    let _ = registry::promote(&*ports.registry, &interrupted)
        .await
        .unwrap();
    let to = Some(Version::new(3));
    roll_back(&ports, to, "", "dev").await.unwrap();
    assert_eq!(aliases(&ports).await, [Some(3), Some(1)]);
    assert_eq!(audit_rows(&ports).await, 1);
}
