//! The data that a champion is trained and scored on.

use std::path::Path;

use anyhow::{Context, bail};
use forecasting::{
    counts::Counts,
    features::{FeatureSpec, Frame, MINIMUM_ZEROS, Outage},
};
use shared::{
    baseline::{self, Baseline, DataSet, DataSetDraft, DataSetName, Role, Source},
    fixed_test::{self, FixedTest},
    store::{Store, StoreError},
};
use tokio::{runtime::Handle, task};

use crate::support::{
    background::joined,
    data_file::{self, Loaded},
    progress,
};

/// Training data and a fixed test set, loaded and stored as data sets.
pub(crate) struct TrainingData {
    pub(crate) train: Loaded,
    pub(crate) test: Loaded,
    pub(crate) train_data: DataSet,
    pub(crate) test_data: DataSet,
}

/// The origin of training data that an earlier step derived from other files.
pub(crate) struct Origin {
    /// The files that the data were derived from.
    pub(crate) sources: Vec<Source>,
    /// The data set that the data continue.
    pub(crate) parent: DataSetName,
}

impl TrainingData {
    /// Reads both files and describes them as data sets, which [`Uploads::store`] stores. Training
    /// data without an origin have their file as the only source, and continue the published
    /// baseline. Rejected rows are written to files in the folder `rejects`.
    ///
    /// Training data may continue after the test set if that test set is in use already: they are
    /// the merged data of later months. The first test set must follow its training data, unless
    /// `allow_overlap` is set.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, if training data lie in the period of the test
    /// set or after the first test set, or if another test set is in use.
    pub(crate) async fn read(
        paths: (&str, &str),
        rejects: &Path,
        store: &dyn Store,
        origin: Option<Origin>,
        allow_overlap: bool,
    ) -> anyhow::Result<(Self, Uploads)> {
        let read = load_both(paths, rejects);
        let (train, test) = progress::noting("reading the data sets", read).await?;
        refuse_overlap(&train.counts, &test.counts)?;
        let in_use = baseline::published(store)
            .await?
            .map(|(baseline, _)| baseline);
        let test_set = pack(Role::Test, &test, vec![test.source.clone()], None)?;
        refuse_other_test_set(&test_set.data, in_use.as_ref())?;
        if in_use.is_none() && !allow_overlap {
            refuse_early_test_set(&train.counts, &test.counts)?;
        }
        let (sources, parent) = match origin {
            Some(Origin { sources, parent }) => (sources, Some(parent)),
            None => (
                vec![train.source.clone()],
                in_use.map(|baseline| baseline.train),
            ),
        };
        let train_set = pack(Role::Train, &train, sources, parent)?;
        let data = Self {
            train,
            test,
            train_data: train_set.data.clone(),
            test_data: test_set.data.clone(),
        };
        Ok((data, Uploads([train_set, test_set])))
    }

    /// Reads both files like [`TrainingData::read`] and stores them.
    ///
    /// # Errors
    /// Returns the errors of [`TrainingData::read`], or an error if the store fails.
    pub(crate) async fn load(
        paths: (&str, &str),
        rejects: &Path,
        store: &dyn Store,
        origin: Option<Origin>,
        allow_overlap: bool,
    ) -> anyhow::Result<Self> {
        let (data, uploads) = Self::read(paths, rejects, store, origin, allow_overlap).await?;
        progress::noting("uploading the data sets", uploads.store(store)).await?;
        Ok(data)
    }

    /// Builds the features of the training data. Counts of the test set serve only as lags of later
    /// hours, as in production, and never as targets.
    pub(crate) fn frame(&self, spec: &FeatureSpec) -> Frame {
        Frame::from_counts(spec, &[&self.test.counts], &self.train.counts)
    }

    /// Builds the features of the test set.
    pub(crate) fn fixed_test(&self) -> FixedTest {
        FixedTest {
            data: self.test_data.clone(),
            frame: fixed_test::frame(&self.train.counts, &self.test.counts),
        }
    }

    /// Returns the names of both data sets as a baseline.
    pub(crate) fn baseline(&self) -> Baseline {
        Baseline {
            train: self.train_data.name.clone(),
            test: self.test_data.name.clone(),
        }
    }
}

/// Data sets that are not stored yet.
pub(crate) struct Uploads([DataSetDraft; 2]);

