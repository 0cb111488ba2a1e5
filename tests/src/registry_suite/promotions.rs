//! Tests of promotions, which move two aliases.

use shared::{
    event::{EventId, Function},
    registry::{
        AliasChange, ChampionChange, ChampionState, EventPromotion, Operator, Promoted, Promotion,
        REMEMBERED_PROMOTIONS, RegistryError, Version, complete_last_change, promote,
    },
};

use super::Setup;

fn promotion(from: Option<Version>, to: Version) -> Promotion {
    Promotion::by_operator(&Operator::named("tests"), from, to)
}

/// A promotion moves `champion` and `previous`, and is counted and recorded.
pub async fn promotion_moves_both_aliases_and_is_recorded(target: &Setup) {
    let registry = &*target.registry;
    assert_eq!(
        registry.champion_state().await.unwrap(),
        ChampionState::default()
    );
    let [first, second] = target.register(["first", "second"]).await;
    for (from, to, previous, changes) in [
        (None, first, None, 1),
        (Some(first), second, Some(first), 2),
    ] {
        let promoted = promote(registry, &promotion(from, to)).await.unwrap();
        assert_eq!(promoted, Promoted::Done);
        let last_change = ChampionChange {
            from,
            to,
            is_rollback: false,
        };
        let expected = ChampionState {
            champion: Some(to),
            previous,
            changes,
            last_change: Some(last_change),
            promoted_by: None,
            event_promotions: Vec::new(),
            deleted: None,
        };
        assert_eq!(registry.champion_state().await.unwrap(), expected);
        assert_eq!(target.aliases().await, [Some(to), None, previous]);
    }
}

/// A repeated promotion is done, and does not count as a further change.
pub async fn repeated_promotion_changes_nothing(target: &Setup) {
    let registry = &*target.registry;
    let [first, second] = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let change = promotion(Some(first), second);
    let _ = promote(registry, &change).await.unwrap();
    let before = registry.champion_state().await.unwrap();
    assert_eq!(promote(registry, &change).await.unwrap(), Promoted::Done);
    complete_last_change(registry, &before).await.unwrap();
    assert_eq!(registry.champion_state().await.unwrap(), before);
}

/// A completion that read the state before a rollback does not undo the rollback.
pub async fn late_completion_changes_nothing(target: &Setup) {
    let registry = &*target.registry;
    let [first, second] = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let change = promotion(Some(first), second);
    let _ = promote(registry, &change).await.unwrap();
    let seen = registry.champion_state().await.unwrap();
    let back = Promotion::rollback(&Operator::named("tests"), &seen, first);
    let _ = promote(registry, &back).await.unwrap();
    let after = registry.champion_state().await.unwrap();
    complete_last_change(registry, &seen).await.unwrap();
    assert_eq!(registry.champion_state().await.unwrap(), after);
}

/// A promotion by another event is told apart from a repetition of the event that moved the alias.
pub async fn promotion_by_another_event_is_told_apart(target: &Setup) {
    let registry = &*target.registry;
    let [first, second] = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let event = |week: &str| EventId::of(Function::Evaluate, week);
    let by = |week: &str| promotion(Some(first), second).decided_by(&event(week));
    let (own, other) = ("2021-W30", "2021-W31");
    assert_eq!(promote(registry, &by(own)).await.unwrap(), Promoted::Done);
    let before = registry.champion_state().await.unwrap();
    assert_eq!(before.promoted_by, Some(event(own)));
    for (week, expected) in [(other, Promoted::Already), (own, Promoted::Done)] {
        assert_eq!(promote(registry, &by(week)).await.unwrap(), expected);
    }
    assert_eq!(registry.champion_state().await.unwrap(), before);

    let back = Promotion::rollback(&Operator::named("tests"), &before, first);
    let _ = promote(registry, &back).await.unwrap();
    let after = registry.champion_state().await.unwrap();
    assert_eq!((after.champion, after.promoted_by), (Some(first), None));
    let again = promotion(Some(second), first).decided_by(&event(own));
    assert_eq!(promote(registry, &again).await.unwrap(), Promoted::Already);
}

