//! The training data that a strategy of fine-tuning retrains on.
//!
//! These are the data that the champion was trained on. If they are not stored, for example because
//! the champion was registered by an earlier version, they are the training data in use.

use std::sync::Arc;

use forecasting::{checksum::Checksum, counts::Counts};
use jiff::Timestamp;

use crate::{
    address::ObjectPath,
    baseline::{self, DataSet},
    fixed_test::{paths, read_baseline},
    store::{Store, StoreError},
};

/// The counts of a training baseline, with their origin.
#[derive(Clone, Debug)]
pub struct TrainingBaseline {
    /// The counts.
    pub counts: Counts,
    /// The path of the object with the counts.
    pub object: ObjectPath,
    /// The checksum of the object.
    pub sha256: Checksum,
    /// The data set, or `None` if the object was uploaded by a person.
    pub data: Option<DataSet>,
}

/// Reads the data set that a champion was trained on, or the training data in use if that is not
/// stored. Hours of uploaded files that begin after `now` are rejected.
///
/// # Errors
/// Returns an error if neither is stored or the counts cannot be read.
pub async fn load(
    store: &Arc<dyn Store>,
    champion: Option<&DataSet>,
    now: Timestamp,
) -> Result<TrainingBaseline, StoreError> {
    if let Some(data) = champion {
        let object = data.name.object();
        match read_baseline(store, &object, now).await {
            Ok((counts, sha256)) if sha256 == data.sha256 => {
                return Ok(TrainingBaseline {
                    counts,
                    object,
                    sha256,
                    data: Some(data.clone()),
                });
            }
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let [object, _] = paths(&**store).await?;
    let (counts, sha256) = read_baseline(store, &object, now).await?;
    let name = baseline::published(&**store)
        .await?
        .map(|(baseline, _)| baseline.train)
        .filter(|name| name.object() == object);
    let data = name.map(|name| DataSet {
        name,
        sha256: sha256.clone(),
    });
    Ok(TrainingBaseline {
        counts,
        object,
        sha256,
        data,
    })
}

#[cfg(test)]
mod tests {
    use forecasting::{
        counts::{Counter, write_french},
        time::Day,
    };

    use super::*;
    use crate::{
        baseline::{Baseline, DataSetDraft, Role, TRAIN_BASELINE, publish, store_data_set},
        store::{Condition, MemoryStore},
    };

    /// Returns the counts of one day, all equal to `count`.
    fn counts(count: u32) -> Counts {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        let day: Day = "2021-05-15".parse().unwrap();
        day.hours().for_each(|hour| counts.push(quai, hour, count));
        counts
    }

    async fn stored(store: &dyn Store, role: Role, count: u32) -> DataSet {
        let draft = DataSetDraft::new(role, &counts(count), Vec::new(), None);
        let draft = draft.unwrap().unwrap();
        let data = draft.data.clone();
        store_data_set(store, draft).await.unwrap();
        data
    }

    #[tokio::test]
    async fn data_of_the_champion_are_read_also_if_others_are_in_use() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (old, new) = (
            stored(&*store, Role::Train, 1).await,
            stored(&*store, Role::Train, 2).await,
        );
        let test = stored(&*store, Role::Test, 3).await;
        let baseline = Baseline {
            train: new.name.clone(),
            test: test.name,
        };
        publish(&*store, None, &baseline).await.unwrap();
        let missing = DataSet::new(
            Role::Train,
            "2021-01-01".parse().unwrap(),
            Checksum::of(b""),
        );
        for (champion, expected, count) in [
            (Some(&old), &old, 1),
            (Some(&missing), &new, 2),
            (None, &new, 2),
        ] {
            let found = load(&store, champion, Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!(found.data.as_ref(), Some(expected));
            assert_eq!(
                (found.counts.len(), found.counts.rows()[0].count),
                (24, count)
            );
        }
    }

    #[tokio::test]
    async fn uploaded_file_is_no_data_set() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let now = "2021-06-01T00:00:00Z".parse().unwrap();
        let error = load(&store, None, now).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
        let mut csv = Vec::new();
        write_french(&counts(4), &mut csv).unwrap();
        let path = ObjectPath::new(TRAIN_BASELINE);
        store
            .write(&path, csv.into(), Condition::Always)
            .await
            .unwrap();
        let found = load(&store, None, now).await.unwrap();
        assert_eq!((found.data, found.counts.len()), (None, 24));
        assert_eq!(found.object, path);
    }
}
