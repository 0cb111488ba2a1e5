#![doc = include_str!("../README.md")]

mod check;
mod intervals;
mod live;

use std::sync::Arc;

use forecasting::policy::Policy;
use report::publish::{PageAddress, Pages, week_of};
use runtime::{
    Context, Error, Handler, Outcome, check_is_over, check_is_past, check_store, check_warehouse,
};
use serde_json::json;
use shared::{
    address::ObjectPath,
    audit::AuditEntry,
    event::{DriftCheckRequested, DriftDetected, Function, Topic},
    notifier::Notification,
    ports::Ports,
    registry,
    registry::Registry,
    settings::{SettingsError, Variables, optional},
    store::{Condition, Store, write_json},
    warehouse::Warehouse,
    week_report,
};

pub use check::{WeekCounts, check_week};
pub use shared::week_report::{
    ChampionRecord, IntervalCoverage, LiveAccuracy, RecentIntervals, WeekReport,
};

/// The handler of drift check requests.
pub struct DriftCheck {
    policy: Policy,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// Creates the handler from the variable `POLICY`. It writes pages.
///
/// # Errors
/// Returns an error if `POLICY` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<DriftCheck, SettingsError> {
    let policy = optional(variables, "POLICY")?.unwrap_or_default();
    Ok(DriftCheck::new(policy, ports).with_pages(ports))
}

impl DriftCheck {
    /// Creates the handler with a policy and the ports it uses.
    pub fn new(policy: Policy, ports: &Ports) -> Self {
        Self {
            policy,
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            registry: Arc::clone(&ports.registry),
            pages: None,
        }
    }

    /// Writes the page of the week, that of its month and the on-call page after each judgement.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::of(ports)),
            ..self
        }
    }

    async fn champion(&self) -> Result<ChampionRecord, Error> {
        let version = registry::champion(&*self.registry).await?;
        let run = self.registry.version(version).await?.run;
        let test_mae = run.metrics.get("test_mae").copied().ok_or_else(|| {
            Error::permanent(format!(
                "version {version} has no metric `test_mae`; train a champion with `bike-traffic train`"
            ))
        })?;
        Ok(ChampionRecord { version, test_mae })
    }
}

impl Handler for DriftCheck {
    const FUNCTION: Function = Function::DriftCheck;
    const PUBLISHES: &'static [Topic] = &[Topic::DriftDetected];
    type Event = DriftCheckRequested;

    async fn handle(
        &self,
        event: DriftCheckRequested,
        context: &Context,
    ) -> Result<Outcome, Error> {
        let week = event.week(context.published_at);
        let request = format!("drift-check --week {week} --request");
        check_is_over(week, context.now, "cannot judge", &request)?;
        let (attempt, command) = (format!("cannot judge {week} again"), request + " --again");
        check_is_past(("again", event.again), context.now, &attempt, &command)?;
        let champion = self.champion().await?;
        let counts = WeekCounts::read(&*self.warehouse, week).await?;
        counts.check_due(&self.policy, context.now)?;
        let report = check_week(
            &self.store,
            &*self.warehouse,
            &self.policy,
            champion,
            &counts,
            context.now,
        )
        .await?;
        let report = WeekReport {
            // The event's time, not that of the delivery, so that a redelivery writes the same.
            started_at: Some(context.published_at),
            ..report
        };
        let path = week_report::path(context.event_id.subject_of_week(week));
        context.fence.check().await?;
        write_json(&*self.store, &path, &report, Condition::Always).await?;
        if report.verdict.major {
            tracing::error!(%week, reason = report.verdict.reason, "major drift: retrain the champion locally");
        }
        let detected = DriftDetected {
            event_id: context.event_id.clone(),
            week,
            champion: champion.version,
            report: path.clone(),
            major: report.verdict.major,
        };
        let page = self.pages.as_ref();
        let page = page.map(|pages| pages.address_of_week(week));
        let outcome = Outcome::new(entry(&report, &path, page));
        if report.verdict.fine_tune {
            return Ok(outcome.publish(&detected));
        }
        // Nothing follows, so the verdict is that of the week.
        let AuditEntry {
            decision, reason, ..
        } = outcome.entry();
        let notification = Notification::of_week(week, decision, reason, &*self.store);
        Ok(outcome.notify(notification))
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let Some(pages) = &self.pages else { return };
        let week = week_of(&context.event_id, entry);
        let fence = &context.fence;
        pages.update(week, move || fence.check()).await;
    }

    /// Checks that store, warehouse and registry answer, and that there is a champion.
    async fn ready(&self) -> Result<(), Error> {
        check_store(&*self.store).await?;
        check_warehouse(&*self.warehouse).await?;
        registry::champion(&*self.registry).await?;
        Ok(())
    }
}

fn entry(report: &WeekReport, path: &ObjectPath, page: Option<PageAddress>) -> AuditEntry {
    let decision = match &report.verdict {
        verdict if verdict.major => "major-drift",
        verdict if verdict.dataset_drift => "drift",
        verdict if verdict.fine_tune => "live-error-too-high",
        _ => "no-drift",
    };
    AuditEntry {
        // Absent if no column was compared.
        drift_detected: report.drift.share().map(|_| report.verdict.dataset_drift),
        mae: report.live.map(|scores| scores.mae),
        rmse: report.live.map(|scores| scores.rmse),
        r2: report.live.map(|scores| scores.r2),
        fine_tune_triggered: Some(report.verdict.fine_tune),
        champion_version: Some(report.champion.version),
        detail: json!({
            "week": report.week,
            "report": path,
            "page": page,
            "drifted_share": report.drift.share(),
            "drifted_columns": report.drifted_columns(),
            "count_columns": report.count_columns(),
            "excluded_columns": report.excluded_columns(),
            "days_with_counts": report.days_with_counts,
            "coverage": report.coverage,
            "live": report.live,
            "accuracy": report.accuracy,
            "recent_intervals": report.recent_intervals,
        }),
        ..AuditEntry::new(decision, report.verdict.reason.clone())
    }
}

#[cfg(test)]
mod tests;
