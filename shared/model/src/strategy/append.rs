//! Appending new rounds: the fine-tuning of the training strategy.

use std::iter;

use super::{FreshRows, Rows, Strategy, StrategyName, inherit, refit};
use crate::{
    FineTuneRecipe, FreezeLayers, Model, ModelError, Round,
    mlflow::Example,
    training::{borrow, finish, report, unweighted},
};

/// Keeps the champion's rounds, or the first of them, and appends new rounds that are boosted on the
/// recent rows.
///
/// With [`FreezeLayers::None`], the leaves of all rounds are refitted to the recent rows first. The
/// new rounds adapt to the level of the recent rows only as far as the recipe allows.
#[derive(Clone, Debug)]
pub struct Append {
    /// The parameters.
    pub recipe: FineTuneRecipe,
}

impl Strategy for Append {
    fn name(&self) -> StrategyName {
        StrategyName::Append
    }

    fn train_with_progress(
        &self,
        rows: &Rows<'_>,
        on_round: &mut dyn FnMut(Round),
    ) -> Result<Model, ModelError> {
        let champion = rows.champion;
        let FreshRows {
            spec,
            frame,
            training,
        } = FreshRows::of(rows)?;
        let rounds = champion.booster.rounds().map_err(ModelError::Train)?;
        let (retained, start) = match self.recipe.freeze_layers {
            FreezeLayers::None => (rounds, refit(champion, &frame, self.recipe.decay)?),
            FreezeLayers::First(wanted) if wanted > rounds => {
                return Err(ModelError::TooManyFrozen { wanted, rounds });
            }
            FreezeLayers::First(wanted) => (wanted, first_rounds(champion, wanted)?),
            FreezeLayers::All => (rounds, first_rounds(champion, rounds)?),
        };
        let params = self.recipe.params();
        // The parameters of the new rounds were measured without weights.
        let matrix = unweighted(&frame)?;
        let trained = xgboost::continue_training(
            start,
            &borrow(&params),
            &matrix,
            self.recipe.epochs,
            &[("boosted", &matrix)],
            None,
            &mut |round| report(round, on_round),
        );
        let booster = trained.map_err(ModelError::Train)?.booster;
        let mut rates = champion.card.learning_rates();
        rates.truncate(retained as usize);
        rates.extend(iter::repeat_n(
            self.recipe.learning_rate,
            self.recipe.epochs as usize,
        ));
        let challenger = finish(booster, spec, params, training, Example::of(&frame))?;
        Ok(inherit(challenger, champion, &rates))
    }
}

fn first_rounds(champion: &Model, rounds: u32) -> Result<xgboost::Booster, ModelError> {
    champion.booster.slice(0..rounds).map_err(ModelError::Train)
}
