//! The weekly errors of all tracks, on the same rows.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Model, Threads};
use shared::{ports::Ports, registry::Version};

use crate::support::tracks::{LiveRows, Played, WeekRows, mae};

/// The errors of each week in the order of the weeks, in bicycles an hour; `None` without rows.
pub(super) type WeeklyErrors = Vec<Option<f64>>;

/// The compared rows, and the errors of the forecasts that no policy affects.
#[derive(Clone)]
pub(super) struct Scores {
    rows: Arc<LiveRows>,
    pub(super) weeks: Arc<Vec<WeekRows>>,
    /// The first champion without correction.
    pub(super) frozen: WeeklyErrors,
    /// The first champion with the daily correction.
    pub(super) corrected: WeeklyErrors,
    /// The seasonal naive forecast, on the rows for which it is known.
    pub(super) seasonal_naive: WeeklyErrors,
}

impl Scores {
    /// Compares the first champion and the played tracks on the rows that all of them forecast.
    pub(super) fn new(
        rows: Arc<LiveRows>,
        champion: &Model,
        played: &[Vec<Played>],
    ) -> anyhow::Result<Self> {
        let frozen = rows.forecast(champion)?;
        let published: Vec<_> = played
            .iter()
            .flatten()
            .map(|played| rows.published(&played.forecasts))
            .collect();
        let lists: Vec<_> = std::iter::once(&frozen)
            .chain(&published)
            .map(Vec::as_slice)
            .collect();
        let weeks = Arc::new(rows.compared(&lists));
        let corrected = rows.correct(&frozen);
        let seasonal_naive = rows.seasonal_naive();
        let errors = |forecasts: &[f64]| errors(&rows, &weeks, forecasts);
        Ok(Self {
            frozen: errors(&frozen),
            corrected: errors(&corrected),
            seasonal_naive: errors(&seasonal_naive),
            weeks,
            rows,
        })
    }

    /// Returns the weekly errors of published forecasts.
    pub(super) fn published(&self, played: &Played) -> WeeklyErrors {
        let forecasts = self.rows.published(&played.forecasts);
        errors(&self.rows, &self.weeks, &forecasts)
    }
}

fn errors(rows: &LiveRows, weeks: &[WeekRows], forecasts: &[f64]) -> WeeklyErrors {
    let error = |week: &WeekRows| mae(&week.rows, forecasts, rows.counts());
    weeks.iter().map(error).collect()
}

/// The weekly errors of a registered version, as if it had been champion in each week.
pub(super) struct VersionErrors {
    pub(super) version: Version,
    pub(super) trained_at: Timestamp,
    pub(super) alone: WeeklyErrors,
    pub(super) corrected: WeeklyErrors,
}

/// Forecasts all weeks again with each registered version.
pub(super) async fn version_errors(
    scores: Scores,
    ports: Ports,
) -> anyhow::Result<Vec<VersionErrors>> {
    let (rows, weeks) = (&scores.rows, &scores.weeks);
    let mut versions = Vec::new();
    for registered in ports.registry.versions().await? {
        let version = registered.version;
        let registry = &*ports.registry;
        let model = Model::load_version(&ports.store, registry, version, Threads::All).await?;
        let alone = rows.forecast(&model)?;
        let corrected = rows.correct(&alone);
        versions.push(VersionErrors {
            version,
            trained_at: registered.run.ended_at,
            alone: errors(rows, weeks, &alone),
            corrected: errors(rows, weeks, &corrected),
        });
    }
    Ok(versions)
}
