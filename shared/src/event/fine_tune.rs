//! The request to fine-tune the champion.

use std::{fmt, str::FromStr};

use forecasting::time::{Day, Week};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::{Event, EventId, Function, Topic, messages::write_instant};

/// A request to fine-tune the champion without drift, for example after the summer holidays.
/// Without a week it means the last full week before the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FineTuneRequested {
    /// The week whose window is trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
    /// The reason, for the audit log.
    pub reason: Reason,
    /// The name of the training strategy. Replaces that of the function's recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// The fields of the recipe that differ from the function's recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipeFields>,
    /// The time of the request; the time of publication if absent, as in the scheduler's requests.
    /// It is part of the event id, and of the ids of all events that follow. So each request has a
    /// challenger, an evaluation and a decision of its own, however often it is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
}

impl FineTuneRequested {
    /// Returns the requested week.
    pub fn week(&self, published_at: Timestamp) -> Week {
        let before = || Day::of(self.time(published_at)).plus(-7).week();
        self.week.unwrap_or_else(before)
    }

    fn time(&self, published_at: Timestamp) -> Timestamp {
        self.requested_at.unwrap_or(published_at)
    }
}

impl Event for FineTuneRequested {
    const TOPIC: Topic = Topic::FineTuneRequested;

    fn event_id(&self, published_at: Timestamp) -> EventId {
        let week = self.week(published_at);
        let instant = write_instant(self.time(published_at));
        // The word keeps the subject apart from that of a drift check that is repeated.
        EventId::of(
            Function::FineTune,
            format_args!("{week}@requested-{instant}"),
        )
    }
}

/// The reason for a request: 1 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Reason(String);

impl Reason {
    const MAXIMUM_CHARACTERS: usize = 500;
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        let characters = text.chars().count();
        let is_valid = (1..=Self::MAXIMUM_CHARACTERS).contains(&characters)
            && !text.contains(|character: char| character.is_control());
        is_valid
            .then(|| Self(text.to_owned()))
            .ok_or(ReasonError { characters })
    }
}

/// The error returned when a text is not a valid [`Reason`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid reason of {characters} characters: expected 1 to {maximum} characters on one line",
    maximum = Reason::MAXIMUM_CHARACTERS
)]
pub struct ReasonError {
    characters: usize,
}

/// Fields of a recipe, as a JSON object. The function that uses the recipe checks them.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RecipeFields(Box<RawValue>);

impl RecipeFields {
    /// Returns the JSON object.
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for RecipeFields {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl<'de> Deserialize<'de> for RecipeFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        if value.get().starts_with('{') {
            Ok(Self(value))
        } else {
            Err(D::Error::custom("recipe must be a JSON object"))
        }
    }
}

impl FromStr for RecipeFields {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{decode, encode};

    const PUBLISHED: &str = "2021-09-06T05:00:00Z";

    fn request(text: &str) -> FineTuneRequested {
        decode(text.as_bytes()).unwrap()
    }

    fn id(text: &str, published_at: &str) -> EventId {
        request(text).event_id(published_at.parse().unwrap())
    }

    #[test]
    fn scheduled_request_means_the_week_before_its_publication() {
        let text = r#"{"type":"fine-tune-requested","reason":"la rentrée"}"#;
        let id = id(text, PUBLISHED);
        assert_eq!(
            id.to_string(),
            "fine-tune/2021-W35@requested-2021-09-06T05-00-00Z"
        );
        let week = "2021-W35".parse().unwrap();
        assert_eq!(
            id.subject_of_week(week),
            "2021-W35@requested-2021-09-06T05-00-00Z"
        );
    }

    #[test]
    fn request_with_a_time_has_one_id_however_often_it_is_published() {
        let text = r#"{"type":"fine-tune-requested","reason":"a","requested_at":"2021-09-06T05:00:00.5Z"}"#;
        for published_at in [PUBLISHED, "2021-10-06T05:00:00Z"] {
            assert_eq!(
                id(text, published_at).to_string(),
                "fine-tune/2021-W35@requested-2021-09-06T05-00-00.5Z"
            );
        }
        let of_week = r#"{"type":"fine-tune-requested","week":"2021-W30","reason":"a"}"#;
        assert!(
            id(of_week, PUBLISHED)
                .to_string()
                .starts_with("fine-tune/2021-W30@")
        );
    }

    #[test]
    fn request_round_trips_through_json() {
        let text = r#"{"type":"fine-tune-requested","week":"2021-W35","reason":"la rentrée","strategy":"append","recipe":{"epochs": 5,"freeze_layers":null},"requested_at":"2021-09-06T05:00:00Z"}"#;
        assert_eq!(encode(&request(text)), text.as_bytes());
    }

    #[test]
    fn request_without_a_valid_reason_or_recipe_is_rejected() {
        let long = format!(r#""reason":"{}""#, "é".repeat(501));
        for (fields, expected) in [
            (r#""week":"2021-W35""#, "missing field `reason`"),
            (r#""reason":" ""#, "invalid reason of 0 characters"),
            (r#""reason":"a\nb""#, "invalid reason of 3 characters"),
            (long.as_str(), "invalid reason of 501 characters"),
            (
                r#""reason":"a","recipe":[]"#,
                "recipe must be a JSON object",
            ),
        ] {
            let text = format!(r#"{{"type":"fine-tune-requested",{fields}}}"#);
            let error = decode::<FineTuneRequested>(text.as_bytes()).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains(expected), "{cause}");
        }
        let longest = "é".repeat(500);
        assert_eq!(
            format!(" {longest} ")
                .parse::<Reason>()
                .unwrap()
                .to_string(),
            longest
        );
    }
}
