//! The state that a page shows: its time, its option in commands, and the week of a decision.

use forecasting::time::Week;
use jiff::{SignedDuration, Timestamp};
use shared::{
    address::ObjectPath,
    audit::{AuditEntry, AuditRow},
    event::EventId,
    ports::Ports,
    store::Store,
};

/// The folder of all pages and reports.
pub const FOLDER: &str = "reports/";
/// The path of the on-call page.
pub(crate) const INDEX: &str = "reports/index.html";
/// A state whose last decision is older than this is shown as it was then. It is that of a
/// simulated run, whose time lies in the past.
const OLD_STATE: SignedDuration = SignedDuration::from_hours(24 * 35);

/// The type of errors of a page's sources.
pub type GatherError = Box<dyn std::error::Error + Send + Sync>;

/// Returns the option that selects the deployment or state of a store in a command of
/// `bike-traffic`, with a leading space: ` --cloud` or ` --state FOLDER`. Empty for a store in
/// memory.
pub(crate) fn target_option(store: &dyn Store) -> String {
    let address = store.address_of(&ObjectPath::new(INDEX));
    if address.starts_with("gs://") {
        return " --cloud".to_owned();
    }
    let folder = address
        .strip_prefix("file://")
        .and_then(|file| file.strip_suffix(&format!("/objects/{INDEX}")));
    folder.map_or_else(String::new, |folder| format!(" --state {}", quoted(folder)))
}

/// Quotes a word for a shell, if it needs quotes.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "/._-+=:,@%".contains(character);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns the time that the pages of a state show: the present, or the last decision in a local
/// state of the past, such as that of a simulated run.
pub(crate) fn time_of(ports: &Ports, rows: &[AuditRow]) -> Timestamp {
    let now = ports.clock.now();
    let is_cloud = ports
        .store
        .address_of(&ObjectPath::new(INDEX))
        .starts_with("gs://");
    let last = rows.iter().map(|row| row.timestamp).max();
    last.filter(|last| !is_cloud && now.duration_since(*last) > OLD_STATE)
        .unwrap_or(now)
}

/// Returns the week that the decision about an event is about, if it is about one.
pub fn week_of(event_id: &EventId, entry: &AuditEntry) -> Option<Week> {
    let stored = entry.detail.get("week").and_then(|week| week.as_str());
    let subject = event_id.subject();
    let named = subject.split('@').next().unwrap_or(subject);
    stored
        .and_then(|week| week.parse().ok())
        .or_else(|| named.parse().ok())
}

#[cfg(test)]
mod tests {
    use shared::event::Function;

    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(quoted("/srv/state-1"), "/srv/state-1");
        assert_eq!(quoted("/srv/Ada's state"), r"'/srv/Ada'\''s state'");
    }

    #[test]
    fn week_of_a_row_is_in_its_detail_or_its_subject() {
        let row = |id: &str, detail| {
            let entry = AuditEntry {
                detail,
                ..AuditEntry::new("kept", "a reason")
            };
            let id: EventId = id.parse().unwrap();
            entry.into_row(Timestamp::UNIX_EPOCH, Function::Promote, id, "local")
        };
        let null = serde_json::Value::Null;
        let week = |text: &str| text.parse().ok();
        for (row, expected) in [
            (row("evaluate/2021-W31", null.clone()), week("2021-W31")),
            (
                row("evaluate/2021-W31@2021-08-10T06-00-00Z", null.clone()),
                week("2021-W31"),
            ),
            (
                row(
                    "evaluate/request-1",
                    serde_json::json!({ "week": "2021-W30" }),
                ),
                week("2021-W30"),
            ),
            (row("promote/rollback-1", null), None),
        ] {
            assert_eq!(
                week_of(&row.event_id, &row.entry),
                expected,
                "{}",
                row.event_id
            );
        }
    }
}
