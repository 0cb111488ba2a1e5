//! A registered version that a new one is compared with.

use anyhow::Context;
use forecasting::{features::Frame, metrics::Scores};
use model::{Model, ModelCard, ModelError, Threads};
use shared::{address::ObjectPath, baseline::DataSetName, ports::Ports};

/// What is known of a previous version.
pub(crate) enum Predecessor {
    /// It can be scored on any rows.
    Model(Box<Model>),
    /// It reads other features than are built here, so all that is known is how it did on the fixed test set when it was
    /// trained.
    Recorded(Scores),
}

impl Predecessor {
    /// Loads a version from the folder of its files.
    ///
    /// # Errors
    /// When the files cannot be read, or the version reads other features and was not scored on the same fixed test set.
    pub(crate) async fn load(
        ports: &Ports,
        folder: &ObjectPath,
        test: &DataSetName,
    ) -> anyhow::Result<Self> {
        match Model::load(&ports.store, folder, Threads::All).await {
            Err(ModelError::Features(error)) => {
                let card = ModelCard::read(&*ports.store, folder).await?;
                let is_same_test = card.fixed_test.is_some_and(|data| data.name == *test);
                let recorded = card.test_scores.filter(|_| is_same_test);
                let scores = recorded
                    .ok_or(error)
                    .with_context(|| format!("{folder} was never scored on {test}"))?;
                tracing::warn!(model = %folder, "reads other features; its recorded scores are compared with");
                Ok(Self::Recorded(scores))
            }
            loaded => Ok(Self::Model(Box::new(loaded?))),
        }
    }

    /// Returns how the version does on the fixed test set, whose features `frame` has.
    ///
    /// # Errors
    /// When XGBoost fails.
    pub(crate) fn scores(&self, frame: &Frame) -> Result<Scores, ModelError> {
        match self {
            Self::Model(model) => model.score(frame),
            Self::Recorded(scores) => Ok(*scores),
        }
    }
}
