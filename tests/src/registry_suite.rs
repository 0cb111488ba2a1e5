//! What every `Registry` promises.

use std::{collections::BTreeMap, sync::Arc};

use shared::registry::{Alias, ModelVersion, Registry, RegistryError, Run, RunInput, Version};
use tokio::{sync::Barrier, task::JoinSet};

/// Makes a test of every promise; `$place` makes a [`Place`].
#[macro_export]
macro_rules! registry_suite {
    ($place:expr) => {
        $crate::promises!(
            registry_suite,
            $place,
            [
                an_empty_registry_has_no_version_and_no_alias,
                a_version_keeps_its_run,
                versions_count_from_one,
                the_same_run_name_is_the_same_version,
                of_sixteen_runs_registered_at_once_each_gets_the_next_number,
                a_run_registered_sixteen_times_at_once_is_one_version,
                an_unknown_version_is_not_found,
                an_alias_moves_from_what_was_expected,
                an_alias_that_has_moved_is_left_alone,
                an_alias_cannot_point_to_an_unknown_version,
                aliases_do_not_touch_each_other,
                of_sixteen_moves_at_once_one_wins,
            ]
        );
    };
}

/// Where the suite runs.
pub struct Place {
    registry: Arc<dyn Registry>,
}

impl Place {
    /// Makes a place from a registry in which nothing has been registered: there is only the one model, and its versions
    /// count from 1.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry }
    }

    /// Registers runs of these names and returns their versions.
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

/// Neither is an error.
pub async fn an_empty_registry_has_no_version_and_no_alias(place: &Place) {
    assert_eq!(place.registry.versions().await.unwrap(), []);
    assert_eq!(place.aliases().await, [None; 3]);
}

/// Tags, settings, figures, data sets and artifacts come back as they were registered.
pub async fn a_version_keeps_its_run(place: &Place) {
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
        inputs: ["test-2021-07-18-cd4328d2", "train-2021-05-15-0a1b2c3d"]
            .map(input)
            .into(),
        ..run("fine-tune-2021-W30")
    };
    let version = place.registry.register(&run).await.unwrap();
    let expected = ModelVersion { version, run };
    assert_eq!(place.registry.version(version).await.unwrap(), expected);
    assert_eq!(place.registry.versions().await.unwrap(), [expected]);
}

/// The oldest comes first.
pub async fn versions_count_from_one(place: &Place) {
    let versions = place.register(["zeta", "alpha", "mu"]).await;
    assert_eq!(versions, [1, 2, 3].map(Version::new));
    let listed = place.registry.versions().await.unwrap();
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

/// A version is never changed after registration, also not by a second delivery that measured something else.
pub async fn the_same_run_name_is_the_same_version(place: &Place) {
    let [first, second] = place.register(["first", "second"]).await;
    let other = Run {
        metrics: BTreeMap::from([("mae".to_owned(), 99.0)]),
        ..run("first")
    };
    assert_eq!(place.registry.register(&other).await.unwrap(), first);
    assert_eq!(
        place.registry.version(first).await.unwrap().run,
        run("first")
    );
    assert_eq!(place.register(["third"]).await, [Version::new(3)]);
    assert_eq!(second, Version::new(2));
}

/// No number is left out and none is given twice.
pub async fn of_sixteen_runs_registered_at_once_each_gets_the_next_number(place: &Place) {
    let mut versions = register_sixteen_at_once(place, |number| format!("run-{number}")).await;
    versions.sort();
    let expected: Vec<_> = (1..=16).map(Version::new).collect();
    assert_eq!(versions, expected);
    let listed: Vec<_> = place
        .registry
        .versions()
        .await
        .unwrap()
        .into_iter()
        .map(|known| known.version)
        .collect();
    assert_eq!(listed, expected);
}

/// Two deliveries of one event may register at the same time.
pub async fn a_run_registered_sixteen_times_at_once_is_one_version(place: &Place) {
    let versions = register_sixteen_at_once(place, |_| "the-run".to_owned()).await;
    assert_eq!(versions, [Version::new(1); 16]);
    assert_eq!(place.registry.versions().await.unwrap().len(), 1);
}

/// The error says which one.
pub async fn an_unknown_version_is_not_found(place: &Place) {
    place.register(["first"]).await;
    for unknown in [0, 2, u32::MAX].map(Version::new) {
        let error = place.registry.version(unknown).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::NotFound { version } if version == unknown),
            "{error:?}"
        );
    }
}

