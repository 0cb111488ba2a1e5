//! Tests of the record of the champion's changes.

use shared::registry::REMEMBERED_PROMOTIONS;

use super::*;

const ONE: Version = Version::new(1);
const TWO: Version = Version::new(2);

/// The second change, from version 1 to version 2; version 7 was champion before version 1.
fn record(kind: Kind, is_complete: bool) -> Record {
    Record {
        changes: 2,
        from: Some(ONE),
        to: TWO,
        kind,
        event: None,
        earlier: Vec::new(),
        is_complete,
    }
}

#[test]
fn interrupted_change_has_not_happened_before_the_alias_moved() {
    let seven = Some(Version::new(7));
    let state = record(Kind::Promotion, false).state(Some(ONE), seven);
    assert_eq!(
        (state.changes, state.previous, state.last_change),
        (1, seven, None)
    );
}

#[test]
fn interrupted_change_knows_the_champion_before_it() {
    let seven = Some(Version::new(7));
    let state = record(Kind::Rollback, false).state(Some(TWO), seven);
    let change = ChampionChange {
        from: Some(ONE),
        to: TWO,
        is_rollback: true,
    };
    assert_eq!(
        (state.changes, state.previous, state.last_change),
        (2, Some(ONE), Some(change))
    );
}

#[test]
fn record_names_its_event_and_that_of_an_earlier_program_version_has_none() {
    let text = r#"{"changes":2,"from":1,"to":2,"kind":"promotion","is_complete":true}"#;
    let earlier: Record = serde_json::from_str(text).unwrap();
    assert_eq!(earlier, record(Kind::Promotion, true));
    let event: EventId = "evaluate/2021-W30".parse().unwrap();
    let named = Record {
        event: Some(event.clone()),
        ..earlier
    };
    let read: Record = serde_json::from_str(&serde_json::to_string(&named).unwrap()).unwrap();
    assert_eq!(read, named);
    let state = read.state(Some(TWO), Some(ONE));
    assert_eq!(state.promoted_by, Some(event));
    assert_eq!(read.state(Some(ONE), None).promoted_by, None);
}

#[test]
fn promotion_of_an_event_counts_once_its_alias_has_moved() {
    let promotion = |week: &str, to: Version| EventPromotion {
        event: week.parse().unwrap(),
        to,
    };
    let [earlier, own] = [
        promotion("evaluate/2021-W30", ONE),
        promotion("evaluate/2021-W31", TWO),
    ];
    let written = |is_complete: bool| Record {
        event: Some(own.event.clone()),
        earlier: vec![earlier.clone()],
        ..record(Kind::Promotion, is_complete)
    };
    for (is_complete, champion, has_happened) in [
        (false, ONE, false),
        (false, TWO, true),
        (true, TWO, true),
        (true, ONE, true),
    ] {
        let text = serde_json::to_string(&written(is_complete)).unwrap();
        let read: Record = serde_json::from_str(&text).unwrap();
        let mut expected = vec![earlier.clone()];
        expected.extend(has_happened.then(|| own.clone()));
        let found = read.state(Some(champion), None).event_promotions;
        assert_eq!(found, expected, "{is_complete} {champion}");
    }
}

#[test]
fn record_of_the_longest_events_fits_into_a_tag() {
    let event: EventId = format!("evaluate/{}", "W".repeat(191)).parse().unwrap();
    let to = Version::new(u32::MAX);
    let promotion = EventPromotion {
        event: event.clone(),
        to,
    };
    let present = ChampionState {
        event_promotions: vec![promotion; 2 * REMEMBERED_PROMOTIONS],
        ..ChampionState::default()
    };
    let record = Record {
        event: Some(event),
        ..Record::of_alias(to, &present)
    };
    assert_eq!(record.earlier.len(), REMEMBERED_PROMOTIONS);
    let length = serde_json::to_string(&record).unwrap().len();
    assert!(length <= 5_000, "{length}");
}

#[test]
fn alias_moved_back_by_another_program_is_a_further_change() {
    for champion in [Some(ONE), Some(Version::new(3)), None] {
        let state = record(Kind::Promotion, true).state(champion, Some(ONE));
        assert_eq!(
            (state.changes, state.last_change),
            (3, None),
            "{champion:?}"
        );
    }
}
