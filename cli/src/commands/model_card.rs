//! `bike-traffic model-card`: shows the card of a registered model.

use std::fmt;

use anyhow::Context;
use clap::Args;
use forecasting::metrics::Scores;
use model::ModelCard;
use serde::Serialize;
use shared::{
    ports::Ports,
    registry::{self, Alias, RunName, Version},
};

use crate::{
    args::{StateArguments, version_number},
    support::{
        progress, stdout,
        table::{Column, Table},
    },
};

/// Options of `model-card`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic model-card
  bike-traffic model-card --cloud --version 7
  bike-traffic model-card --cloud --json | jq .card.params

The card lies beside the model: data, features, parameters, strategy and scores. `bike-traffic \
status` lists the versions.")]
pub struct ModelCardArguments {
    /// The local state.
    #[command(flatten)]
    pub state: StateArguments,
    /// Read the services that the environment variables name, as the functions do: GCS_BUCKET,
    /// GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and the others in docs/settings.md.
    #[arg(long)]
    pub cloud: bool,
    /// The version of the model [default: the champion].
    #[arg(long, value_name = "VERSION", value_parser = version_number)]
    pub version: Option<u32>,
    /// Print the card as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The card of a registered version.
#[derive(Clone, Debug, Serialize)]
pub struct RegisteredCard {
    /// The version.
    pub version: Version,
    /// `true` if the version is the champion.
    pub is_champion: bool,
    /// The run that produced the version.
    pub run: RunName,
    /// The address of the model's files.
    pub address: String,
    /// The model card.
    pub card: ModelCard,
}

/// Runs the command.
pub(crate) async fn command(arguments: ModelCardArguments) -> anyhow::Result<()> {
    let opened = arguments.state.open_chosen(arguments.cloud, arguments.json);
    let (_, ports) = opened.await?;
    let version = arguments.version.map(Version::new);
    let card = progress::noting("reading the model card", read_card(&ports, version)).await?;
    stdout::print(&card, arguments.json)
}

/// Reads the card of a version, or of the champion.
///
/// # Errors
/// Returns an error if there is no such version or no champion, or if a port fails.
pub async fn read_card(ports: &Ports, version: Option<Version>) -> anyhow::Result<RegisteredCard> {
    let version = match version {
        Some(version) => version,
        None => registry::champion(&*ports.registry).await?,
    };
    let champion = ports.registry.alias(Alias::Champion).await?;
    let cannot_read = || {
        format!(
            "cannot read the model card of version {version}; choose a version of `bike-traffic status`"
        )
    };
    let found = ports.registry.version(version).await;
    let run = found.with_context(cannot_read)?.run;
    let card = ModelCard::read(&*ports.store, &run.artifacts)
        .await
        .with_context(cannot_read)?;
    Ok(RegisteredCard {
        version,
        is_champion: champion == Some(version),
        run: run.name,
        address: ports.store.address_of(&run.artifacts),
        card,
    })
}

impl fmt::Display for RegisteredCard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let champion = if self.is_champion {
            ", the champion"
        } else {
            ""
        };
        writeln!(
            formatter,
            "model card of version {}{champion}\n",
            self.version
        )?;
        let mut table = Table::new([Column::text("field"), Column::text("value").wrapped_to(20)]);
        for (field, value) in self.fields() {
            table.add_row([field.to_owned(), value]);
        }
        write!(formatter, "{table}")
    }
}