/// From nothing, to another version, and back.
pub async fn an_alias_moves_from_what_was_expected(place: &Place) {
    let [first, second] = place.register(["first", "second"]).await;
    for (from, to) in [
        (None, first),
        (Some(first), second),
        (Some(second), second),
        (Some(second), first),
    ] {
        place
            .registry
            .move_alias(Alias::Champion, from, to)
            .await
            .unwrap();
        assert_eq!(
            place.registry.alias(Alias::Champion).await.unwrap(),
            Some(to)
        );
    }
}

/// The error says where it points to.
pub async fn an_alias_that_has_moved_is_left_alone(place: &Place) {
    let [first, second, third] = place.register(["first", "second", "third"]).await;
    assert_moved(place, Some(first), second, None).await;
    place
        .registry
        .move_alias(Alias::Champion, None, first)
        .await
        .unwrap();
    assert_moved(place, None, second, Some(first)).await;
    assert_moved(place, Some(third), second, Some(first)).await;
}

/// The alias stays where it is.
pub async fn an_alias_cannot_point_to_an_unknown_version(place: &Place) {
    let [first] = place.register(["first"]).await;
    place
        .registry
        .move_alias(Alias::Champion, None, first)
        .await
        .unwrap();
    let unknown = Version::new(7);
    let error = place
        .registry
        .move_alias(Alias::Champion, Some(first), unknown)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { version } if version == unknown),
        "{error:?}"
    );
    assert_eq!(place.aliases().await, [Some(first), None, None]);
}

/// Also where they point to the same version.
pub async fn aliases_do_not_touch_each_other(place: &Place) {
    let [first, second] = place.register(["first", "second"]).await;
    place
        .registry
        .move_alias(Alias::Champion, None, first)
        .await
        .unwrap();
    place
        .registry
        .move_alias(Alias::Challenger, None, second)
        .await
        .unwrap();
    assert_eq!(place.aliases().await, [Some(first), Some(second), None]);
    place
        .registry
        .move_alias(Alias::Champion, Some(first), second)
        .await
        .unwrap();
    place
        .registry
        .move_alias(Alias::Previous, None, first)
        .await
        .unwrap();
    assert_eq!(
        place.aliases().await,
        [Some(second), Some(second), Some(first)]
    );
}

/// One of sixteen moves from the same version succeeds; the others are told where the alias points to.
pub async fn of_sixteen_moves_at_once_one_wins(place: &Place) {
    let candidates = register_sixteen_at_once(place, |number| format!("run-{number}")).await;
    let [champion] = place.register(["champion"]).await;
    place
        .registry
        .move_alias(Alias::Champion, None, champion)
        .await
        .unwrap();
    let (start, mut moves) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for candidate in candidates {
        let (registry, start) = (Arc::clone(&place.registry), Arc::clone(&start));
        moves.spawn(async move {
            start.wait().await;
            (
                candidate,
                registry
                    .move_alias(Alias::Champion, Some(champion), candidate)
                    .await,
            )
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = moves
        .join_all()
        .await
        .into_iter()
        .partition(|(_, moved)| moved.is_ok());
    let [(winner, _)] = won[..] else {
        panic!("these have won: {won:?}")
    };
    assert_eq!(
        place.registry.alias(Alias::Champion).await.unwrap(),
        Some(winner)
    );
    for (_, moved) in lost {
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
    }
}

fn run(name: &str) -> Run {
    Run::new(
        name.parse().unwrap(),
        "2021-08-02T05:00:00.123Z".parse().unwrap(),
    )
}

async fn register_sixteen_at_once(place: &Place, name: impl Fn(usize) -> String) -> Vec<Version> {
    let (start, mut tasks) = (Arc::new(Barrier::new(16)), JoinSet::new());
    for number in 0..16 {
        let (registry, start, run) = (
            Arc::clone(&place.registry),
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

async fn assert_moved(
    place: &Place,
    expected: Option<Version>,
    to: Version,
    found: Option<Version>,
) {
    let error = place
        .registry
        .move_alias(Alias::Champion, expected, to)
        .await
        .unwrap_err();
    let told = matches!(&error, RegistryError::AliasMoved { alias: Alias::Champion, expected: e, found: f } if (*e, *f) == (expected, found));
    assert!(told, "{error:?}");
    assert_eq!(place.registry.alias(Alias::Champion).await.unwrap(), found);
}
