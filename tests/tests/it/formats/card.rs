//! The snapshots of a model card, and of the files of a model.

use forecasting::features::FeatureSpec;
use model::{
    FORMAT, MODEL_TYPE, Model, ModelCard, Stage, StrategyName, Threads, TrainRecipe, Training,
    Trial,
};
use shared::address::ObjectPath;

use super::*;

#[tokio::test]
async fn model_card() {
    let card = ModelCard {
        model_type: MODEL_TYPE.to_owned(),
        xgboost_version: "3.4.1".to_owned(),
        sha256: Checksum::of(b"booster"),
        features: FeatureSpec::for_counters(counts().counters()),
        rounds: 330,
        params: BTreeMap::from([("eta".to_owned(), "0.05".to_owned())]),
        training: Training {
            rows: 3_360,
            excluded: 48,
            first_hour: hour("2021-07-18T22:00:00Z"),
            last_hour: hour("2021-07-25T21:00:00Z"),
        },
        bias_factor: 1.03,
        recipe: TrainRecipe::default(),
        stages: [(300, 0.05), (30, 0.01)]
            .map(|(rounds, learning_rate)| Stage {
                rounds,
                learning_rate,
            })
            .to_vec(),
        baseline: Some(data_set(Role::Train)),
        test_scores: Some(scores(15.5, 30_720)),
        fixed_test: Some(data_set(Role::Test)),
        strategy: Some(StrategyName::Append),
        strategies: vec![
            Trial {
                strategy: StrategyName::Append,
                selection_scores: Some(scores(11.25, 9_240)),
                error: None,
            },
            Trial {
                strategy: StrategyName::SlidingWindow,
                selection_scores: None,
                error: Some("cannot retrain from nothing".to_owned()),
            },
        ],
        champion_selection_scores: Some(scores(11.5, 9_240)),
    };
    assert_snapshot("model_card", &written(&card).await);
}

/// The folder of a model that Python has trained.
macro_rules! python_model {
    ($file:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../functions/predict/src/fixtures/",
            $file
        ))
    };
}

/// If a file changes, raise [`FORMAT`] as well: a training on known data would find files with
/// other contents, which are never changed.
#[tokio::test]
async fn files_of_a_model_change_only_with_the_number_of_their_format() {
    let store = store();
    let [known, saved]: [ObjectPath; 2] =
        ["models/known", "models/saved"].map(|folder| folder.parse().unwrap());
    let files: [(&str, &[u8]); 2] = [
        ("model.ubj", python_model!("model.ubj")),
        ("card.json", python_model!("card.json")),
    ];
    for (name, contents) in files {
        store
            .write(
                &known.join(name),
                contents.to_vec().into(),
                Condition::Always,
            )
            .await
            .unwrap();
    }
    let model = Model::load(&store, &known, Threads::One).await.unwrap();
    model.save(&*store, &saved).await.unwrap();
    let mut lines = format!("format {FORMAT}\n");
    for path in store.list("models/saved/").await.unwrap() {
        let checksum = Checksum::of(&store.read(&path).await.unwrap().bytes);
        lines.push_str(&format!("{path} {}\n", checksum.short(8)));
    }
    assert_snapshot("model_files", &lines);
}
