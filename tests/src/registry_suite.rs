//! Tests that every `Registry` passes.

mod decisions;
mod promotions;

use std::{collections::BTreeMap, sync::Arc};

use shared::registry::{
    Alias, AliasChange, ModelVersion, Operator, Registry, RegistryError, Run, RunInput, Version,
};
use tokio::{sync::Barrier, task::JoinSet};

pub use decisions::{decision_about_unknown_version_is_not_found, last_decision_is_read_back};
pub use promotions::{
    events_of_the_last_promotions_are_remembered, late_completion_changes_nothing,
    previous_follows_an_unrecorded_move, promotion_by_another_event_is_told_apart,
    promotion_decided_before_a_rollback_is_stale, promotion_moves_both_aliases_and_is_recorded,
    promotion_that_was_overtaken_is_told_apart, promotion_to_unknown_version_changes_nothing,
    repeated_promotion_changes_nothing,
};

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! registry_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            registry_suite,
            $target,
            [
                empty_registry_has_no_versions_and_no_aliases,
                registered_run_is_read_back,
                versions_start_at_one,
                registered_run_name_returns_the_same_version,
                concurrent_runs_get_consecutive_versions,
                concurrent_registrations_of_one_run_create_one_version,
                unknown_version_is_not_found,
                alias_moves_from_the_expected_version,
                stale_alias_move_fails,
                alias_move_to_unknown_version_fails,
                aliases_are_independent,
                one_of_concurrent_alias_moves_succeeds,
                promotion_moves_both_aliases_and_is_recorded,
                late_completion_changes_nothing,
                repeated_promotion_changes_nothing,
                promotion_by_another_event_is_told_apart,
                promotion_that_was_overtaken_is_told_apart,
                events_of_the_last_promotions_are_remembered,
                promotion_decided_before_a_rollback_is_stale,
                promotion_to_unknown_version_changes_nothing,
                previous_follows_an_unrecorded_move,
                last_decision_is_read_back,
                decision_about_unknown_version_is_not_found,
            ]
        );
    };
}

/// The registry under test.
pub struct Setup {
    registry: Arc<dyn Registry>,
}

impl Setup {
    /// Creates a target from an empty registry.
    ///
    /// A registry has a single model, so its versions must begin at 1.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry }
    }

    /// Registers a run under each name and returns the versions in the same order.
    async fn register<const COUNT: usize>(&self, names: [&str; COUNT]) -> [Version; COUNT] {
        let mut versions = [Version::new(0); COUNT];
        for (version, name) in versions.iter_mut().zip(names) {
            *version = self.registry.register(&run(name)).await.unwrap();
        }
        versions
    }

    async fn aliases(&self) -> [Option<Version>; 3] {
        let mut found = [None; 3];
        for (found, alias) in found.iter_mut().zip(ALIASES) {
            *found = self.registry.alias(alias).await.unwrap();
        }
        found
    }
}

const ALIASES: [Alias; 3] = [Alias::Champion, Alias::Challenger, Alias::Previous];

/// An empty registry returns no versions and no aliases, and no error.
pub async fn empty_registry_has_no_versions_and_no_aliases(target: &Setup) {
    assert_eq!(target.registry.versions().await.unwrap(), []);
    assert_eq!(target.aliases().await, [None; 3]);
}

/// Tags, parameters, metrics, inputs and artifacts are read back unchanged.
pub async fn registered_run_is_read_back(target: &Setup) {
    let texts = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    let run = Run {
        tags: texts(&[
            ("training_type", "fine_tune"),
            ("note", "été, \"2021\"\nsemaine 30"),
            ("base_model", "1"),
        ]),
        params: texts(&[("eta", "0.03"), ("columns", "counter,hour,weekday")]),
        metrics: BTreeMap::from([
            ("mae".to_owned(), 0.1 + 0.2),
            ("r2".to_owned(), -0.5),
            ("rows".to_owned(), 1e6),
        ]),
        inputs: vec![
            input("test-2021-07-18-cd4328d2"),
            RunInput {
                profile: [("num_rows".to_owned(), "26340".to_owned())].into(),
                ..input("train-2021-05-15-0a1b2c3d")
            },
        ],
        ..run("fine-tune-2021-W30")
    };
    let version = target.registry.register(&run).await.unwrap();
    let expected = ModelVersion {
        version,
        run,
        decision: None,
    };
    assert_eq!(target.registry.version(version).await.unwrap(), expected);
    assert_eq!(target.registry.versions().await.unwrap(), [expected]);
}

