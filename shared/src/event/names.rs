//! The names of functions and topics.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A function of the system, in the order of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Predict => "predict",
            Self::DriftCheck => "drift-check",
            Self::FineTune => "fine-tune",
            Self::Evaluate => "evaluate",
            Self::Promote => "promote",
        }
    }

    /// Returns the topic that the function's subscription reads.
    pub const fn input(self) -> Topic {
        match self {
            Self::Ingest => Topic::IngestRequested,
            Self::Predict => Topic::DayIngested,
            Self::DriftCheck => Topic::DriftCheckRequested,
            Self::FineTune => Topic::DriftDetected,
            Self::Evaluate => Topic::ChallengerTrained,
            Self::Promote => Topic::ChallengerEvaluated,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Function {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL
            .into_iter()
            .find(|function| function.name() == text);
        found.ok_or_else(|| UnknownName {
            what: "function",
            text: text.to_owned(),
        })
    }
}

/// A topic of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Daily requests to ingest.
    IngestRequested,
    /// Events of ingest: a day's counts are stored.
    DayIngested,
    /// Weekly requests to drift-check.
    DriftCheckRequested,
    /// Events of drift-check, published only on drift.
    DriftDetected,
    /// Events of fine-tune: a challenger is registered.
    ChallengerTrained,
    /// Events of evaluate: the challenger is scored.
    ChallengerEvaluated,
    /// Events of promote. No function subscribes to them.
    ChampionDecided,
    /// Messages that a function has rejected, with the reason.
    DeadLetter(Function),
}

impl Topic {
    /// The topics that carry events.
    pub const EVENTS: [Self; 7] = [
        Self::IngestRequested,
        Self::DayIngested,
        Self::DriftCheckRequested,
        Self::DriftDetected,
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

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IngestRequested => formatter.write_str("ingest-requested"),
            Self::DayIngested => formatter.write_str("day-ingested"),
            Self::DriftCheckRequested => formatter.write_str("drift-check-requested"),
            Self::DriftDetected => formatter.write_str("drift-detected"),
            Self::ChallengerTrained => formatter.write_str("challenger-trained"),
            Self::ChallengerEvaluated => formatter.write_str("challenger-evaluated"),
            Self::ChampionDecided => formatter.write_str("champion-decided"),
            Self::DeadLetter(function) => write!(formatter, "{function}-dead-letter"),
        }
    }
}

impl FromStr for Topic {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::all().find(|topic| topic.to_string() == text);
        found.ok_or_else(|| UnknownName {
            what: "topic",
            text: text.to_owned(),
        })
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The error returned when a text is not the name of a [`Function`] or [`Topic`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{text}`")]
pub struct UnknownName {
    what: &'static str,
    text: String,
}