impl Uploads {
    /// Stores the data sets, unless they exist.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(crate) async fn store(self, store: &dyn Store) -> Result<(), StoreError> {
        for draft in self.0 {
            baseline::store_data_set(store, draft).await?;
        }
        Ok(())
    }
}

/// Reads the training data and, on another thread, the test set.
async fn load_both(
    (train_path, test_path): (&str, &str),
    rejects: &Path,
) -> anyhow::Result<(Loaded, Loaded)> {
    let runtime = Handle::current();
    let (path, test_rejects) = (test_path.to_owned(), rejects.join("test_baseline.csv"));
    let reading = task::spawn_blocking(move || runtime.block_on(load(&path, &test_rejects)));
    let train = load(train_path, &rejects.join("train_baseline.csv")).await;
    let test = joined(reading).await;
    Ok((train?, test?))
}

/// Reads a file and normalizes its counts, so that the order of its rows does not affect the model.
async fn load(path: &str, rejects: &Path) -> anyhow::Result<Loaded> {
    let loaded = data_file::load(path, rejects).await?;
    Ok(Loaded {
        counts: loaded.counts.normalized(),
        ..loaded
    })
}

fn pack(
    role: Role,
    loaded: &Loaded,
    sources: Vec<Source>,
    parent: Option<DataSetName>,
) -> anyhow::Result<DataSetDraft> {
    let draft = DataSetDraft::new(role, &loaded.counts, sources, parent)?;
    draft.with_context(|| format!("no counts in {}", loaded.source.name))
}

/// Refuses training data with rows in the test period, because they would invalidate the test.
fn refuse_overlap(train: &Counts, test: &Counts) -> anyhow::Result<()> {
    let Some((first, last)) = test.period() else {
        return Ok(());
    };
    let inside = train
        .rows()
        .iter()
        .filter(|row| (first..=last).contains(&row.hour))
        .count();
    if inside > 0 {
        bail!(
            "{inside} rows of the training data lie in the period of the fixed test set, {first} to {last}; remove them \
             with `bike-traffic merge-baseline`, or split an export with `bike-traffic split`"
        );
    }
    Ok(())
}

/// Refuses a test set that begins before the training data end, because a champion is used on later
/// data than it was trained on. The usual cause are two files in each other's place.
fn refuse_early_test_set(train: &Counts, test: &Counts) -> anyhow::Result<()> {
    let (Some((_, train_end)), Some((test_start, _))) = (train.period(), test.period()) else {
        return Ok(());
    };
    if test_start < train_end {
        bail!(
            "the fixed test set begins at {test_start}, before the training data end at {train_end}; check whether the \
             two files were swapped, split an export with `bike-traffic split`, or pass --allow-overlap"
        );
    }
    Ok(())
}

/// Refuses a test set that is not in use, because champions are compared on the same test set and
/// production measures drift against it.
fn refuse_other_test_set(given: &DataSet, in_use: Option<&Baseline>) -> anyhow::Result<()> {
    match in_use {
        Some(baseline) if baseline.test != given.name => bail!(
            "the fixed test set is {}, but the given file is {given}; champions are compared on the same test set: \
             pass the one in use ({}), or start over with another bucket and another MLFLOW_MODEL_NAME",
            baseline.test,
            baseline.test.object()
        ),
        _ => Ok(()),
    }
}

