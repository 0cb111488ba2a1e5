//! The number of decisions that a fixed test set has been used for.

use model::ModelCard;
use runtime::Error;
use shared::{
    address::ObjectPath,
    baseline::DataSet,
    evaluation::{Evaluation, FOLDER},
    registry::{Registry, RegistryError, Version},
    store::{Store, StoreError, read_json},
};

/// Returns the number of evaluations on a fixed test set, including that at `path`.
///
/// Only evaluations whose paths precede `path` count, so a repeated evaluation has the same number.
/// The paths are in the order of the weeks. Each evaluation has its own number, so usually one is
/// read. An evaluation of an earlier version has none and counts if its challenger was scored on
/// the test set. An evaluation that cannot be parsed does not count.
pub(crate) async fn count_uses(
    store: &dyn Store,
    registry: &dyn Registry,
    path: &ObjectPath,
    data: &DataSet,
) -> Result<u32, Error> {
    let paths = store.list(FOLDER).await?;
    let mut uses = 1;
    for earlier in paths.iter().filter(|earlier| *earlier < path).rev() {
        let evaluation = match read_json::<Evaluation>(store, earlier).await {
            Ok((evaluation, _)) => evaluation,
            Err(StoreError::NotFound { .. } | StoreError::Malformed { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match (&evaluation.fixed_test_set, evaluation.fixed_test_uses) {
            (Some(name), Some(before)) if *name == data.name => return Ok(before + uses),
            (Some(_), _) => {}
            (None, _) => {
                if was_scored_on(store, registry, evaluation.challenger, data).await? {
                    uses += 1;
                }
            }
        }
    }
    Ok(uses)
}

async fn was_scored_on(
    store: &dyn Store,
    registry: &dyn Registry,
    version: Version,
    data: &DataSet,
) -> Result<bool, Error> {
    let folder = match registry.version(version).await {
        Ok(registered) => registered.run.artifacts,
        Err(RegistryError::NotFound { .. } | RegistryError::Unusable { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match ModelCard::read(store, &folder).await {
        Ok(card) => Ok(card.fixed_test.as_ref() == Some(data)),
        Err(StoreError::NotFound { .. } | StoreError::Malformed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