/// A repetition of the event that moved the alias says so after any later changes, and undoes none.
pub async fn promotion_that_was_overtaken_is_told_apart(target: &Setup) {
    let registry = &*target.registry;
    let [first, second, third] = target.register(["first", "second", "third"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let event = |week: &str| EventId::of(Function::Evaluate, week);
    let own = promotion(Some(first), second).decided_by(&event("2021-W30"));
    let next = promotion(Some(first), third).decided_by(&event("2021-W31"));
    let late = promotion(Some(first), second).decided_by(&event("2021-W32"));
    let back = async |to: Version| {
        let seen = registry.champion_state().await.unwrap();
        let back = Promotion::rollback(&Operator::named("tests"), &seen, to);
        assert_eq!(promote(registry, &back).await.unwrap(), Promoted::Done);
    };
    let assert_overtaken = async |by: &Promotion, champion: Version, is_rollback: bool| {
        let before = registry.champion_state().await.unwrap();
        let expected = Promoted::Overtaken {
            champion: Some(champion),
            is_rollback,
        };
        assert_eq!(promote(registry, by).await.unwrap(), expected);
        assert_eq!(registry.champion_state().await.unwrap(), before);
    };
    assert_eq!(promote(registry, &own).await.unwrap(), Promoted::Done);
    back(first).await;
    assert_overtaken(&own, first, true).await;
    assert_eq!(promote(registry, &next).await.unwrap(), Promoted::Done);
    assert_overtaken(&own, third, false).await;
    let champion = Some(third);
    let stale = Promoted::Stale { champion };
    assert_eq!(promote(registry, &late).await.unwrap(), stale);
    back(second).await;
    assert_overtaken(&own, second, true).await;
    assert_overtaken(&next, second, true).await;
    assert_eq!(promote(registry, &late).await.unwrap(), Promoted::Already);
}

/// The events of the last promotions are remembered, oldest first.
pub async fn events_of_the_last_promotions_are_remembered(target: &Setup) {
    let registry = &*target.registry;
    let versions = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, versions[0]))
        .await
        .unwrap();
    let mut expected = Vec::new();
    for number in 0..REMEMBERED_PROMOTIONS + 2 {
        let (from, to) = (versions[number % 2], versions[(number + 1) % 2]);
        let event = EventId::of(Function::Evaluate, number);
        let next = promotion(Some(from), to).decided_by(&event);
        assert_eq!(promote(registry, &next).await.unwrap(), Promoted::Done);
        expected.push(EventPromotion { event, to });
    }
    let found = registry.champion_state().await.unwrap().event_promotions;
    let last = &expected[expected.len() - REMEMBERED_PROMOTIONS..];
    assert_eq!(&found[found.len() - REMEMBERED_PROMOTIONS..], last);
}

/// A promotion does not undo a rollback that came after its decision, although the champion is the
/// version that the decision was about.
pub async fn promotion_decided_before_a_rollback_is_stale(target: &Setup) {
    let registry = &*target.registry;
    let operator = Operator::named("tests");
    let [first, second] = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let seen = registry.champion_state().await.unwrap();
    let decided = Promotion::rollback(&operator, &seen, second);
    assert_eq!(promote(registry, &decided).await.unwrap(), Promoted::Done);
    let seen = registry.champion_state().await.unwrap();
    let rollback = Promotion::rollback(&operator, &seen, first);
    assert_eq!(promote(registry, &rollback).await.unwrap(), Promoted::Done);
    let champion = Some(first);
    assert_eq!(
        promote(registry, &decided).await.unwrap(),
        Promoted::Stale { champion }
    );
    assert_eq!(target.aliases().await, [Some(first), None, Some(second)]);
    let last_change = registry.champion_state().await.unwrap().last_change;
    assert!(last_change.unwrap().is_rollback);
}

/// A promotion to an unknown version fails, and moves neither alias.
pub async fn promotion_to_unknown_version_changes_nothing(target: &Setup) {
    let registry = &*target.registry;
    let [first] = target.register(["first"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let before = registry.champion_state().await.unwrap();
    let unknown = Version::new(7);
    let error = promote(registry, &promotion(Some(first), unknown))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { version } if version == unknown),
        "{error:?}"
    );
    assert_eq!(registry.champion_state().await.unwrap(), before);
}

/// An earlier program version moved `champion` and was interrupted before it moved `previous`.
pub async fn previous_follows_an_unrecorded_move(target: &Setup) {
    let registry = &*target.registry;
    let [first, second] = target.register(["first", "second"]).await;
    let _ = promote(registry, &promotion(None, first)).await.unwrap();
    let change = promotion(Some(first), second);
    registry
        .move_alias(AliasChange::champion(&change))
        .await
        .unwrap();
    assert_eq!(target.aliases().await, [Some(second), None, None]);
    assert_eq!(promote(registry, &change).await.unwrap(), Promoted::Done);
    assert_eq!(target.aliases().await, [Some(second), None, Some(first)]);
}
