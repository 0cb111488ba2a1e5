//! The two inputs of the function: detected drift, and requests.

use forecasting::time::Week;
use model::FineTuneRecipe;
use runtime::{Context, Error, check_is_over, check_is_past};
use serde_json::{Map, Value};
use shared::{
    Timestamp,
    event::{
        DecodeError, DriftDetected, Event, EventId, FineTuneRequested, Function, Input, Reason,
        Topic, decode,
    },
    registry::{self, Registry, Version},
};

/// The events that the function handles.
#[derive(Clone, Debug, PartialEq)]
pub enum FineTuneInput {
    /// A week has drifted.
    DriftDetected(DriftDetected),
    /// An operator or a schedule requests the fine-tuning.
    Requested(FineTuneRequested),
}

impl Input for FineTuneInput {
    const TOPICS: &'static [Topic] = &[DriftDetected::TOPIC, FineTuneRequested::TOPIC];

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if Function::FineTune.topic_of(bytes) == FineTuneRequested::TOPIC {
            return decode(bytes).map(Self::Requested);
        }
        decode(bytes)
            .map(Self::DriftDetected)
            .map_err(|error| match error {
                DecodeError::Unknown { found, .. } => DecodeError::Unknown {
                    expected: Self::TOPICS,
                    found,
                },
                error => error,
            })
    }

    fn id(&self, published_at: Timestamp) -> EventId {
        match self {
            Self::DriftDetected(event) => event.event_id(published_at),
            Self::Requested(event) => event.event_id(published_at),
        }
    }
}

/// The fine-tuning of a champion for a week.
pub(crate) struct Job {
    pub(crate) week: Week,
    /// The subject of the results: the week, with the instant if it was judged again or requested.
    pub(crate) subject: String,
    pub(crate) champion: Version,
    pub(crate) recipe: FineTuneRecipe,
    /// The reason of the request; `None` for drift.
    pub(crate) reason: Option<Reason>,
}

impl Job {
    /// Returns the fine-tuning that an event asks for.
    ///
    /// After drift, the champion of the drift check is fine-tuned, and on request the present one.
    ///
    /// # Errors
    /// Returns a permanent error if a requested week is not over, if the time or the recipe of a
    /// request is invalid, or if there is no champion.
    pub(crate) async fn new(
        input: FineTuneInput,
        recipe: &FineTuneRecipe,
        registry: &dyn Registry,
        context: &Context,
    ) -> Result<Self, Error> {
        let (week, champion, recipe, reason) = match input {
            FineTuneInput::DriftDetected(event) => {
                (event.week, event.champion, recipe.clone(), None)
            }
            FineTuneInput::Requested(event) => {
                let week = event.week(context.published_at);
                let command = format!("fine-tune --week {week}");
                check_is_over(week, context.now, "cannot fine-tune for", &command)?;
                let requested_at = ("requested_at", event.requested_at);
                let attempt = format!("cannot fine-tune for {week}");
                check_is_past(requested_at, context.now, &attempt, &command)?;
                let recipe = requested_recipe(recipe, &event)?;
                let champion = registry::champion(registry).await?;
                (week, champion, recipe, Some(event.reason))
            }
        };
        Ok(Self {
            week,
            subject: context.event_id.subject_of_week(week),
            champion,
            recipe,
            reason,
        })
    }

    /// Returns the sentence of the audit row, which begins with the reason of a request.
    pub(crate) fn explain(&self, sentence: String) -> String {
        match &self.reason {
            None => sentence,
            Some(reason) => format!("requested ({reason}): {sentence}"),
        }
    }
}

/// Returns the function's recipe with the fields of a request.
fn requested_recipe(
    recipe: &FineTuneRecipe,
    request: &FineTuneRequested,
) -> Result<FineTuneRecipe, Error> {
    let attempt = || Error::permanent("cannot read the recipe of the request");
    let base: Map<String, Value> = serde_json::to_value(recipe)
        .and_then(serde_json::from_value)
        .map_err(|error| attempt().caused_by(error))?;
    let mut fields: Map<String, Value> = match &request.recipe {
        None => Map::new(),
        Some(fields) => {
            serde_json::from_str(fields.json()).map_err(|error| attempt().caused_by(error))?
        }
    };
    if let Some(strategy) = &request.strategy {
        fields.insert("strategy".to_owned(), Value::String(strategy.clone()));
    }
    let with = |fields: &Map<String, Value>| -> Result<FineTuneRecipe, String> {
        let mut all = base.clone();
        all.extend(fields.clone());
        Value::Object(all).to_string().parse()
    };
    with(&fields).map_err(|error| {
        // The error of a value does not name its field.
        let is_invalid = |(name, value): &(&String, &Value)| {
            with(&Map::from_iter([((*name).clone(), (*value).clone())])).is_err()
        };
        let name = fields.iter().find(is_invalid).map(|(name, _)| name);
        let field = name.map_or_else(
            || "combination of fields".to_owned(),
            |name| format!("`{name}`"),
        );
        Error::permanent(format!(
            "invalid {field} in the recipe of the request: {error}; request it again with \
             `bike-traffic fine-tune`"
        ))
    })
}
