//! Decisions about versions.

use shared::registry::{RegistryError, Version, VersionDecision};

use super::Setup;

/// The last decision about a version is read back, and changes neither its run nor other versions.
pub async fn last_decision_is_read_back(target: &Setup) {
    let [first, second] = target.register(["first", "second"]).await;
    let before = target.registry.version(first).await.unwrap();
    assert_eq!(before.decision, None);
    let promoted = VersionDecision {
        decision: "promoted".to_owned(),
        reason: "lower MAE on both sets: été".to_owned(),
        fresh_mae: Some(0.1 + 0.2),
        page: Some("https://a.example/week.html".to_owned()),
    };
    let rolled_back = VersionDecision {
        decision: "rolled-back".to_owned(),
        reason: "from version 1 to version 2 by hand".to_owned(),
        fresh_mae: Some(12.5),
        page: Some("https://a.example/index.html".to_owned()),
    };
    for decision in [&promoted, &promoted, &rolled_back] {
        target
            .registry
            .record_decision(first, decision)
            .await
            .unwrap();
        let found = target.registry.version(first).await.unwrap();
        assert_eq!(found.decision.as_ref(), Some(decision));
        assert_eq!(found.run, before.run);
    }
    let listed = target.registry.versions().await.unwrap();
    let decisions: Vec<_> = listed
        .into_iter()
        .map(|known| (known.version, known.decision))
        .collect();
    assert_eq!(decisions, [(first, Some(rolled_back)), (second, None)]);
}

/// A decision about an unknown version returns `NotFound` with the version.
pub async fn decision_about_unknown_version_is_not_found(target: &Setup) {
    target.register(["first"]).await;
    let decision = VersionDecision {
        decision: "kept".to_owned(),
        reason: "higher MAE".to_owned(),
        fresh_mae: None,
        page: None,
    };
    let unknown = Version::new(7);
    let error = target
        .registry
        .record_decision(unknown, &decision)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { version } if version == unknown),
        "{error:?}"
    );
}
