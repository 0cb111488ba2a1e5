//! A registered version that a new version is compared with.

use anyhow::Context;
use forecasting::{features::Frame, metrics::Scores};
use model::{Model, ModelCard, ModelError, Threads};
use shared::{address::ObjectPath, baseline::DataSetName, ports::Ports};

/// A previous version.
pub(crate) enum Predecessor {
    /// A loaded model, which can be scored on any rows.
    Model(Box<Model>),
    /// The recorded scores on the fixed test set, for a model with an incompatible set of features.
    Recorded(Scores),
}

impl Predecessor {
    /// Loads a version from its artifact folder.
    ///
    /// # Errors
    /// Returns an error if the files cannot be read. Also returns an error if the version has an
    /// incompatible set of features and no recorded scores on the same fixed test set.
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
                    .with_context(|| format!("{folder} has no recorded scores on {test}"))?;
                tracing::warn!(model = %folder, "incompatible features, comparing recorded scores");
                Ok(Self::Recorded(scores))
            }
            loaded => Ok(Self::Model(Box::new(loaded?))),
        }
    }

    /// Returns the scores on the fixed test set, whose features are in `frame`.
    ///
    /// # Errors
    /// Returns an error if XGBoost fails.
    pub(crate) fn scores(&self, frame: &Frame) -> Result<Scores, ModelError> {
        match self {
            Self::Model(model) => model.score(frame),
            Self::Recorded(scores) => Ok(*scores),
        }
    }
}
