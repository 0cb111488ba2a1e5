//! Tests of the strategies, and of the choice between them.

use model::{BaseModel, ModelCard, StrategyChoice, Trial};
use shared::retryability::Retryability;

use super::*;

/// Handles the drift of 2021-W30, whose days of training end on 2021-07-25.
async fn handle_with(ports: &Ports, recipe: FineTuneRecipe) -> Result<Outcome, Error> {
    try_handle(ports, "2021-W30", "2021-W30", 7, recipe).await
}

fn only(strategy: StrategyChoice) -> FineTuneRecipe {
    FineTuneRecipe {
        strategy,
        ..FineTuneRecipe::default()
    }
}

async fn latest(ports: &Ports) -> (Run, ModelCard) {
    let version = challenger(ports).await.unwrap();
    let run = ports.registry.version(version).await.unwrap().run;
    let card = ModelCard::read(&*ports.store, &run.artifacts)
        .await
        .unwrap();
    (run, card)
}

#[tokio::test]
async fn auto_trains_the_best_strategy_of_the_selection_days() {
    let ports = ports("2021-07-05").await;
    let outcome = handle_with(&ports, FineTuneRecipe::default())
        .await
        .unwrap();
    let (run, card) = latest(&ports).await;
    let mae = |trial: &Trial| trial.selection_scores.unwrap().mae;
    let best = card
        .strategies
        .iter()
        .min_by(|one, other| mae(one).total_cmp(&mae(other)))
        .unwrap();
    let names: Vec<_> = card.strategies.iter().map(|trial| trial.strategy).collect();
    assert_eq!(names, StrategyName::ALL);
    assert_eq!(card.strategy, Some(best.strategy));
    assert_eq!(run.tags["strategy"], best.strategy.to_string());
    let champion = card.champion_selection_scores.unwrap();
    assert_eq!(champion.rows, 7 * 24);
    assert_eq!(run.metrics["selection_mae_champion"], champion.mae);
    assert_eq!(
        run.metrics["selection_mae_sliding_window"],
        mae(&card.strategies[1])
    );
    // The challenger is trained on the selection days, too.
    assert_eq!(card.training.last_hour.day(), day("2021-07-25"));

    let entry = outcome.entry();
    assert_eq!(
        entry.detail["selection"],
        json!({ "first": "2021-07-19", "last": "2021-07-25" })
    );
    let expected = format!(
        "{} chosen: MAE {:.1} on 2021-07-19 to 2021-07-25, ",
        best.strategy,
        mae(best)
    );
    assert!(entry.reason.contains(&expected), "{}", entry.reason);
    assert!(
        entry
            .reason
            .contains(&format!(", champion {:.1}", champion.mae)),
        "{}",
        entry.reason
    );
}

#[tokio::test]
async fn sliding_window_learns_from_baseline_and_later_days() {
    let ports = ports("2021-06-01").await;
    let outcome = handle_with(&ports, only(StrategyChoice::SlidingWindow))
        .await
        .unwrap();
    let (run, card) = latest(&ports).await;
    // From the baseline 42 days, and the days from 2021-06-11 to 2021-07-25: the first ten of June
    // are the fixed test set.
    assert_eq!(card.training.rows, (42 + 45) * 24);
    assert_eq!(card.training.first_hour.day(), day("2021-04-20"));
    assert_eq!(card.training.last_hour.day(), day("2021-07-25"));
    assert_eq!(card.rounds, 3);
    assert_eq!(card.strategies, []);
    assert_eq!(run.tags["dataset"], "sliding_window");
    let entry = outcome.entry();
    assert!(
        entry
            .reason
            .contains("rows since 2021-04-20; sliding-window is the strategy of the recipe"),
        "{}",
        entry.reason
    );
    assert_eq!(entry.detail["baseline"]["object"], json!(TRAIN_BASELINE));
}

#[test]
fn champion_trained_on_the_selection_days_is_not_compared() {
    let counts = counts(day("2021-06-11"), day("2021-07-20"));
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::from_counts(&spec, &[], &counts);
    let recipe = TrainRecipe {
        rounds: 3,
        ..TrainRecipe::default()
    };
    let champion = train(frame.clone(), spec, &recipe, &mut |_| {}).unwrap();
    let window = Window::before(&Policy::default(), "2021-W30".parse().unwrap());
    let rows = model::Rows {
        champion: &champion,
        fresh: &frame,
        window: &|| Ok(frame.clone()),
    };
    let choice = choose(&FineTuneRecipe::default(), &rows, window).unwrap();
    assert_eq!(
        (choice.strategy, choice.trials),
        (StrategyName::Append, None)
    );
    assert!(
        choice
            .reason
            .contains("the champion was trained on days up to 2021-07-20"),
        "{}",
        choice.reason
    );
}

#[tokio::test]
async fn other_base_model_is_refused() {
    let ports = ports("2021-07-05").await;
    let recipe = FineTuneRecipe {
        base_model: BaseModel::Version(Version::new(2)),
        ..only(StrategyChoice::Append)
    };
    let error = handle_with(&ports, recipe).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    assert!(
        error
            .to_string()
            .starts_with("cannot fine-tune champion_v2: the champion is version 1"),
        "{error}"
    );
    let recipe = FineTuneRecipe {
        base_model: BaseModel::Version(Version::new(1)),
        ..only(StrategyChoice::LeafRefit)
    };
    let _ = handle_with(&ports, recipe).await.unwrap();
    assert_eq!(
        latest(&ports).await.1.strategy,
        Some(StrategyName::LeafRefit)
    );
}

/// A strategy of its own is a version of its own, and so is other data of the baseline.
#[tokio::test]
async fn run_depends_on_the_recipe_and_on_later_counts() {
    let ports = ports("2021-06-01").await;
    let versions = async |strategy| {
        let outcome = handle_with(&ports, only(strategy)).await.unwrap();
        outcome.entry().challenger_version
    };
    let version = |number| Some(Version::new(number));
    assert_eq!(versions(StrategyChoice::LeafRefit).await, version(2));
    assert_eq!(versions(StrategyChoice::SlidingWindow).await, version(3));
    assert_eq!(versions(StrategyChoice::SlidingWindow).await, version(3));
    // The lags of the recent rows begin on 2021-06-03, so only the sliding window knows this day.
    let removed = day("2021-06-02");
    ports
        .warehouse
        .replace_counts(removed, &Counts::default(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert_eq!(versions(StrategyChoice::SlidingWindow).await, version(4));
    assert_eq!(versions(StrategyChoice::LeafRefit).await, version(2));
}
