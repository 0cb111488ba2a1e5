//! The description of a training in the registry.

use forecasting::checksum::Checksum;
use model::TrainRecipe;
use shared::{
    ports::Ports,
    registry::{Run, RunInput, RunName},
};

use super::{Scored, TrainingData};

/// Returns the run of a training that has ended, without its notes.
pub(super) fn run(
    ports: &Ports,
    data: &TrainingData,
    recipe: &TrainRecipe,
    data_source: &str,
    scored: &Scored,
) -> anyhow::Result<Run> {
    let Scored { model, tested, .. } = scored;
    let card = model.card();
    let last_hour = card.training.last_hour;
    let digest = digest(&[
        data.train_data.sha256.to_string(),
        data.test_data.sha256.to_string(),
        serde_json::to_string(recipe)?,
        serde_json::to_string(model.features())?,
        model::training_format(),
    ]);
    let name: RunName = format!("champion-{}-{}", last_hour.day(), digest.short(8)).parse()?;
    let tags = [
        ("dataset", "baseline".to_owned()),
        ("training_type", "champion".to_owned()),
        ("data_source", data_source.to_owned()),
        ("train_size", card.training.rows.to_string()),
        ("test_size", tested.scores.rows.to_string()),
        ("last_hour", last_hour.timestamp().to_string()),
    ];
    let inputs = [
        (&data.test_data, &data.test.counts),
        (&data.train_data, &data.train.counts),
    ];
    Ok(Run {
        tags: tags.map(|(name, value)| (name.to_owned(), value)).into(),
        params: card.run_params(card.rounds),
        metrics: model.run_metrics(&scored.fixed_test.frame, &tested.forecasts)?,
        inputs: inputs
            .map(|(data, counts)| RunInput::new(data, &*ports.store).with_profile(counts))
            .into(),
        ..Run::new(name, ports.clock.now())
    })
}

/// Returns the digest of all that the files of a model depend on: the data, the recipe, the
/// features and the format of models. The files are never changed, so a training that would write
/// others has another name.
fn digest(parts: &[String]) -> Checksum {
    Checksum::of(parts.join(" ").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected digests are those of `hashlib.sha256` of Python.
    #[test]
    fn digest_depends_on_the_data_the_recipe_the_features_and_the_format() {
        let of = |format: &str| {
            let parts = ["train", "test", "recipe", "features", format];
            digest(&parts.map(str::to_owned))
        };
        assert_eq!(of("format 1").short(8), "06c3d612");
        assert_eq!(of("format 2").short(8), "a779bcea");
    }
}
