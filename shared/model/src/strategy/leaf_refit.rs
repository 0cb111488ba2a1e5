//! Refitting the leaves of the champion.

use super::{FreshRows, Rows, Strategy, StrategyName, inherit, refit};
use crate::{Model, ModelError, Round, mlflow::Example, training::finish};

/// Keeps the splits of the champion and moves the values of its leaves towards the recent rows.
#[derive(Clone, Copy, Debug)]
pub struct LeafRefit {
    /// The share of the old value of a leaf in its new value, from 0 to 1.
    pub decay: f64,
}

impl Strategy for LeafRefit {
    fn name(&self) -> StrategyName {
        StrategyName::LeafRefit
    }

    fn train_with_progress(
        &self,
        rows: &Rows<'_>,
        _: &mut dyn FnMut(Round),
    ) -> Result<Model, ModelError> {
        let FreshRows {
            spec,
            frame,
            training,
        } = FreshRows::of(rows)?;
        let champion = rows.champion;
        let booster = refit(champion, &frame, self.decay)?;
        let mut params = champion.card.params.clone();
        params.extend(
            [("process_type", "update"), ("updater", "refresh")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let challenger = finish(booster, spec, params, training, Example::of(&frame))?;
        let rates = champion.card.learning_rates();
        Ok(inherit(challenger, champion, &rates))
    }
}
