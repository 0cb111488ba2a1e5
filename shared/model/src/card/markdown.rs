//! The model card as Markdown, for people.

use std::fmt::Write;

use super::ModelCard;

impl ModelCard {
    /// Returns the card as Markdown. The first line is a sentence without markup.
    pub fn to_markdown(&self) -> String {
        let mut text = self.summary();
        text.push_str("\n\n| | |\n|---|---|\n");
        for (name, value) in self.facts() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {name} | {value} |");
        }
        let trials = self.strategies.iter().filter_map(|trial| {
            let scores = trial.selection_scores?;
            Some((trial.strategy.to_string(), scores.mae))
        });
        let champion = self.champion_selection_scores;
        let trials: Vec<_> = trials
            .chain(champion.map(|scores| ("champion".to_owned(), scores.mae)))
            .collect();
        if !trials.is_empty() {
            text.push_str("\nMAE on the selection days:\n\n| strategy | MAE |\n|---|---:|\n");
            for (strategy, mae) in trials {
                let _ = writeln!(text, "| {strategy} | {mae:.2} |");
            }
        }
        text.push_str(
            "\nForecasts bicycles per hour and counter from hourly counts. Not for single cyclists, \
             and not for counters that it has not seen: those have no category code.\n",
        );
        text
    }

    fn summary(&self) -> String {
        let origin = match self.strategy {
            Some(strategy) => format!("Challenger by the strategy {strategy}"),
            None => "Champion trained from the baseline".to_owned(),
        };
        let test = self.test_scores.map_or_else(String::new, |scores| {
            format!(", with MAE {:.2} on the fixed test set", scores.mae)
        });
        format!("{origin}{test}.")
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let training = &self.training;
        let mut facts = vec![
            (
                "training rows",
                format!(
                    "{} from {} to {}, {} more left out as outages",
                    training.rows,
                    training.first_hour.day(),
                    training.last_hour.day(),
                    training.excluded
                ),
            ),
            ("counters", self.features.counters().len().to_string()),
            (
                "trees",
                format!("{} rounds, XGBoost {}", self.rounds, self.xgboost_version),
            ),
            ("bias factor", format!("{:.4}", self.bias_factor)),
        ];
        if let Some(scores) = self.test_scores {
            facts.push((
                "fixed test set",
                format!(
                    "MAE {:.2}, RMSE {:.2}, R² {:.3} on {} rows",
                    scores.mae, scores.rmse, scores.r2, scores.rows
                ),
            ));
        }
        let data = [
            ("test data", &self.fixed_test),
            ("training baseline", &self.baseline),
        ];
        facts.extend(
            data.into_iter()
                .filter_map(|(name, data)| Some((name, data.as_ref()?.name.to_string()))),
        );
        let params: Vec<_> = self
            .params
            .iter()
            .map(|(name, value)| format!("`{name}={value}`"))
            .collect();
        facts.push(("parameters", params.join(" ")));
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn card_begins_with_a_sentence_and_lists_the_facts() {
        let card: ModelCard = serde_json::from_value(json!({
            "model_type": "xgboost",
            "xgboost_version": "3.4.1",
            "sha256": "0".repeat(64),
            "features": { "pipeline_version": 2, "columns": [], "counters": ["quai", "pont"] },
            "rounds": 30,
            "params": { "eta": "0.05" },
            "training": { "rows": 480, "excluded": 24, "first_hour": 450_000, "last_hour": 450_239 },
            "bias_factor": 1.015,
            "test_scores": { "mae": 12.345, "rmse": 20.0, "r2": 0.9, "rows": 100 },
            "strategy": "leaf-refit",
        }))
        .unwrap();
        let text = card.to_markdown();
        let (first, rest) = text.split_once('\n').unwrap();
        assert_eq!(
            first,
            "Challenger by the strategy leaf-refit, with MAE 12.35 on the fixed test set."
        );
        for expected in [
            "| training rows | 480 from 2021-05-03 to 2021-05-13, 24 more left out as outages |",
            "| counters | 2 |",
            "| parameters | `eta=0.05` |",
        ] {
            assert!(rest.contains(expected), "{expected}: {rest}");
        }
    }
}
