//! Tests that every `Warehouse` passes.

mod audit_log;
mod counts;
mod exports;
mod forecasts;

use std::sync::Arc;

use forecasting::{
    counts::{Count, Counter, Counts},
    time::{Day, Hour},
};
use shared::{
    Timestamp,
    audit::AuditRow,
    event::{EventId, Function},
    store::Store,
    warehouse::Warehouse,
};

pub use audit_log::{
    audit_log_is_ordered_by_recording, audit_log_since_includes_the_instant,
    audit_row_is_identified_by_function_event_and_decision, audit_rows_are_read_back,
    concurrently_recorded_rows_are_all_stored,
};
pub use counts::{
    count_days_returns_rows_and_hours, count_range_includes_both_ends_and_skips_gaps,
    counts_are_read_back, day_without_counts_is_empty, hours_are_complete_when_the_clocks_change,
    rewritten_day_is_replaced,
};
pub use exports::{
    export_has_each_count_once_and_in_order, export_of_days_without_a_table_is_empty,
    table_version_changes_with_each_replacement,
};
pub use forecasts::{
    forecast_range_includes_both_ends_and_skips_gaps, forecasts_are_read_back,
    rewritten_forecasts_are_replaced,
};

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! warehouse_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            warehouse_suite,
            $target,
            [
                counts_are_read_back,
                rewritten_day_is_replaced,
                count_range_includes_both_ends_and_skips_gaps,
                day_without_counts_is_empty,
                count_days_returns_rows_and_hours,
                table_version_changes_with_each_replacement,
                export_has_each_count_once_and_in_order,
                export_of_days_without_a_table_is_empty,
                hours_are_complete_when_the_clocks_change,
                forecasts_are_read_back,
                rewritten_forecasts_are_replaced,
                forecast_range_includes_both_ends_and_skips_gaps,
                audit_rows_are_read_back,
                audit_row_is_identified_by_function_event_and_decision,
                audit_log_is_ordered_by_recording,
                audit_log_since_includes_the_instant,
                concurrently_recorded_rows_are_all_stored,
            ]
        );
    };
}

/// The warehouse under test. Each test uses the daily tables of a different year and its own event
/// ids.
pub struct Setup {
    warehouse: Arc<dyn Warehouse>,
    store: Arc<dyn Store>,
    name: String,
}

impl Setup {
    /// Creates a target from a name that no event id contains yet, a warehouse, and a store for
    /// exports.
    pub fn new(name: &str, warehouse: Arc<dyn Warehouse>, store: Arc<dyn Store>) -> Self {
        Self {
            warehouse,
            store,
            name: name.to_owned(),
        }
    }

    fn event_id(&self, subject: &str) -> EventId {
        EventId::of(
            Function::DriftCheck,
            format_args!("{}-{subject}", self.name),
        )
    }

    /// Returns the rows of the audit log that this target recorded.
    async fn audit_log(&self) -> Vec<AuditRow> {
        self.own(self.warehouse.audit_log().await.unwrap())
    }

    fn own(&self, rows: Vec<AuditRow>) -> Vec<AuditRow> {
        let own = format!("{}/{}-", Function::DriftCheck, self.name);
        rows.into_iter()
            .filter(|row| row.event_id.to_string().starts_with(&own))
            .collect()
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn hour(day: Day, hours: i32) -> Hour {
    day.first_hour().plus(hours)
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns `count` for every hour of the days.
fn counts_of(days: &[Day], name: &str, count: u32) -> Counts {
    let mut counts = Counts::default();
    let counter = counts.intern(Counter {
        id: None,
        name: name.to_owned(),
        coordinates: None,
    });
    for hour in days.iter().flat_map(|day| day.hours()) {
        counts.push(counter, hour, count);
    }
    counts
}

/// Returns each count with its counter, in an order that does not depend on the adapter.
fn rows(counts: &Counts) -> Vec<(Hour, String, u32)> {
    let row = |row: &Count| {
        (
            row.hour,
            format!("{:?}", counts.counter(row.counter)),
            row.count,
        )
    };
    let mut rows: Vec<_> = counts.rows().iter().map(row).collect();
    rows.sort();
    rows
}