/// Versions are numbered from 1 and listed in ascending order.
pub async fn versions_start_at_one(target: &Setup) {
    let versions = target.register(["zeta", "alpha", "mu"]).await;
    assert_eq!(versions, [1, 2, 3].map(Version::new));
    let listed = target.registry.versions().await.unwrap();
    let listed: Vec<_> = listed
        .into_iter()
        .map(|known| (known.version, known.run.name.to_string()))
        .collect();
    assert_eq!(
        listed,
        [(1, "zeta"), (2, "alpha"), (3, "mu")]
            .map(|(number, name)| (Version::new(number), name.into()))
    );
}

/// Registering a run name again returns its version unchanged, even if the metrics differ.
pub async fn registered_run_name_returns_the_same_version(target: &Setup) {
    let [first, second] = target.register(["first", "second"]).await;
    let other = Run {
        metrics: BTreeMap::from([("mae".to_owned(), 99.0)]),
        ..run("first")
    };
    assert_eq!(target.registry.register(&other).await.unwrap(), first);
    assert_eq!(
        target.registry.version(first).await.unwrap().run,
        run("first")
    );
    assert_eq!(target.register(["third"]).await, [Version::new(3)]);
    assert_eq!(second, Version::new(2));
}

/// Concurrent registrations get consecutive versions without gaps or duplicates.
pub async fn concurrent_runs_get_consecutive_versions(target: &Setup) {
    let mut versions =
        register_sixteen_concurrently(target, |number| format!("run-{number}")).await;
    versions.sort();
    let expected: Vec<_> = (1..=16).map(Version::new).collect();
    assert_eq!(versions, expected);
    let listed: Vec<_> = target
        .registry
        .versions()
        .await
        .unwrap()
        .into_iter()
        .map(|known| known.version)
        .collect();
    assert_eq!(listed, expected);
}

/// Concurrent registrations of one run name create one version.
pub async fn concurrent_registrations_of_one_run_create_one_version(target: &Setup) {
    let versions = register_sixteen_concurrently(target, |_| "the-run".to_owned()).await;
    assert_eq!(versions, [Version::new(1); 16]);
    assert_eq!(target.registry.versions().await.unwrap().len(), 1);
}

/// Reading an unknown version returns `NotFound` with the version.
pub async fn unknown_version_is_not_found(target: &Setup) {
    target.register(["first"]).await;
    for unknown in [0, 2, u32::MAX].map(Version::new) {
        let error = target.registry.version(unknown).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::NotFound { version } if version == unknown),
            "{error:?}"
        );
    }
}

/// An alias is created, moved to another version and moved back.
pub async fn alias_moves_from_the_expected_version(target: &Setup) {
    let [first, second] = target.register(["first", "second"]).await;
    for (from, to) in [
        (None, first),
        (Some(first), second),
        (Some(second), second),
        (Some(second), first),
    ] {
        target
            .registry
            .move_alias(Operator::named("tests").champion_change(from, to))
            .await
            .unwrap();
        assert_eq!(
            target.registry.alias(Alias::Champion).await.unwrap(),
            Some(to)
        );
    }
}

/// A move from an outdated version fails with `AliasMoved`, which names the current version.
pub async fn stale_alias_move_fails(target: &Setup) {
    let [first, second, third] = target.register(["first", "second", "third"]).await;
    assert_alias_moved(target, Some(first), second, None).await;
    target
        .registry
        .move_alias(Operator::named("tests").champion_change(None, first))
        .await
        .unwrap();
    assert_alias_moved(target, None, second, Some(first)).await;
    assert_alias_moved(target, Some(third), second, Some(first)).await;
}

