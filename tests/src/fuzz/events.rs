//! The events between functions.

use std::fmt::Debug;

use jiff::Timestamp;
use shared::event::{
    ChallengerEvaluated, ChallengerTrained, ChampionDecided, DayIngested, DecodeError,
    DriftCheckRequested, DriftDetected, Event, EventId, FineTuneRequested, IngestRequested,
    MAXIMUM_EVENT_BYTES, decode, encode,
};

/// The bytes that encoding can add: separators in dates, times and seconds.
const ADDED_BYTES: usize = 256;

/// Decodes a message as each event.
///
/// Asserts that a decoded event is decoded unchanged after encoding, that it is hardly larger, that
/// its id is valid, that at most one topic accepts a message, and that none accepts a message above
/// the limit.
pub fn events(data: &[u8]) {
    let accepted = [
        is_accepted::<IngestRequested>(data),
        is_accepted::<DayIngested>(data),
        is_accepted::<DriftCheckRequested>(data),
        is_accepted::<DriftDetected>(data),
        is_accepted::<FineTuneRequested>(data),
        is_accepted::<ChallengerTrained>(data),
        is_accepted::<ChallengerEvaluated>(data),
        is_accepted::<ChampionDecided>(data),
    ];
    let topics = accepted.iter().filter(|accepted| **accepted).count();
    assert!(topics <= 1, "{accepted:?}");
}

fn is_accepted<E: Event + PartialEq + Debug>(data: &[u8]) -> bool {
    let decoded = decode::<E>(data);
    if data.len() > MAXIMUM_EVENT_BYTES {
        assert!(matches!(decoded, Err(DecodeError::TooLarge { .. })));
    }
    let Ok(event) = decoded else {
        return false;
    };
    let encoded = encode(&event);
    assert!(encoded.len() <= data.len() + ADDED_BYTES);
    if encoded.len() <= MAXIMUM_EVENT_BYTES {
        let again: E = decode(&encoded).expect("an encoded event is valid");
        assert_eq!(again, event);
    }
    for published_at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let id = event.event_id(published_at);
        assert_eq!(id.to_string().parse::<EventId>().ok(), Some(id));
    }
    true
}
