//! Tests of the strategies and of their trials, on a level of 10 that falls to 6.

use super::*;

/// Returns the window of a test that needs none.
fn no_window() -> Result<Frame, ModelError> {
    Err(ModelError::NoBaseline {
        reason: "the test has no baseline".to_owned(),
    })
}

/// Trains a challenger from a champion on fresh rows.
fn challenger(
    champion: &Model,
    fresh: &Frame,
    strategy: StrategyName,
    recipe: &FineTuneRecipe,
) -> Result<Model, ModelError> {
    strategy.with(recipe).train(&Rows {
        champion,
        fresh,
        window: &|| Ok(fresh.clone()),
    })
}

fn strong() -> FineTuneRecipe {
    FineTuneRecipe {
        learning_rate: 0.2,
        epochs: 20,
        decay: 0.0,
        ..FineTuneRecipe::default()
    }
}

fn mae(model: &Model, frame: &Frame) -> f64 {
    model.score(frame).unwrap().mae
}

#[test]
fn every_strategy_follows_a_new_level() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    for strategy in StrategyName::ALL {
        let challenger = challenger(&champion, &new, strategy, &strong()).unwrap();
        let (before, after) = (mae(&champion, &new), mae(&challenger, &new));
        assert!(after < 0.6 * before, "{strategy}: {after} {before}");
        assert_eq!(challenger.card().training.rows, new.len());
    }
}

#[test]
fn append_retains_frozen_rounds() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let append = |freeze_layers| {
        let recipe = FineTuneRecipe {
            freeze_layers,
            ..strong()
        };
        challenger(&champion, &new, StrategyName::Append, &recipe)
    };
    let stage = |rounds| Stage {
        rounds,
        learning_rate: 0.2,
    };
    for (freeze_layers, retained) in [
        (FreezeLayers::All, 40),
        (FreezeLayers::First(30), 30),
        (FreezeLayers::None, 40),
    ] {
        let challenger = append(freeze_layers).unwrap();
        assert_eq!(challenger.card().rounds, retained + 20);
        assert_eq!(challenger.card().stages, [stage(retained + 20)]);
        let first = |model: &Model| model.booster.slice(0..30).unwrap().save_ubj().unwrap();
        assert_eq!(
            first(&challenger) == first(&champion),
            freeze_layers != FreezeLayers::None
        );
    }
    let error = append(FreezeLayers::First(41)).unwrap_err();
    assert!(matches!(
        error,
        ModelError::TooManyFrozen {
            wanted: 41,
            rounds: 40
        }
    ));
}

#[test]
fn boosted_rounds_are_reported_with_falling_errors() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let errors = |strategy: StrategyName| {
        let rows = Rows {
            champion: &champion,
            fresh: &new,
            window: &|| Ok(new.clone()),
        };
        let mut errors = Vec::new();
        let mut add = |round: Round| errors.push(round.boosted_sqrt_mae.unwrap());
        let strategy = strategy.with(&strong());
        strategy.train_with_progress(&rows, &mut add).unwrap();
        errors
    };
    // `append` boosts its epochs, and `sliding-window` all rounds of the champion.
    for (strategy, rounds) in [
        (StrategyName::Append, 20),
        (StrategyName::SlidingWindow, 40),
        (StrategyName::LeafRefit, 0),
    ] {
        let errors = errors(strategy);
        assert_eq!(errors.len(), rounds, "{strategy}");
        if let (Some(first), Some(last)) = (errors.first(), errors.last()) {
            assert!(last < first, "{strategy}: {first} {last}");
        }
    }
}

/// The training strategy names these values.
#[test]
fn literal_values_of_the_strategy_change_little() {
    let champion = trained(&counts(40, 10));
    let recipe = r#"{"learning_rate":0.001,"epochs":5,"freeze_layers":true}"#
        .parse()
        .unwrap();
    let new = frame(&counts(40, 6));
    let challenger = challenger(&champion, &new, StrategyName::Append, &recipe).unwrap();
    assert_eq!(challenger.card().rounds, 45);
    let (before, after) = (mae(&champion, &new), mae(&challenger, &new));
    assert!(after != before, "{after}");
    assert!((after / before - 1.0).abs() < 0.05, "{after} {before}");
}

#[test]
fn refitted_leaves_move_by_the_share_that_decays() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let roots = |decay: f64| {
        let recipe = FineTuneRecipe {
            decay,
            ..FineTuneRecipe::default()
        };
        let challenger = challenger(&champion, &new, StrategyName::LeafRefit, &recipe).unwrap();
        challenger
            .booster
            .predict_in_place(
                new.clone().encode_counters(champion.features()).values(),
                COLUMNS.len(),
            )
            .unwrap()
    };
    // A forecast is a sum of leaves, so its root lies between the others as its leaves do.
    let (kept, mixed, refitted) = (roots(1.0), roots(0.9), roots(0.0));
    for ((kept, mixed), refitted) in kept.iter().zip(mixed).zip(refitted) {
        let expected = 0.9 * kept + 0.1 * refitted;
        assert!((mixed - expected).abs() < 1e-3, "{mixed} {expected}");
    }
}

