//! Tests of training, saving and loading.

mod cuda;
mod strategy;
mod target;

use forecasting::{
    counts::{Counter, Counts},
    features::History,
    time::{Day, Hour},
};
use shared::store::{MemoryStore, StoreError, read_json, write_json};

use super::*;

/// Returns counts of a busy and a quiet counter with a daily pattern, for a number of days from
/// 2021-03-01.
fn counts(days: i32, level: u32) -> Counts {
    let mut counts = Counts::default();
    let counter = |name: &str| Counter {
        id: None,
        name: name.to_owned(),
        coordinates: None,
    };
    let (busy, quiet) = (
        counts.intern(counter("Busy")),
        counts.intern(counter("Quiet")),
    );
    let first: Day = "2021-03-01".parse().unwrap();
    for hour in first.through(first.plus(days - 1)).flat_map(Day::hours) {
        let of_day = u32::try_from(hour.local().hour).unwrap();
        counts.push(busy, hour, level * of_day);
        counts.push(quiet, hour, of_day);
    }
    counts
}

fn frame(counts: &Counts) -> Frame {
    Frame::from_counts(&FeatureSpec::for_counters([]), &[], counts)
}

fn recipe() -> TrainRecipe {
    TrainRecipe {
        rounds: 40,
        learning_rate: 0.2,
        min_child_weight: 1.0,
        ..TrainRecipe::default()
    }
}

fn trained(counts: &Counts) -> Model {
    train(
        frame(counts),
        FeatureSpec::for_counters(counts.counters()),
        &recipe(),
        &mut |_| {},
    )
    .unwrap()
}

async fn saved(model: &Model) -> (Arc<dyn Store>, ObjectPath) {
    let (store, folder): (Arc<dyn Store>, ObjectPath) = (
        Arc::new(MemoryStore::default()),
        "models/bike-traffic/test".parse().unwrap(),
    );
    model.save(&*store, &folder).await.unwrap();
    (store, folder)
}

#[test]
fn model_learns_a_daily_pattern() {
    let counts = counts(60, 10);
    let scores = trained(&counts).score(&frame(&counts)).unwrap();
    assert!(scores.r2 > 0.99, "{scores:?}");
}

#[test]
fn early_stopping_ends_with_the_best_round() {
    let counts = counts(60, 10);
    let recipe = TrainRecipe {
        rounds: 2_000,
        early_stopping_rounds: std::num::NonZeroU32::new(5),
        ..recipe()
    };
    let mut rounds = Vec::new();
    let spec = FeatureSpec::for_counters(counts.counters());
    let model = train(frame(&counts), spec, &recipe, &mut |round| {
        rounds.push(round)
    })
    .unwrap();
    let best = rounds
        .iter()
        .map(|round| round.sqrt_mae.unwrap())
        .fold(f64::INFINITY, f64::min);
    assert!(rounds.len() < 2_000, "the training was not stopped early");
    assert_eq!(
        rounds[model.card().rounds as usize - 1].sqrt_mae,
        Some(best)
    );
}

#[test]
fn training_error_is_computed_at_the_points_of_its_curve() {
    let counts = counts(40, 10);
    let recipe = TrainRecipe {
        rounds: 110,
        ..recipe()
    };
    let mut scored = Vec::new();
    let spec = FeatureSpec::for_counters(counts.counters());
    train(frame(&counts), spec, &recipe, &mut |round| {
        scored.extend(round.boosted_sqrt_mae.map(|_| round.done));
    })
    .unwrap();
    let expected: Vec<_> = (3..110).step_by(3).chain([110]).collect();
    assert_eq!(scored, expected);
}

/// A matrix with the codes of the model has the forecasts of the frame.
#[test]
fn matrix_is_forecast_like_its_frame() {
    let counts = counts(40, 10);
    let (model, history) = (trained(&counts), History::new(&[&counts]));
    let frame = frame(&counts);
    let matrix = FeatureMatrix::new(&model.features().codes_of(&history), &history, frame.rows());
    assert_eq!(
        model.predict_matrix(&matrix).unwrap(),
        model.predict(&frame).unwrap()
    );
}

