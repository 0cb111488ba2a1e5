//! The parts of a run and of a version that MLflow's user interface shows to people.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    baseline::Role,
    registry::{RunSource, VersionDecision},
};

use super::{Run, wire};

/// The maximum length of a description and of a version's tag in MLflow's database.
const DESCRIPTION_CHARACTERS: usize = 5000;
/// The tags of the decision about a version.
const DECISION_TAG: &str = "decision";
const REASON_TAG: &str = "reason";
const FRESH_MAE_TAG: &str = "fresh_mae";
const PAGE_TAG: &str = "page";
/// The tags of the training strategy with the start and the commit of the program.
const STARTED_AT_TAG: &str = "started_at";
const COMMIT_TAG: &str = "git_commit";
/// The tags that MLflow's user interface shows as the description, the creator and the source.
pub(super) const DESCRIPTION_TAG: &str = "mlflow.note.content";
const USER_TAG: &str = "mlflow.user";
const SOURCE_TYPE_TAG: &str = "mlflow.source.type";
const SOURCE_NAME_TAG: &str = "mlflow.source.name";
const SOURCE_COMMIT_TAG: &str = "mlflow.source.git.commit";
/// The beginning of the names of curves, which are not metrics of the model.
pub(super) const CURVE_PREFIX: &str = "training/";

/// Returns the time at which a run started, in milliseconds since 1970: that of its tag, or else
/// its end.
pub(super) fn start_time(run: &Run) -> i64 {
    let tag = run.tags.get(STARTED_AT_TAG);
    let started_at = tag.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    started_at
        .filter(|started_at| *started_at <= run.ended_at)
        .unwrap_or(run.ended_at)
        .as_millisecond()
}

/// Returns the tags of a run that only MLflow's user interface shows.
pub(super) fn notes(run: &Run) -> Vec<wire::Text> {
    let notes = &run.notes;
    let (kind, name) = match &notes.source {
        Some(RunSource::Command(name)) => (Some("LOCAL"), Some(name.as_str())),
        Some(RunSource::Job(name)) => (Some("JOB"), Some(name.as_str())),
        None => (None, None),
    };
    let description = truncated(&notes.description, wire::TAG_CHARACTERS);
    let tags = [
        (
            DESCRIPTION_TAG,
            Some(description).filter(|text| !text.is_empty()),
        ),
        (USER_TAG, notes.user.as_deref()),
        (SOURCE_TYPE_TAG, kind),
        (SOURCE_NAME_TAG, name),
        (
            SOURCE_COMMIT_TAG,
            run.tags.get(COMMIT_TAG).map(String::as_str),
        ),
    ];
    tags.into_iter()
        .filter_map(|(key, value)| Some(text(key, value?)))
        .collect()
}

/// Returns the metrics of a run and the points of its curves in MLflow's format.
///
/// All have the time `timestamp`, so that a repeated registration changes nothing: MLflow ignores a
/// metric that it has with this step and time. Metrics belong to the logged model `model_id`, and
/// those of a test set also to its data set. Curves belong to the run.
pub(super) fn metrics(run: &Run, model_id: &str, timestamp: i64) -> Vec<Value> {
    let test_set = run
        .inputs
        .iter()
        .find(|input| input.name.role() == Role::Test);
    let of_model = run.metrics.iter().map(|(key, value)| {
        let mut metric =
            json!({ "key": key, "value": value, "timestamp": timestamp, "model_id": model_id });
        if let Some(data) = test_set.filter(|_| key.starts_with("test_")) {
            metric["dataset_name"] = json!(data.name);
            metric["dataset_digest"] = json!(data.digest);
        }
        metric
    });
    let curves = run.notes.curves.iter();
    let of_run = curves.flat_map(|(name, points)| {
        points.iter().filter(|point| point.value.is_finite()).map(move |point| {
            json!({
                "key": format!("{CURVE_PREFIX}{name}"), "value": point.value, "timestamp": timestamp, "step": point.step,
            })
        })
    });
    of_model.chain(of_run).collect()
}

/// Returns the tags of a decision.
pub(super) fn decision(decision: &VersionDecision) -> Vec<wire::Text> {
    let VersionDecision {
        decision,
        reason,
        fresh_mae,
        page,
    } = decision;
    let mut tags = vec![
        text(DECISION_TAG, decision),
        text(REASON_TAG, truncated(reason, DESCRIPTION_CHARACTERS)),
    ];
    tags.extend(fresh_mae.map(|mae| text(FRESH_MAE_TAG, &mae.to_string())));
    tags.extend(page.as_deref().map(|page| text(PAGE_TAG, page)));
    tags
}

/// Returns `true` for the tags of a decision that the run has as well.
pub(super) fn is_of_run(tag: &wire::Text) -> bool {
    [DECISION_TAG, PAGE_TAG].contains(&tag.key.as_str())
}

