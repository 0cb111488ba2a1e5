//! The snapshot of a model card.

use forecasting::features::FeatureSpec;
use model::{MODEL_TYPE, ModelCard, Stage, StrategyName, TrainRecipe, Training, Trial};

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