/// Refuses a test set that has no row to score a model on, or none to compare it with the seasonal
/// naive forecast. Once such a set is published, it keeps every other test set out.
pub(super) fn refuse_unscorable(test: &FixedTest) -> anyhow::Result<()> {
    let is_dead = test
        .frame
        .outages()
        .iter()
        .all(|outage| *outage == Outage::Zeros);
    if is_dead {
        bail!(
            "cannot score a model on the fixed test set {}: all its counts are in runs of {MINIMUM_ZEROS} or more \
             zeros of a counter; check the file, or split an export with `bike-traffic split`",
            test.data
        );
    }
    if test
        .frame
        .seasonal_naive()
        .iter()
        .all(|naive| naive.is_nan())
    {
        bail!(
            "cannot score a model on the fixed test set {}: no hour has a count of the same counter one week earlier \
             to compare with; check the names of the counters and the periods of both files, or split an export with \
             `bike-traffic split`",
            test.data
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use forecasting::{checksum::Checksum, counts::Counter, time::Day};
    use shared::store::MemoryStore;

    use super::*;

    fn counts(days: &[(&str, &str)]) -> Counts {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        for (first, last) in days {
            let (first, last): (Day, Day) = (first.parse().unwrap(), last.parse().unwrap());
            first
                .through(last)
                .flat_map(Day::hours)
                .for_each(|hour| counts.push(quai, hour, 7));
        }
        counts
    }

    #[test]
    fn training_data_inside_the_test_period_are_rejected() {
        let test = counts(&[("2021-05-16", "2021-05-31")]);
        assert!(
            refuse_overlap(
                &counts(&[("2021-05-01", "2021-05-15"), ("2021-06-01", "2021-06-30")]),
                &test
            )
            .is_ok()
        );
        let error = refuse_overlap(&counts(&[("2021-05-01", "2021-05-16")]), &test)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("24 rows of the training data"), "{error}");
    }

    #[test]
    fn test_set_that_begins_before_the_training_data_end_is_rejected() {
        let (early, late) = (
            counts(&[("2021-05-01", "2021-05-15")]),
            counts(&[("2021-05-16", "2021-05-31")]),
        );
        assert!(refuse_early_test_set(&early, &late).is_ok());
        let error = refuse_early_test_set(&late, &early)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--allow-overlap"), "{error}");
        // Only the last day of the training data is later.
        let around = counts(&[("2021-04-01", "2021-04-30"), ("2021-05-16", "2021-05-16")]);
        assert!(refuse_early_test_set(&around, &early).is_err());
    }

    /// Returns the hours of a period whose counts differ from hour to hour, or are all 0.
    fn traffic(name: &str, (first, last): (&str, &str), is_dead: bool) -> Counts {
        let mut counts = Counts::default();
        let counter = counts.intern(Counter {
            id: None,
            name: name.to_owned(),
            coordinates: None,
        });
        let (first, last): (Day, Day) = (first.parse().unwrap(), last.parse().unwrap());
        let hours = first.through(last).flat_map(Day::hours);
        for (hour, count) in hours.zip((10..34).cycle()) {
            counts.push(counter, hour, if is_dead { 0 } else { count });
        }
        counts
    }

    #[test]
    fn test_set_without_rows_to_score_is_refused() {
        let before = traffic("Quai", ("2021-05-01", "2021-05-15"), false);
        let refusal = |test: &Counts| {
            let test = FixedTest {
                data: DataSet::new(
                    Role::Test,
                    "2021-05-31".parse().unwrap(),
                    Checksum::of(b"test"),
                ),
                frame: fixed_test::frame(&before, test),
            };
            refuse_unscorable(&test)
                .err()
                .map(|error| error.to_string())
        };
        let period = ("2021-05-16", "2021-05-31");
        assert_eq!(refusal(&traffic("Quai", period, false)), None);
        let dead = refusal(&traffic("Quai", period, true)).unwrap();
        assert!(dead.contains("24 or more zeros"), "{dead}");
        // Another counter, for less than a week.
        let foreign = traffic("Pont", ("2021-05-16", "2021-05-20"), false);
        let foreign = refusal(&foreign).unwrap();
        assert!(foreign.contains("one week earlier"), "{foreign}");
    }

    #[tokio::test]
    async fn data_with_an_origin_continue_it_and_not_the_published_baseline() {
        let (folder, store) = (tempfile::tempdir().unwrap(), MemoryStore::default());
        let write = |name: &str, counts: &Counts| {
            let path = folder.path().join(name);
            data_file::save(counts, &path).unwrap();
            path.to_string_lossy().into_owned()
        };
        let test = write("test.csv", &counts(&[("2021-05-16", "2021-05-31")]));
        let load = async |last: &str, origin: Option<Origin>| {
            let train = write("train.csv", &counts(&[("2021-05-01", last)]));
            let data = TrainingData::load((&train, &test), folder.path(), &store, origin, false)
                .await
                .unwrap();
            (
                baseline::manifest(&store, &data.train_data.name)
                    .await
                    .unwrap(),
                data.baseline(),
            )
        };
        let (merged, _) = load("2021-05-10", None).await;
        let (_, others) = load("2021-05-11", None).await;
        baseline::publish(&store, None, &others).await.unwrap();
        let origin = Origin {
            sources: merged.sources.clone(),
            parent: merged.name.clone(),
        };
        let (with_origin, _) = load("2021-05-12", Some(origin)).await;
        assert_eq!(
            (with_origin.parent, with_origin.sources),
            (Some(merged.name), merged.sources)
        );
        let (without, _) = load("2021-05-13", None).await;
        assert_eq!(without.parent, Some(others.train));
    }
}
