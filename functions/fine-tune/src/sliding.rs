//! The rows of the strategy `sliding-window`: the champion's baseline and all later days.

use std::{ops::RangeInclusive, sync::Arc};

use forecasting::{
    checksum::Checksum,
    counts::Counts,
    features::{FeatureSpec, Frame},
    time::{Day, Hour},
};
use model::ModelCard;
use runtime::Error;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    address::ObjectPath,
    baseline::DataSet,
    retryability::{Classify, Retryability},
    store::Store,
    training_baseline,
    warehouse::Warehouse,
};

use crate::Window;

/// The counts of baseline and later days, up to the last hour of training.
#[derive(Debug)]
pub(crate) struct SlidingRows {
    /// The data set of the baseline, or `None` for an uploaded file.
    pub(crate) data: Option<DataSet>,
    /// A checksum of baseline and later counts.
    pub(crate) digest: Checksum,
    object: ObjectPath,
    sha256: Checksum,
    is_champions: bool,
    counts: Counts,
    /// The first day after the baseline, and the last day of training.
    later_days: (Day, Day),
    test_hours: RangeInclusive<Hour>,
}

impl SlidingRows {
    /// Reads the baseline of a champion and the later days. Returns a text as the inner error if
    /// the baseline is missing or invalid.
    ///
    /// # Errors
    /// Returns an error if a port fails.
    pub(crate) async fn read(
        store: &Arc<dyn Store>,
        warehouse: &dyn Warehouse,
        champion: &ModelCard,
        window: Window,
        test_hours: RangeInclusive<Hour>,
        now: Timestamp,
    ) -> Result<Result<Self, String>, Error> {
        let wanted = champion.baseline.as_ref();
        let baseline = match training_baseline::load(store, wanted, now).await {
            Ok(baseline) => baseline,
            Err(error) if error.retryability() == Retryability::Permanent => {
                return Ok(Err(Error::from(error).chain()));
            }
            Err(error) => return Err(error.into()),
        };
        let Some((first, baseline_end)) = baseline.counts.period() else {
            return Ok(Err(format!(
                "the baseline {} has no counts",
                baseline.object
            )));
        };
        let end = window.last_training_hour();
        let mut counts = baseline.counts.between(first, end);
        let mut later = Counts::default();
        if baseline_end < end {
            let days = (baseline_end.day(), window.last_training);
            let known = warehouse.counts(days.0, days.1).await?;
            later = known.between(baseline_end.plus(1), end);
            later.deduplicate();
        }
        let digest = digest(&baseline.sha256, &later)?;
        counts.extend(&later);
        Ok(Ok(Self {
            is_champions: baseline.data.as_ref() == wanted,
            data: baseline.data,
            digest,
            object: baseline.object,
            sha256: baseline.sha256,
            counts,
            later_days: (baseline_end.plus(1).day(), window.last_training),
            test_hours,
        }))
    }

    /// Builds the features. The hours of the fixed test set are no rows, but they are known to the
    /// lags of later rows, as in live operation.
    pub(crate) fn frame(&self) -> Frame {
        let spec = FeatureSpec::for_counters([]);
        let Some((first, last)) = self.counts.period() else {
            return Frame::default();
        };
        let before_test = self.test_hours.start().plus(-1);
        let mut rows = self.counts.between(first, before_test);
        rows.extend(&self.counts.between(self.test_hours.end().plus(1), last));
        Frame::from_counts(&spec, &[&self.counts], &rows)
    }

    /// Returns the days of the daily tables: the first after the baseline, and the last of training.
    pub(crate) const fn later_days(&self) -> (Day, Day) {
        self.later_days
    }

    /// Describes the baseline for the audit log.
    pub(crate) fn detail(&self) -> Value {
        json!({ "object": self.object, "sha256": self.sha256, "is_champions": self.is_champions })
    }

    /// Returns a sentence if the baseline is not that of the champion.
    pub(crate) fn remark(&self) -> Option<String> {
        (!self.is_champions).then(|| {
            format!(
                "sliding-window used {}, because the champion's baseline is not stored",
                self.object
            )
        })
    }
}

/// Returns a checksum of the baseline's checksum and the later counts.
fn digest(baseline: &Checksum, later: &Counts) -> Result<Checksum, Error> {
    let mut bytes = serde_json::to_vec(&(baseline, later.counters()))
        .map_err(|error| Error::permanent("cannot name the run").caused_by(error))?;
    for row in later.rows() {
        let position = row.counter.position() as u64;
        bytes.extend(row.hour.number().to_le_bytes());
        bytes.extend(position.to_le_bytes());
        bytes.extend(row.count.to_le_bytes());
    }
    Ok(Checksum::of(&bytes))
}
