//! The light, and what to do now.

use super::*;

#[tokio::test]
async fn green_page_says_what_was_done_last() {
    let clock = SimulatedClock::new(today().at(9));
    let ports = Ports::in_memory(Arc::new(clock.clone()));
    record(&ports).await;
    register(&ports).await;
    let page = IndexPage::gather(&ports).await.unwrap();
    assert_eq!((page.light, page.actions.len()), (Light::Green, 0));
    assert_eq!(
        page.sentence,
        "All is well: the last day was ingested 2021-08-30 06:00, 2021-W34 was judged “drift” and \
         version 2 is the champion."
    );
    // The alert fires after 36 hours without an ingested day.
    for (hours, light) in [(36, Light::Green), (37, Light::Red)] {
        clock.set(
            today()
                .at(6)
                .checked_add(SignedDuration::from_hours(hours))
                .unwrap(),
        );
        let page = IndexPage::gather(&ports).await.unwrap();
        assert_eq!(page.light, light, "{hours}");
    }
    let late = IndexPage::gather(&ports).await.unwrap();
    assert_eq!(
        late.actions[0].commands[1],
        "bike-traffic ingest --from 2021-08-30",
    );
}

#[tokio::test]
async fn old_state_is_shown_as_it_was() {
    let clock = SimulatedClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let ports = Ports::in_memory(Arc::new(clock));
    record(&ports).await;
    register(&ports).await;
    let page = IndexPage::gather(&ports).await.unwrap();
    assert_eq!((page.at, page.light), (today().at(8), Light::Green));
}

#[tokio::test]
async fn major_drift_asks_for_a_retraining_until_a_person_changes_the_champion() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(today().at(9))));
    record(&ports).await;
    register(&ports).await;
    let entry = AuditEntry::new("major-drift", "the live MAE is 40 % above the limit");
    let id = "drift-check/2021-W34@2021-08-30T06-30-00Z";
    let major = row(Function::DriftCheck, id, today().at(8), entry);
    ports.warehouse.record(&major).await.unwrap();
    let page = IndexPage::gather(&ports).await.unwrap();
    assert_eq!(page.light, Light::Amber);
    // The week's page, also after a repeated check, as in the runbook.
    assert_eq!(
        page.actions[0].commands,
        [
            "bike-traffic report --week 2021-W34 --out week.html --open",
            "bike-traffic retrain --quarterly --dry-run",
            "bike-traffic retrain --quarterly",
        ]
    );
    for (decision, id, light) in [
        ("promoted", "promote/2021-W34", Light::Amber),
        ("retrained", "promote/retrain-2021-Q3", Light::Green),
    ] {
        let entry = AuditEntry {
            champion_version: Some(Version::new(2)),
            ..AuditEntry::new(decision, "better on the fixed test set")
        };
        let changed = row(Function::Promote, id, today().at(9), entry);
        ports.warehouse.record(&changed).await.unwrap();
        let page = IndexPage::gather(&ports).await.unwrap();
        assert_eq!(page.light, light, "{decision}");
    }
}

#[tokio::test]
async fn empty_state_is_red_because_it_has_no_champion() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(today().at(9))));
    let page = IndexPage::gather(&ports).await.unwrap();
    assert_eq!(page.light, Light::Red);
    assert_eq!(page.actions[0].commands[0], "bike-traffic train");
    assert!(render(&page).contains("There is no forecast"));
}

#[tokio::test]
async fn dead_letter_turns_the_light_red_and_names_the_commands() {
    let page = IndexPage::gather(&state().await).await.unwrap();
    assert_eq!(page.light, Light::Red);
    assert!(
        page.sentence.starts_with("1 dead letter of predict"),
        "{}",
        page.sentence
    );
    let first = &page.actions[0];
    assert_eq!(first.section, Some("Dead letters"));
    assert_eq!(
        first.commands,
        [
            "bike-traffic replay --dead-letters --dry-run",
            "bike-traffic replay --dead-letters --edit"
        ]
    );
    assert!(
        first.reasons[0].ends_with("there is no champion"),
        "{:?}",
        first.reasons
    );
}