impl RegisteredCard {
    /// Returns the fields to show, each with its value.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let ModelCard {
            training, features, ..
        } = &self.card;
        let mut fields = vec![
            ("run", self.run.to_string()),
            ("files", self.address.clone()),
            (
                "kind",
                format!("{} {}", self.card.model_type, self.card.xgboost_version),
            ),
            ("made by", self.maker()),
            (
                "trained on",
                format!(
                    "{} rows from {} to {}, without {} rows in outages",
                    training.rows,
                    training.first_hour.day(),
                    training.last_hour.day(),
                    training.excluded
                ),
            ),
            ("rounds", self.card.rounds.to_string()),
            ("bias factor", format!("{:.4}", self.card.bias_factor)),
            (
                "features",
                format!(
                    "{} at {} counters",
                    features.columns().len(),
                    features.counters().len()
                ),
            ),
        ];
        if let Some(baseline) = &self.card.baseline {
            fields.push(("baseline", baseline.name.to_string()));
        }
        if let Some(test) = &self.card.fixed_test {
            fields.push(("fixed test set", test.name.to_string()));
        }
        if let Some(scores) = &self.card.test_scores {
            fields.push(("scores on it", of_scores(scores)));
        }
        if let Some(scores) = &self.card.champion_selection_scores {
            fields.push(("champion then", of_scores(scores)));
        }
        for trial in &self.card.strategies {
            let outcome = match (&trial.selection_scores, &trial.error) {
                (Some(scores), _) => of_scores(scores),
                (None, error) => error.clone().unwrap_or_else(|| "failed".to_owned()),
            };
            fields.push(("tried", format!("{}: {outcome}", trial.strategy)));
        }
        let params = self.card.params.iter();
        let params: Vec<_> = params
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        fields.push(("parameters", params.join(", ")));
        fields.push(("SHA-256", self.card.sha256.to_string()));
        fields
    }

    fn maker(&self) -> String {
        match self.card.strategy {
            Some(strategy) => format!("the strategy {strategy}, from a champion"),
            None => "a training from the baseline".to_owned(),
        }
    }
}

fn of_scores(scores: &Scores) -> String {
    let mut text = format!(
        "MAE {:.2}, RMSE {:.2}, R2 {:.3}, {} rows",
        scores.mae, scores.rmse, scores.r2, scores.rows
    );
    if let Some(bias) = scores.bias {
        text.push_str(&format!(", bias {bias:+.2}"));
    }
    if let Some(share) = scores.share {
        text.push_str(&format!(", {:.1} % of the counts", share * 100.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::{
        clock::SimulatedClock,
        registry::{Operator, Run},
        store::Condition,
    };

    use super::*;
    use crate::support::table::wrapped;

    /// The card of an earlier version of the program.
    const CARD: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/previous-version/objects/models/bike-traffic/fine-tune-2021-W30/card.json"
    ));

    /// Returns ports with two versions, each with the same card. The first is champion.
    async fn ports() -> Ports {
        let clock = SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap());
        let ports = Ports::in_memory(Arc::new(clock));
        for name in ["first", "second"] {
            let run = Run::new(name.parse().unwrap(), ports.clock.now());
            let path = run.artifacts.join("card.json");
            let written = ports.store.write(&path, CARD.into(), Condition::Always);
            written.await.unwrap();
            ports.registry.register(&run).await.unwrap();
        }
        let change = Operator::named("tests").champion_change(None, Version::new(1));
        ports.registry.move_alias(change).await.unwrap();
        ports
    }

    #[tokio::test]
    async fn card_of_the_champion_or_of_a_version_is_shown() {
        let ports = ports().await;
        let champion = read_card(&ports, None).await.unwrap();
        assert_eq!(
            (champion.version, champion.is_champion),
            (Version::new(1), true)
        );
        let text = wrapped(&champion.to_string(), 80);
        for expected in [
            "model card of version 1, the champion",
            "3360 rows from 2021-07-19 to 2021-07-25",
            "train-2021-05-15-2d61d31d",
            "MAE 14.41, ",
            "30720 rows",
            "fa81751081442713ef293cea6be62daf",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let second = read_card(&ports, Some(Version::new(2))).await.unwrap();
        assert_eq!(second.run.to_string(), "second");
        assert!(!second.to_string().contains("the champion"));
        let json = serde_json::to_value(&second).unwrap();
        assert_eq!(json["card"]["rounds"], 330);
    }

    #[tokio::test]
    async fn missing_version_and_missing_champion_are_reported() {
        let ports = ports().await;
        let error = read_card(&ports, Some(Version::new(3))).await.unwrap_err();
        assert!(error.to_string().contains("version 3"), "{error}");
        let clock = SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap());
        let empty = Ports::in_memory(Arc::new(clock));
        let error = read_card(&empty, None).await.unwrap_err();
        assert!(error.to_string().contains("no champion"), "{error}");
    }
}