/// A move to an unknown version fails and leaves the alias unchanged.
pub async fn alias_move_to_unknown_version_fails(target: &Setup) {
    let [first] = target.register(["first"]).await;
    target
        .registry
        .move_alias(Operator::named("tests").champion_change(None, first))
        .await
        .unwrap();
    let unknown = Version::new(7);
    let error = target
        .registry
        .move_alias(Operator::named("tests").champion_change(Some(first), unknown))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { version } if version == unknown),
        "{error:?}"
    );
    assert_eq!(target.aliases().await, [Some(first), None, None]);
}

/// Moving an alias does not change the others, even if they point to the same version.
pub async fn aliases_are_independent(target: &Setup) {
    let [first, second] = target.register(["first", "second"]).await;
    target
        .registry
        .move_alias(Operator::named("tests").champion_change(None, first))
        .await
        .unwrap();
    target
        .registry
        .move_alias(AliasChange::challenger(None, second))
        .await
        .unwrap();
    assert_eq!(target.aliases().await, [Some(first), Some(second), None]);
    target
        .registry
        .move_alias(Operator::named("tests").champion_change(Some(first), second))
        .await
        .unwrap();
    target
        .registry
        .move_alias(AliasChange::previous(None, first))
        .await
        .unwrap();
    assert_eq!(
        target.aliases().await,
        [Some(second), Some(second), Some(first)]
    );
}

/// One of sixteen concurrent moves succeeds; the others get `AliasMoved` with the new version.
pub async fn one_of_concurrent_alias_moves_succeeds(target: &Setup) {
    let candidates = register_sixteen_concurrently(target, |number| format!("run-{number}")).await;
    let [champion] = target.register(["champion"]).await;
    target
        .registry
        .move_alias(Operator::named("tests").champion_change(None, champion))
        .await
        .unwrap();
    let (start, mut moves) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for candidate in candidates {
        let (registry, start) = (Arc::clone(&target.registry), Arc::clone(&start));
        moves.spawn(async move {
            start.wait().await;
            (
                candidate,
                registry
                    .move_alias(Operator::named("tests").champion_change(Some(champion), candidate))
                    .await,
            )
        });
    }
    let (succeeded, failed): (Vec<_>, Vec<_>) = moves
        .join_all()
        .await
        .into_iter()
        .partition(|(_, moved)| moved.is_ok());
    let [(winner, _)] = succeeded[..] else {
        panic!("expected one successful move: {succeeded:?}")
    };
    assert_eq!(
        target.registry.alias(Alias::Champion).await.unwrap(),
        Some(winner)
    );
    for (_, moved) in failed {
        assert!(
            matches!(moved, Err(RegistryError::AliasMoved { found, .. }) if found == Some(winner)),
            "{moved:?}"
        );
    }
}

fn input(name: &str) -> RunInput {
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e".to_owned();
    RunInput {
        name: name.parse().unwrap(),
        digest,
        source: format!("gs://bucket/data/baselines/{name}.csv"),
        profile: BTreeMap::new(),
    }
}

fn run(name: &str) -> Run {
    Run::new(
        name.parse().unwrap(),
        "2021-08-02T05:00:00.123Z".parse().unwrap(),
    )
}

async fn register_sixteen_concurrently(
    target: &Setup,
    name: impl Fn(usize) -> String,
) -> Vec<Version> {
    let (start, mut tasks) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for number in 0..16 {
        let (registry, start, run) = (
            Arc::clone(&target.registry),
            Arc::clone(&start),
            run(&name(number)),
        );
        tasks.spawn(async move {
            start.wait().await;
            registry.register(&run).await.unwrap()
        });
    }
    tasks.join_all().await
}

async fn assert_alias_moved(
    target: &Setup,
    expected: Option<Version>,
    to: Version,
    found: Option<Version>,
) {
    let error = target
        .registry
        .move_alias(Operator::named("tests").champion_change(expected, to))
        .await
        .unwrap_err();
    let is_reported = matches!(&error, RegistryError::AliasMoved { alias: Alias::Champion, expected: e, found: f } if (*e, *f) == (expected, found));
    assert!(is_reported, "{error:?}");
    assert_eq!(target.registry.alias(Alias::Champion).await.unwrap(), found);
}