#[test]
fn frame_with_too_few_rows_is_rejected() {
    let spec = || FeatureSpec::for_counters([]);
    let none = train(Frame::default(), spec(), &recipe(), &mut |_| {});
    assert!(matches!(
        none,
        Err(ModelError::TooLittleData { rows: 0, .. })
    ));
    let few = frame(&counts(60, 1)).filter(|row| row.hour.number() % 500 == 0);
    assert!(matches!(
        train(few, spec(), &recipe(), &mut |_| {}),
        Err(ModelError::TooLittleData { .. })
    ));
}

#[tokio::test]
async fn loaded_model_predicts_like_the_saved_one() {
    let counts = counts(40, 10);
    let model = trained(&counts);
    let (store, folder) = saved(&model).await;
    for threads in [Threads::One, Threads::All] {
        let loaded = Model::load(&store, &folder, threads).await.unwrap();
        assert_eq!(
            loaded.predict(&frame(&counts)).unwrap(),
            model.predict(&frame(&counts)).unwrap()
        );
        assert_eq!(loaded.card(), model.card());
    }
}

#[tokio::test]
async fn saving_a_loaded_model_writes_identical_files() {
    let (store, folder) = saved(&trained(&counts(40, 10))).await;
    let loaded = Model::load(&store, &folder, Threads::One).await.unwrap();
    let (again, _) = saved(&loaded).await;
    let files = store.list("").await.unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|path| path.as_str().rsplit('/').next().unwrap())
        .filter(|name| !name.ends_with(".py"))
        .collect();
    let expected = [
        "MLmodel",
        "card.json",
        "conda.yaml",
        "importance.svg",
        "input_example.json",
        "model.ubj",
        "python_env.yaml",
        "requirements.txt",
    ];
    assert_eq!(names, expected);
    for path in files {
        assert_eq!(
            store.read(&path).await.unwrap().bytes,
            again.read(&path).await.unwrap().bytes,
            "{path}"
        );
    }
}

#[tokio::test]
async fn saved_files_are_never_overwritten() {
    let (model, other) = (trained(&counts(40, 10)), trained(&counts(40, 6)));
    let (store, folder) = saved(&model).await;
    model.save(&*store, &folder).await.unwrap();
    let before = store.list("").await.unwrap();
    let error = other.save(&*store, &folder).await.unwrap_err();
    assert!(matches!(error, ModelError::Exists { .. }), "{error}");
    assert!(error.to_string().contains("/test/model.ubj"), "{error}");
    assert_eq!(store.list("").await.unwrap(), before);
    let loaded = Model::load(&store, &folder, Threads::One).await.unwrap();
    assert_eq!(loaded.card(), model.card());
}

/// The example has the last 192 hours of the counter that was counted last.
#[tokio::test]
async fn input_example_has_a_week_of_counts_and_a_day_to_forecast() {
    let counts = counts(40, 10);
    let (store, folder) = saved(&trained(&counts)).await;
    let path = folder.join("input_example.json");
    let (example, _) = read_json::<serde_json::Value>(&*store, &path)
        .await
        .unwrap();
    let columns = [
        "nom_du_compteur",
        "date_et_heure_de_comptage",
        "comptage_horaire",
        "coordonnees_geographiques",
    ];
    assert_eq!(example["columns"], serde_json::json!(columns));
    let rows: Vec<(String, Hour, Option<u32>, Option<String>)> = example["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let timestamp = row[1].as_str().unwrap().parse().unwrap();
            (
                serde_json::from_value(row[0].clone()).unwrap(),
                Hour::starting_at(timestamp).unwrap(),
                serde_json::from_value(row[2].clone()).unwrap(),
                serde_json::from_value(row[3].clone()).unwrap(),
            )
        })
        .collect();
    let (_, last) = counts.period().unwrap();
    let hours: Vec<_> = rows.iter().map(|row| row.1).collect();
    let expected: Vec<_> = (0..192).map(|hour| last.plus(hour - 191)).collect();
    assert_eq!(hours, expected);
    assert!(rows.iter().all(|row| row.0 == rows[0].0));
    for (position, (name, hour, count, _)) in rows.iter().enumerate() {
        let known = counts
            .rows()
            .iter()
            .find(|row| {
                row.hour == *hour && counts.counters()[row.counter.position()].name == *name
            })
            .unwrap();
        let expected = (position < 168).then_some(known.count);
        assert_eq!(*count, expected, "{hour}");
    }
}

