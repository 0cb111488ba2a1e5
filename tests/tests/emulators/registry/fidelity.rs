//! Runs are read back unchanged, and versions of other programs are ignored.

use serde_json::json;
use shared::registry::{Alias, Operator, Registry, RegistryError, Run, Version};

use super::{memory, open, open_at, post, proxy::Proxy, run, runs_of};
use crate::place;

/// Uses the length limits, Unicode and control characters, and floats that are hard to round-trip.
#[tokio::test]
async fn run_is_read_back_bit_for_bit() {
    let (model, store) = (place::unique("model"), memory());
    let named = |prefix: &str, count: u32, value: &dyn Fn(u32) -> String| {
        (0..count)
            .map(|number| (format!("{prefix} {number}/é:-._"), value(number)))
            .collect()
    };
    let values = [
        0.1 + 0.2,
        114.681_442_260_742_19,
        5e-324,
        f64::MAX,
        -f64::MIN_POSITIVE,
        0.0,
        1e6,
        2_f64.powi(53) + 2.0,
    ];
    let many = (0..1_100_u32).map(|number| (f64::from(number) / 7.0).exp());
    let unusual = Run {
        ended_at: "2021-08-02T05:00:00.123456789Z".parse().unwrap(),
        params: named("param", 120, &|number| {
            "ü".repeat(if number == 0 { 6_000 } else { number as usize })
        }),
        tags: named("tag", 120, &|number| {
            if number == 0 {
                "\u{1f6b2}".repeat(8_000)
            } else {
                format!("'\"\\\n\t{number} ")
            }
        }),
        metrics: values
            .into_iter()
            .chain(many)
            .enumerate()
            .map(|(number, value)| (format!("m{number}"), value))
            .collect(),
        ..run("unusual")
    };
    let plain = Run {
        tags: [].into(),
        params: [("empty".to_owned(), String::new())].into(),
        metrics: [].into(),
        ..run("plain")
    };
    for run in [&unusual, &plain] {
        let version = open(&model, &store).register(run).await.unwrap();
        assert_eq!(
            open(&model, &store).version(version).await.unwrap().run,
            *run
        );
    }
    let versions = open(&model, &store).versions().await.unwrap();
    assert_eq!(
        versions
            .into_iter()
            .map(|known| known.run)
            .collect::<Vec<_>>(),
        [unusual, plain]
    );
}

/// MLflow would truncate the text, or treat the value as missing.
#[tokio::test]
async fn run_that_mlflow_cannot_store_is_rejected() {
    let registry = open(&place::unique("model"), &memory());
    let long = |length| [("columns".to_owned(), "x".repeat(length))];
    let runs = [
        Run {
            params: long(6_001).into(),
            ..run("long")
        },
        Run {
            tags: long(8_001).into(),
            ..run("long")
        },
        Run {
            tags: [("mlflow.user".to_owned(), "me".to_owned())].into(),
            ..run("reserved")
        },
        Run {
            metrics: [("mae".to_owned(), f64::NAN)].into(),
            ..run("not-a-number")
        },
    ];
    for run in runs {
        let error = registry.register(&run).await.unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            reason.contains(&format!("cannot store the run {} in MLflow", run.name)),
            "{reason}"
        );
    }
    assert_eq!(registry.versions().await.unwrap(), []);
}

#[tokio::test]
async fn versions_are_read_in_pages_and_their_runs_once() {
    let (model, store) = (place::unique("model"), memory());
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        open(&model, &store).register(&run(name)).await.unwrap();
    }
    let proxy = Proxy::with_small_pages().await;
    let registry = open_at(&proxy.url(), &model, &store);
    let page = "model-versions/search";
    for expected in [
        &[page, page, page, "experiments/get-by-name", "runs/search"][..],
        &[page; 3],
    ] {
        let listed: Vec<_> = registry
            .versions()
            .await
            .unwrap()
            .into_iter()
            .map(|known| known.run)
            .collect();
        assert_eq!(listed, names.map(run));
        assert_eq!(proxy.take_calls(), expected);
    }
    registry.version(Version::new(4)).await.unwrap();
    assert_eq!(proxy.take_calls(), ["model-versions/get"]);
}

#[tokio::test]
async fn manually_registered_version_is_skipped_and_named_in_errors() {
    let (model, store) = (place::unique("model"), memory());
    let registry = open(&model, &store);
    registry.register(&run("first")).await.unwrap();
    let by_hand = json!({ "name": model, "source": "gs://somewhere/else", "tags": [{ "key": "owner", "value": "Zoë" }] });
    assert_eq!(
        post("model-versions/create", by_hand).await["model_version"]["version"],
        "2"
    );
    let foreign = Version::new(2);
    assert_eq!(
        registry.register(&run("third")).await.unwrap(),
        Version::new(3)
    );

    let listed: Vec<_> = registry
        .versions()
        .await
        .unwrap()
        .into_iter()
        .map(|known| known.version)
        .collect();
    assert_eq!(listed, [1, 3].map(Version::new));
    let moved = registry
        .move_alias(Operator::named("tests").champion_change(None, foreign))
        .await;
    for error in [
        registry.version(foreign).await.unwrap_err(),
        moved.unwrap_err(),
    ] {
        assert!(
            matches!(error, RegistryError::Unusable { version, .. } if version == foreign),
            "{error:?}"
        );
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            reason.starts_with("version 2 was not registered by bike-traffic"),
            "{reason}"
        );
    }
    assert_eq!(registry.alias(Alias::Champion).await.unwrap(), None);
}

/// A server that handles a call after the client's timeout creates a second version of the run.
#[tokio::test]
async fn first_of_two_versions_of_one_run_is_used() {
    let (model, store) = (place::unique("model"), memory());
    let registry = open(&model, &store);
    registry.register(&run("the-run")).await.unwrap();
    let info = &runs_of(&model).await[0]["info"];
    let source = format!("{}/model", info["artifact_uri"].as_str().unwrap());
    let tags = [
        ("bike_traffic.run", "the-run"),
        ("bike_traffic.ended_at", "2021-08-02T05:00:00.123Z"),
        ("bike_traffic.artifacts", "models/bike-traffic/the-run"),
    ];
    let tags = tags.map(|(key, value)| json!({ "key": key, "value": value }));
    let late = json!({ "name": model, "source": source, "run_id": info["run_id"], "tags": tags });
    assert_eq!(
        post("model-versions/create", late).await["model_version"]["version"],
        "2"
    );

    assert_eq!(
        registry.register(&run("the-run")).await.unwrap(),
        Version::new(1)
    );
    let listed: Vec<_> = registry
        .versions()
        .await
        .unwrap()
        .into_iter()
        .map(|known| known.version)
        .collect();
    assert_eq!(listed, [Version::new(1)]);
}
