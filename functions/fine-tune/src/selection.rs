//! The choice of a strategy on the selection days.

use forecasting::{features::Frame, time::Day};
use model::{
    FineTuneRecipe, ModelError, Rows, Strategy, StrategyName, Trial, Trials, try_strategies,
};
use serde::Serialize;

use crate::Window;

/// The number of selection days, which are the last days of training.
pub const SELECTION_DAYS: i32 = 7;

/// The days on which the strategies are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SelectionDays {
    /// The first day.
    pub first: Day,
    /// The last day. The fresh holdout begins on the next day.
    pub last: Day,
}

impl SelectionDays {
    /// Returns the selection days of a window.
    pub fn of(window: Window) -> Self {
        Self {
            first: window.last_training.plus(1 - SELECTION_DAYS),
            last: window.last_training,
        }
    }
}

/// The strategy that makes the challenger.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The strategy.
    pub strategy: StrategyName,
    /// The results of all strategies, if they were tried.
    pub trials: Option<Trials>,
    /// The reason for the choice, in a sentence with the MAE of each strategy.
    pub reason: String,
}

/// Chooses a strategy: that of the recipe, or with `auto` the best on the selection days.
///
/// With `auto`, each strategy is trained on the rows before the selection days, and scored on their
/// living counters. `append` is chosen if there is nothing to compare.
///
/// # Errors
/// Returns an error if each strategy failed, or the champion cannot be scored.
pub fn choose(
    recipe: &FineTuneRecipe,
    rows: &Rows<'_>,
    window: Window,
) -> Result<Choice, ModelError> {
    if let Some(strategy) = recipe.strategy.only() {
        return Ok(Choice {
            strategy,
            trials: None,
            reason: format!("{strategy} is the strategy of the recipe"),
        });
    }
    let days = SelectionDays::of(window);
    let start = days.first.first_hour();
    let (before, selection) = rows.fresh.split_at(start);
    let selection = selection.living();
    if let Some(obstacle) = obstacle(rows, days, &before, &selection) {
        return Ok(Choice {
            strategy: StrategyName::Append,
            trials: None,
            reason: format!("append chosen without a comparison: {obstacle}"),
        });
    }
    let early = Rows {
        champion: rows.champion,
        fresh: &before,
        window: &|| Ok((rows.window)()?.retain(|row| row.hour < start)),
    };
    let strategies: Vec<Box<dyn Strategy>> = StrategyName::ALL
        .into_iter()
        .map(|name| name.with(recipe))
        .collect();
    let trials = try_strategies(&strategies, &early, &selection)?;
    let (strategy, scores) = trials.best()?;
    Ok(Choice {
        strategy,
        reason: describe(strategy, scores.mae, days, &trials),
        trials: Some(trials),
    })
}

/// Returns the reason why the strategies cannot be compared, or `None` if they can.
fn obstacle(
    rows: &Rows<'_>,
    days: SelectionDays,
    before: &Frame,
    selection: &Frame,
) -> Option<String> {
    let SelectionDays { first, last } = days;
    if selection.is_empty() {
        return Some(format!(
            "the selection days {first} to {last} have no counts of living counters"
        ));
    }
    if before.is_empty() {
        return Some(format!(
            "no counts precede the selection days {first} to {last}"
        ));
    }
    let known = rows.champion.card().training.last_hour;
    (known >= first.first_hour()).then(|| {
        format!(
            "the champion was trained on days up to {}, which are among the selection days {first} to {last}",
            known.day()
        )
    })
}

fn describe(strategy: StrategyName, mae: f64, days: SelectionDays, trials: &Trials) -> String {
    let SelectionDays { first, last } = days;
    let mut reason = format!("{strategy} chosen: MAE {mae:.1} on {first} to {last}");
    for trial in &trials.strategies {
        if let Some(scores) = trial.selection_scores
            && trial.strategy != strategy
        {
            reason.push_str(&format!(", {} {:.1}", trial.strategy, scores.mae));
        }
    }
    reason.push_str(&format!(", champion {:.1}", trials.champion.mae));
    let mut tried = trials.strategies.iter();
    let is_lower = |trial: &Trial| {
        trial
            .selection_scores
            .is_some_and(|scores| scores.mae < mae)
    };
    if tried.any(is_lower) {
        reason.push_str("; sliding-window is kept unless another is at least 1 % better");
    }
    let failures = trials.failures();
    if !failures.is_empty() {
        reason.push_str(&format!("; left out: {}", failures.join("; ")));
    }
    reason
}

#[cfg(test)]
mod tests {
    use forecasting::metrics::Scores;

    use super::*;

    fn scores(mae: f64) -> Scores {
        Scores::new(&[mae], &[0.0]).unwrap()
    }

    #[test]
    fn reason_has_the_errors_of_all_strategies_and_says_why_the_lowest_did_not_win() {
        let trial = |(strategy, mae)| Trial {
            strategy,
            selection_scores: Some(scores(mae)),
            error: None,
        };
        let days = SelectionDays {
            first: "2021-07-19".parse().unwrap(),
            last: "2021-07-25".parse().unwrap(),
        };
        let reason = |of_window: f64| {
            let strategies = [
                (StrategyName::Append, 11.92),
                (StrategyName::SlidingWindow, of_window),
                (StrategyName::LeafRefit, 12.5),
            ];
            let trials = Trials {
                champion: scores(13.0),
                strategies: strategies.map(trial).into(),
            };
            let (strategy, scores) = trials.best().unwrap();
            describe(strategy, scores.mae, days, &trials)
        };
        assert_eq!(
            reason(11.0),
            "sliding-window chosen: MAE 11.0 on 2021-07-19 to 2021-07-25, append 11.9, leaf-refit 12.5, champion 13.0"
        );
        assert!(reason(12.0).ends_with(
            ", champion 13.0; sliding-window is kept unless another is at least 1 % better"
        ));
        assert!(reason(13.0).starts_with("append chosen: MAE 11.9 on "));
    }
}