/// Returns the description of a version: a sentence with the decision, the link to its page, and
/// the model card.
pub(super) fn description(decision: Option<&VersionDecision>, card: &str) -> String {
    let sentence = match decision {
        None => "Not decided yet.".to_owned(),
        Some(VersionDecision {
            decision,
            reason,
            page,
            ..
        }) => {
            let link = page.as_ref().map(|page| format!(" [The page]({page})"));
            format!(
                "{}: {}.{}",
                capitalized(decision),
                reason.trim_end_matches('.'),
                link.unwrap_or_default()
            )
        }
    };
    let text = format!("{sentence}\n\n{card}");
    truncated(text.trim_end(), DESCRIPTION_CHARACTERS).to_owned()
}

/// Returns a decision with a capital as at the beginning of a sentence, without hyphens.
fn capitalized(decision: &str) -> String {
    let mut characters = decision.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(characters)
        .collect::<String>()
        .replace('-', " ")
}

/// Returns `true` for the tags of a decision, which tags of the training strategy must not be.
pub(super) fn is_decision(tag: &str) -> bool {
    [DECISION_TAG, REASON_TAG, FRESH_MAE_TAG, PAGE_TAG].contains(&tag)
}

/// Returns the beginning of a text, with at most this number of characters.
fn truncated(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters);
    end.map_or(text, |(end, _)| &text[..end])
}

fn text(key: &str, value: &str) -> wire::Text {
    wire::Text {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Removes the tags of a decision, and returns it if there is one.
pub(super) fn remove_decision(tags: &mut BTreeMap<String, String>) -> Option<VersionDecision> {
    let [decision, reason, fresh_mae, page] =
        [DECISION_TAG, REASON_TAG, FRESH_MAE_TAG, PAGE_TAG].map(|name| tags.remove(name));
    Some(VersionDecision {
        decision: decision?,
        reason: reason.unwrap_or_default(),
        fresh_mae: fresh_mae.and_then(|mae| mae.parse().ok()),
        page,
    })
}

#[cfg(test)]
mod tests {
    use shared::registry::CurvePoint;

    use super::*;

    fn run(tags: &[(&str, &str)]) -> Run {
        let tags = tags.iter();
        Run {
            tags: tags
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Run::new(
                "a-run".parse().unwrap(),
                "2026-11-26T12:00:00Z".parse().unwrap(),
            )
        }
    }

    #[test]
    fn run_starts_at_its_tag_and_not_after_its_end() {
        let end = "2026-11-26T12:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond();
        let start = |text: &str| start_time(&run(&[("started_at", text)]));
        assert_eq!(start("2026-11-26T11:58:30Z"), end - 90_000);
        for text in ["2026-11-27T00:00:00Z", "yesterday"] {
            assert_eq!(start(text), end, "{text}");
        }
        assert_eq!(start_time(&run(&[])), end);
    }

    #[test]
    fn metrics_belong_to_the_model_and_curves_to_the_run() {
        let mut run = run(&[]);
        run.metrics = [("test_mae".to_owned(), 12.5)].into();
        let points = [(1, 2.0), (2, f64::NAN)].map(|(step, value)| CurvePoint { step, value });
        run.notes.curves = [("boosted".to_owned(), points.to_vec())].into();
        let expected = [
            json!({ "key": "test_mae", "value": 12.5, "timestamp": 7, "model_id": "m-1" }),
            json!({ "key": "training/boosted", "value": 2.0, "timestamp": 7, "step": 1 }),
        ];
        assert_eq!(metrics(&run, "m-1", 7), expected);
    }

    #[test]
    fn description_begins_with_the_decision_and_has_the_card() {
        let kept = VersionDecision {
            decision: "rolled-back".to_owned(),
            reason: "night forecasts are too high.".to_owned(),
            fresh_mae: None,
            page: None,
        };
        let expected = "Rolled back: night forecasts are too high.\n\nThe card.";
        assert_eq!(description(Some(&kept), "The card.\n"), expected);
        let shown = VersionDecision {
            page: Some("https://a.example/index.html".to_owned()),
            ..kept
        };
        let expected =
            "Rolled back: night forecasts are too high. [The page](https://a.example/index.html)";
        assert_eq!(description(Some(&shown), ""), expected);
        assert_eq!(description(None, ""), "Not decided yet.");
        let long = description(None, &"é".repeat(9_000));
        assert_eq!(long.chars().count(), DESCRIPTION_CHARACTERS);
    }

    #[test]
    fn decision_is_read_from_its_tags() {
        let kept = VersionDecision {
            decision: "kept".to_owned(),
            reason: "higher MAE".to_owned(),
            fresh_mae: Some(0.1 + 0.2),
            page: Some("https://a.example/week.html".to_owned()),
        };
        let mut tags: BTreeMap<_, _> = decision(&kept)
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect();
        tags.insert("strategy".to_owned(), "append".to_owned());
        assert_eq!(remove_decision(&mut tags), Some(kept));
        assert_eq!(tags.len(), 1);
        assert_eq!(remove_decision(&mut tags), None);
    }
}
