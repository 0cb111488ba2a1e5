//! The history of the champion.

use super::*;

/// A version of the history: decision, version, test MAE, and the change that overtook it.
type Listed<'c> = (&'c str, Version, Option<f64>, Option<&'c str>);

fn listed(change: &Change) -> Listed<'_> {
    (
        change.decision.as_str(),
        change.version,
        change.test_mae,
        change.since.as_deref(),
    )
}

/// Returns a state in which version 3 was promoted and rolled back before the row of its promotion
/// was written.
async fn overtaken() -> Ports {
    let ports = state().await;
    let minutes = |minutes| today().at(8) + SignedDuration::from_mins(minutes);
    let rolled_back = AuditEntry {
        champion_version: Some(Version::new(2)),
        challenger_version: Some(Version::new(3)),
        ..AuditEntry::new("rolled-back", "nights are too high")
    };
    let promoted = AuditEntry {
        champion_version: Some(Version::new(2)),
        challenger_version: Some(Version::new(3)),
        mae: Some(14.5),
        challenger_mae: Some(13.25),
        detail: serde_json::json!({ "started_at": minutes(5) }),
        ..AuditEntry::new("promoted", "7 % better; rolled back since to version 2")
    };
    let id = "promote/rollback-3";
    let rolled_back = row(Function::Promote, id, minutes(30), rolled_back).by_operator();
    let id = "evaluate/2021-W34@2021-08-30T05-00-00Z";
    let promoted = row(Function::Promote, id, minutes(45), promoted);
    for row in [rolled_back, promoted] {
        ports.warehouse.record(&row).await.unwrap();
    }
    ports
}

#[tokio::test]
async fn overtaken_promotion_is_listed_with_what_overtook_it() {
    let page = IndexPage::gather(&overtaken().await).await.unwrap();
    let changes = page.champions.changes.iter();
    assert_eq!(
        changes.map(listed).collect::<Vec<_>>(),
        [
            ("rolled-back", Version::new(2), None, None),
            (
                "promoted",
                Version::new(3),
                Some(13.25),
                Some("rolled back since to version 2")
            ),
            ("promoted", Version::new(2), Some(14.5), None),
            ("trained", Version::new(1), None, None),
        ]
    );
    let html = render(&page);
    for text in [
        "Version 2 is the champion since 2021-08-30 08:30",
        "<td>promoted; rolled back since to version 2</td>",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[tokio::test]
async fn overtaken_promotion_makes_no_champion_in_the_audit_log() {
    let ports = overtaken().await;
    let page = IndexPage::gather_from(&ports, ChampionSource::AuditLog).await;
    let champions = page.unwrap().champions;
    assert_eq!(
        (champions.champion, champions.previous),
        (Some(Version::new(2)), Some(Version::new(3)))
    );
}
