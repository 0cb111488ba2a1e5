//! The reason of the audit row.

use crate::{DayReport, coverage::NAMED_COUNTERS};

/// Describes the ingestion of consecutive days in one sentence.
pub(crate) fn of(reports: &[DayReport]) -> String {
    let mut parts = Vec::new();
    let replaced: Vec<_> = reports
        .iter()
        .filter(|report| report.is_replaced())
        .collect();
    if let (Some(first), Some(last)) = (replaced.first(), replaced.last()) {
        let rows: u64 = replaced.iter().map(|day| day.rows).sum();
        let records: u64 = replaced.iter().map(|day| day.records).sum();
        let rejected: u64 = replaced.iter().map(|day| day.rejected).sum();
        let duplicates: u64 = replaced.iter().map(|day| day.duplicates).sum();
        let counters = replaced.iter().map(|day| day.counters).max();
        let days = if first.day == last.day {
            first.day.to_string()
        } else {
            format!("{} to {}", first.day, last.day)
        };
        parts.push(format!(
            "{rows} counts of {} counters for {days}, {rejected} of {records} records rejected, \
             {duplicates} duplicates",
            counters.unwrap_or_default()
        ));
    }
    for report in reports {
        parts.extend(remarks(report));
    }
    parts.join("; ")
}

/// Returns the facts about a day that a reader of the audit log must not miss.
fn remarks(report: &DayReport) -> Vec<String> {
    let day = report.day;
    let mut remarks = Vec::new();
    match (&report.loss, &report.kept_reply) {
        (Some(loss), Some(path)) => remarks.push(format!(
            "the counts of {day} stay, because the reply lacks {loss}; the reply is in {path}; \
             `bike-traffic ingest --from {day} --to {day} --force` replaces the counts"
        )),
        (Some(loss), None) => remarks.push(format!("by force, the table of {day} lost {loss}")),
        (None, _) => {}
    }
    let coverage = &report.coverage;
    if report.is_replaced() && coverage.incomplete_counters > 0 {
        remarks.push(format!(
            "{} of {} counters of {day} have fewer than {} hours, the least {}",
            coverage.incomplete_counters,
            report.counters,
            coverage.expected_hours,
            coverage.least_hours
        ));
    }
    if report.is_replaced() && report.has_only_zeros {
        remarks.push(format!("all counts of {day} are 0"));
    }
    if !report.separated_counters.is_empty() {
        remarks.push(format!(
            "counters of one name are told apart by their id in the reply for {day}: {}",
            names(&report.separated_counters)
        ));
    }
    if !report.absent_fields.is_empty() {
        let fields = report.absent_fields.join(", ");
        remarks.push(format!("no record of {day} has the field {fields}"));
    }
    if report.unreadable_coordinates > 0 {
        remarks.push(format!(
            "{} counts of {day} have coordinates that cannot be parsed",
            report.unreadable_coordinates
        ));
    }
    remarks
}

/// Lists the first names, and the number of the others.
fn names(all: &[String]) -> String {
    let named = all[..all.len().min(NAMED_COUNTERS)].join(", ");
    match all.len().saturating_sub(NAMED_COUNTERS) {
        0 => named,
        others => format!("{named}, and {others} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_five_names_are_listed_and_the_others_counted() {
        let all: Vec<_> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(names(&all[..5]), "1, 2, 3, 4, 5");
        assert_eq!(names(&all), "1, 2, 3, 4, 5, and 2 more");
    }
}
