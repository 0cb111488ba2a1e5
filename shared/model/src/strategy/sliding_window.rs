//! Retraining from nothing on a window that grows with each day.

use super::{Rows, Strategy, StrategyName};
use crate::{Device, Model, ModelError, Round, TrainRecipe, train};

/// Retrains from nothing on the champion's baseline and all later rows, with the champion's recipe
/// and number of rounds.
///
/// The bias factor is that of its own rows. The device is the CPU, also if the champion was trained
/// on a GPU.
#[derive(Clone, Copy, Debug)]
pub struct SlidingWindow;

impl Strategy for SlidingWindow {
    fn name(&self) -> StrategyName {
        StrategyName::SlidingWindow
    }

    fn train_with_progress(
        &self,
        rows: &Rows<'_>,
        on_round: &mut dyn FnMut(Round),
    ) -> Result<Model, ModelError> {
        let frame = (rows.window)()?;
        let champion = rows.champion;
        let spec = champion.features().clone().with_counters(frame.counters());
        let recipe = TrainRecipe {
            device: Device::Cpu,
            ..champion.card.recipe.clone()
        };
        let challenger = train(frame, spec, &recipe, on_round)?;
        Ok(challenger.with_baseline(champion.card.baseline.clone()))
    }
}