#[test]
fn challenger_of_the_champions_trees_has_its_bias_factor_and_recipe() {
    let champion = trained(&counts(40, 10));
    assert_ne!(champion.card().bias_factor, 1.0);
    let new = frame(&counts(40, 6));
    for strategy in [StrategyName::Append, StrategyName::LeafRefit] {
        let challenger = challenger(&champion, &new, strategy, &FineTuneRecipe::default()).unwrap();
        assert_eq!(challenger.card().bias_factor, champion.card().bias_factor);
        assert_eq!(challenger.card().recipe, champion.card().recipe);
    }
}

/// The champion has appended rounds, whose parameters differ from those of the first rounds.
#[test]
fn sliding_window_trains_with_the_recipe_of_the_first_rounds() {
    let first = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let recipe = FineTuneRecipe::default();
    let appended = challenger(&first, &new, StrategyName::Append, &recipe).unwrap();
    let stages = [(40, 0.2), (30, 0.01)].map(|(rounds, learning_rate)| Stage {
        rounds,
        learning_rate,
    });
    assert_eq!(appended.card().stages, stages);
    assert_eq!(appended.card().learning_rates().len(), 70);
    let window = challenger(&appended, &new, StrategyName::SlidingWindow, &recipe).unwrap();
    let card = window.card();
    assert_eq!((card.rounds, &card.params), (40, &first.card().params));
    let alone = train(new, first.features().clone(), &self::recipe(), &mut |_| {}).unwrap();
    assert_eq!(card.bias_factor, alone.card().bias_factor);
}

#[test]
fn best_strategy_has_the_lowest_error_on_the_selection_days() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let last_week = new.rows().last().unwrap().hour.plus(-7 * 24);
    let (before, selection) = new.split_at(last_week);
    let recipe = FineTuneRecipe::default();
    let strategies = StrategyName::ALL.map(|name| name.with(&recipe));
    let rows = Rows {
        champion: &champion,
        fresh: &before,
        window: &|| Ok(before.clone()),
    };
    let trials = try_strategies(&strategies, &rows, &selection).unwrap();
    // Thirty rounds at 0.01 move a quarter of the way, and refitted leaves a tenth.
    let (best, scores) = trials.best().unwrap();
    assert_eq!(best, StrategyName::SlidingWindow);
    assert_eq!(trials.champion, champion.score(&selection).unwrap());
    assert!(scores.mae < trials.champion.mae);
    for trial in &trials.strategies {
        let others = trial.selection_scores.unwrap();
        assert!(
            trial.strategy == best || others.mae > scores.mae,
            "{trial:?}"
        );
    }
}

#[test]
fn sliding_window_wins_unless_another_error_is_one_percent_lower() {
    let scores = |mae: f64| Scores::new(&[mae], &[0.0]).unwrap();
    for (append, leaf_refit, expected) in [
        (9.91, 10.5, StrategyName::SlidingWindow),
        (9.89, 10.5, StrategyName::Append),
        (9.81, 9.8, StrategyName::LeafRefit),
        (9.8, 9.8, StrategyName::Append),
    ] {
        let trials = Trials {
            champion: scores(9.0),
            strategies: StrategyName::ALL
                .into_iter()
                .zip([append, 10.0, leaf_refit])
                .map(|(strategy, mae)| Trial {
                    strategy,
                    selection_scores: Some(scores(mae)),
                    error: None,
                })
                .collect(),
        };
        let (best, scores) = trials.best().unwrap();
        assert_eq!(best, expected, "{append} {leaf_refit}");
        let own = trials
            .strategies
            .iter()
            .find(|trial| trial.strategy == best);
        assert_eq!(own.unwrap().selection_scores, Some(scores));
    }
}

#[test]
fn failed_strategy_is_named_and_left_out() {
    let champion = trained(&counts(40, 10));
    let new = frame(&counts(40, 6));
    let strategies = StrategyName::ALL.map(|name| name.with(&strong()));
    let rows = Rows {
        champion: &champion,
        fresh: &new,
        window: &no_window,
    };
    let trials = try_strategies(&strategies, &rows, &new).unwrap();
    assert_ne!(trials.best().unwrap().0, StrategyName::SlidingWindow);
    assert_eq!(
        trials.failures(),
        ["sliding-window: cannot retrain from nothing: the test has no baseline"]
    );
    let trials = try_strategies(&strategies[1..2], &rows, &new).unwrap();
    let error = trials.best().unwrap_err().to_string();
    assert!(error.contains("sliding-window: "), "{error}");
}

#[test]
fn card_of_an_earlier_version_has_the_default_recipe() {
    let champion = trained(&counts(10, 1));
    let mut card = serde_json::to_value(champion.card()).unwrap();
    for field in [
        "recipe",
        "stages",
        "strategy",
        "strategies",
        "champion_selection_scores",
    ] {
        card.as_object_mut().unwrap().remove(field).unwrap();
    }
    let card: ModelCard = serde_json::from_value(card).unwrap();
    assert_eq!(card.recipe, TrainRecipe::default());
    assert_eq!(card.learning_rates(), [0.05; 40]);
}
