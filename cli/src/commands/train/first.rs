//! The conditions for the first champion of a registry.

use anyhow::{Context, bail};
use clap::Args;
use shared::{
    fixed_test::FixedTest,
    registry::{ChampionError, Registry, Version, find_champion_problem},
};

/// Refusals of `train` that an operator may override.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Allowances {
    /// Accept a first test set that begins before the training data end. Training rows in the
    /// period of the test set are refused nevertheless.
    #[arg(long = "allow-overlap")]
    pub overlap: bool,
    /// Make the first version champion even if it is not better than the seasonal naive forecast.
    #[arg(long = "allow-worse-than-naive")]
    pub worse_than_naive: bool,
}

/// Returns `true` if the registry never had a champion, or if none of its versions is left.
///
/// # Errors
/// Returns an error if the registry lost its champion, or if its champion has no run of
/// bike-traffic: a new version would not be compared with anything.
pub(super) async fn is_needed(registry: &dyn Registry) -> anyhow::Result<bool> {
    let cannot_train = "cannot train: there is no champion to compare the new version with";
    match registry.champion_state().await?.usable() {
        Ok(_) => match find_champion_problem(registry).await? {
            Some(problem) => bail!("{cannot_train}: {problem}"),
            None => Ok(false),
        },
        Err(ChampionError::Missing) => Ok(true),
        // There is nothing to compare with, and no version to return to.
        Err(_) if registry.versions().await?.is_empty() => Ok(true),
        Err(lost) => Err(lost).context(cannot_train),
    }
}

/// Returns `true` if the registry has no other version.
pub(super) async fn is_only(registry: &dyn Registry, version: Version) -> anyhow::Result<bool> {
    let versions = registry.versions().await?;
    Ok(versions.iter().all(|known| known.version == version))
}

/// Refuses a first champion if another version was trained as a champion before.
pub(super) async fn refuse_with_history(
    registry: &dyn Registry,
    version: Version,
) -> anyhow::Result<()> {
    let versions = registry.versions().await?;
    let is_earlier_champion = versions.iter().find(|known| {
        let training_type = known.run.tags.get("training_type");
        known.version != version && training_type.is_some_and(|kind| kind == "champion")
    });
    if let Some(earlier) = is_earlier_champion {
        bail!(
            "cannot make version {version} the first champion: version {} was trained as a champion before, but no \
             version has the alias `champion`; choose the champion with `bike-traffic rollback --to VERSION`, then run \
             the command again to compare with it",
            earlier.version
        );
    }
    Ok(())
}

/// Refuses a model whose forecasts of the test set are not better than the seasonal naive forecast
/// (same hour, one week earlier). Both are scored on the rows of the test set for which that
/// forecast is known.
pub(super) fn refuse_worse_than_naive(forecasts: &[f32], test: &FixedTest) -> anyhow::Result<()> {
    let (mut rows, mut of_model, mut of_naive) = (0_u32, 0.0_f64, 0.0_f64);
    for ((forecast, naive), actual) in forecasts
        .iter()
        .zip(test.frame.seasonal_naive())
        .zip(test.frame.targets())
        .filter(|((_, naive), _)| !naive.is_nan())
    {
        rows += 1;
        of_model += f64::from((forecast - actual).abs());
        of_naive += f64::from((naive - actual).abs());
    }
    // Without a known forecast, there is nothing to compare with.
    if rows > 0 && of_model >= of_naive {
        let mae = |sum: f64| sum / f64::from(rows);
        bail!(
            "cannot make this model the first champion: its MAE on the fixed test set is {:.2}, and that of the seasonal \
             naive forecast {:.2}; check the data, train longer with --rounds, or pass --allow-worse-than-naive",
            mae(of_model),
            mae(of_naive)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::{
        clock::{Clock, SimulatedClock},
        ports::Ports,
        registry::{Operator, Run},
    };

    use super::*;
    use crate::support::handmade::Handmade;

    #[tokio::test]
    async fn champion_without_a_run_is_refused_before_the_training() {
        let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
        let registry = Ports::in_memory(Arc::new(clock.clone())).registry;
        assert!(is_needed(&*registry).await.unwrap());
        let run = Run::new("first".parse().unwrap(), clock.now());
        let version = registry.register(&run).await.unwrap();
        let change = Operator::named("tests").champion_change(None, version);
        registry.move_alias(change).await.unwrap();
        assert!(!is_needed(&*registry).await.unwrap());

        let error = is_needed(&Handmade(registry))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot train:")
                && error.contains("version 1, which the functions cannot use")
                && error.contains("`bike-traffic rollback --to VERSION`"),
            "{error}"
        );
    }
}