/// A Python process imports a module name once, so the name follows the code.
#[tokio::test]
async fn forecasting_code_is_named_by_its_checksum() {
    let (store, folder) = saved(&trained(&counts(10, 1))).await;
    let files = store.list(&format!("{folder}/code/")).await.unwrap();
    let [path] = &files[..] else {
        panic!("{files:?}")
    };
    let code = store.read(path).await.unwrap().bytes;
    let module = format!("bike_traffic_{}", Checksum::of(&code).short(8));
    assert!(
        path.as_str().ends_with(&format!("/code/{module}.py")),
        "{path}"
    );
    let bytes = store.read(&folder.join("MLmodel")).await.unwrap().bytes;
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.contains(&format!("    loader_module: {module}\n")),
        "{text}"
    );
}

#[tokio::test]
async fn model_without_an_input_example_can_be_loaded() {
    let model = trained(&counts(10, 1));
    let (store, folder) = saved(&model).await;
    let bare: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for path in [BOOSTER_FILE, CARD_FILE].map(|name| folder.join(name)) {
        bare.write(
            &path,
            store.read(&path).await.unwrap().bytes,
            Condition::Always,
        )
        .await
        .unwrap();
    }
    assert_eq!(
        Model::load(&bare, &folder, Threads::One)
            .await
            .unwrap()
            .card(),
        model.card()
    );
}

#[tokio::test]
async fn truncated_booster_file_is_rejected() {
    let (store, folder) = saved(&trained(&counts(10, 1))).await;
    let path = folder.join(BOOSTER_FILE);
    let whole = store.read(&path).await.unwrap().bytes;
    store
        .write(&path, whole.slice(..whole.len() / 2), Condition::Always)
        .await
        .unwrap();
    let error = Model::load(&store, &folder, Threads::One)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ModelError::Store(StoreError::Malformed { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("model.ubj"), "{error}");
}

#[tokio::test]
async fn model_with_other_features_is_rejected() {
    let (store, folder) = saved(&trained(&counts(10, 1))).await;
    let path = folder.join(CARD_FILE);
    let (card, _) = read_json::<serde_json::Value>(&*store, &path)
        .await
        .unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut other = card.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        other
    };
    for other in [
        with("/features/columns/0", "month".into()),
        with("/features/pipeline_version", 1.into()),
    ] {
        write_json(&*store, &path, &other, Condition::Always)
            .await
            .unwrap();
        let error = Model::load(&store, &folder, Threads::One)
            .await
            .unwrap_err();
        assert!(matches!(error, ModelError::Features(_)), "{error}");
        assert!(error.to_string().contains("bike-traffic train"), "{error}");
    }
}

#[tokio::test]
async fn mlflow_metadata_have_the_formula_of_a_forecast() {
    let model = trained(&counts(10, 1));
    let (store, folder) = saved(&model).await;
    let bytes = store.read(&folder.join("MLmodel")).await.unwrap().bytes;
    let expected = format!(
        "metadata:\n  bias_factor: {:?}\n  forecast: max(prediction, 0)^2 * bias_factor\n",
        model.card().bias_factor
    );
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn importance_is_a_share_of_each_column() {
    let model = trained(&counts(60, 10));
    let importance = model.importance().unwrap();
    let columns: Vec<_> = importance.iter().map(|(column, _)| *column).collect();
    assert_eq!(columns, COLUMNS);
    let sum: f64 = importance.iter().map(|(_, share)| share).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{importance:?}");
    assert!(
        importance
            .iter()
            .all(|(_, share)| (0.0..=1.0).contains(share)),
        "{importance:?}"
    );
}
