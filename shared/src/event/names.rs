//! The names of functions and topics.

use std::{fmt, str::FromStr};

use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, IntoStaticStr};

/// A function of the system, in the order of the flow.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumString,
    IntoStaticStr,
    SerializeDisplay,
    DeserializeFromStr,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownName, parse_err_fn = UnknownName::function)]
pub enum Function {
    /// Fetches the counts of a day.
    Ingest,
    /// Forecasts the counts of the next day.
    Predict,
    /// Compares a week with the fixed test set.
    DriftCheck,
    /// Fine-tunes the champion into a challenger.
    FineTune,
    /// Scores the champion and the challenger on the same rows.
    Evaluate,
    /// Decides whether to promote the challenger.
    Promote,
}

impl Function {
    /// All functions, in the order of the flow.
    pub const ALL: [Self; 6] = [
        Self::Ingest,
        Self::Predict,
        Self::DriftCheck,
        Self::FineTune,
        Self::Evaluate,
        Self::Promote,
    ];

    /// Returns the name used in topics, paths, logs and audit rows.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the topics that the function's subscriptions read; at least one.
    pub const fn inputs(self) -> &'static [Topic] {
        match self {
            Self::Ingest => &[Topic::IngestRequested],
            Self::Predict => &[Topic::DayIngested],
            Self::DriftCheck => &[Topic::DriftCheckRequested],
            Self::FineTune => &[Topic::DriftDetected, Topic::FineTuneRequested],
            Self::Evaluate => &[Topic::ChallengerTrained],
            Self::Promote => &[Topic::ChallengerEvaluated],
        }
    }

    /// Returns the name of the function's subscription to an input topic: the function's name for
    /// the first topic, and the topic's name for the others.
    pub fn subscription(self, topic: Topic) -> String {
        if self.inputs().first() == Some(&topic) {
            self.name().to_owned()
        } else {
            topic.to_string()
        }
    }
}

/// A topic of the bus.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    SerializeDisplay,
    DeserializeFromStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Topic {
    /// Daily requests to ingest.
    IngestRequested,
    /// Events of ingest: a day's counts are stored.
    DayIngested,
    /// Weekly requests to drift-check.
    DriftCheckRequested,
    /// Events of drift-check, published only on drift.
    DriftDetected,
    /// Requests to fine-tune without drift.
    FineTuneRequested,
    /// Events of fine-tune: a challenger is registered.
    ChallengerTrained,
    /// Events of evaluate: the challenger is scored.
    ChallengerEvaluated,
    /// Events of promote. No function subscribes to them.
    ChampionDecided,
    /// Messages that a function has rejected, with the reason.
    #[strum(to_string = "{0}-dead-letter")]
    DeadLetter(Function),
}

impl Topic {
    /// The topics that carry events.
    pub const EVENTS: [Self; 8] = [
        Self::IngestRequested,
        Self::DayIngested,
        Self::DriftCheckRequested,
        Self::DriftDetected,
        Self::FineTuneRequested,
        Self::ChallengerTrained,
        Self::ChallengerEvaluated,
        Self::ChampionDecided,
    ];

    /// Returns all topics: those of events, then those of dead letters.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::EVENTS
            .into_iter()
            .chain(Function::ALL.map(Self::DeadLetter))
    }
}

impl FromStr for Topic {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::all().find(|topic| topic.to_string() == text);
        found.ok_or_else(|| UnknownName {
            what: "topic",
            text: text.to_owned(),
            known: names(Self::all()),
        })
    }
}

/// The error returned when a text is not the name of a [`Function`] or [`Topic`]. It lists the names.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{text}`; the {what}s are {known}")]
pub struct UnknownName {
    what: &'static str,
    text: String,
    known: String,
}

impl UnknownName {
    fn function(text: &str) -> Self {
        Self {
            what: "function",
            text: text.to_owned(),
            known: names(Function::ALL),
        }
    }
}

/// Returns the names, separated by commas, the last one by `and`.
fn names<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    let mut names: Vec<_> = all.into_iter().map(|name| name.to_string()).collect();
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_is_answered_with_the_names() {
        let error = "drift".parse::<Function>().unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no function `drift`; the functions are ingest, predict, drift-check, \
             fine-tune, evaluate and promote"
        );
        let error = "ingested".parse::<Topic>().unwrap_err().to_string();
        let expected =
            "there is no topic `ingested`; the topics are ingest-requested, day-ingested, ";
        assert!(error.starts_with(expected), "{error}");
        assert!(error.ends_with(" and promote-dead-letter"), "{error}");
    }
}
