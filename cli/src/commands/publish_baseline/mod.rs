//! `bike-traffic publish-baseline`: makes the training data of a better champion the baseline.

mod arguments;

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use forecasting::counts::{self, Counts};
use model::ModelCard;
use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    audit::{AuditEntry, AuditRow},
    baseline::{self, Baseline, DataSet, DataSetName},
    clock::SystemClock,
    event::EventId,
    fixed_test,
    ports::Ports,
    registry,
    registry::{ModelVersion, Version},
};

pub use arguments::PublishArguments;

use crate::support::{decision, predecessor::Predecessor, progress, stdout};

/// The outcome of a publication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Publication {
    /// The champion that was trained on the published data.
    pub champion: Version,
    /// The champion's mean absolute error on the fixed test set, in bicycles an hour.
    pub mae: f64,
    /// The best version trained on the previous baseline, and its error on the same rows; `None` if
    /// there is no such version.
    pub previous: Option<(Version, f64)>,
    /// The previous training data.
    pub from: DataSetName,
    /// The published training data.
    pub to: DataSetName,
}

impl fmt::Display for Publication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            champion,
            mae,
            previous,
            from,
            to,
        } = self;
        if from == to {
            return write!(formatter, "{to} is already the baseline");
        }
        write!(
            formatter,
            "published {to} as the baseline; {from} stays in the store; MAE on the fixed test set: {mae:.2} of version {champion}"
        )?;
        previous.map_or(Ok(()), |(version, mae)| {
            write!(
                formatter,
                ", {mae:.2} of version {version}, trained on the previous baseline"
            )
        })
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: PublishArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let published = publish_baseline(&ports, &arguments.environment.name);
    let published = progress::noting("scoring the champion and its predecessor", published).await?;
    stdout::print(&published, arguments.json)
}

/// Publishes the champion's training data as the baseline, if the champion is better than the best
/// version that was trained on the current baseline.
///
/// Both versions are scored on the same rows. A repeated call completes an interrupted one, audit
/// row included.
///
/// # Errors
/// Returns an error if:
/// - there is no champion or no baseline;
/// - the champion is not better, or no version was trained on the current baseline;
/// - the champion was scored on another test set;
/// - another process publishes at the same time;
/// - a port fails.
pub async fn publish_baseline(ports: &Ports, env: &str) -> anyhow::Result<Publication> {
    let store = &*ports.store;
    let champion = registry::champion(&*ports.registry).await?;
    let (current, generation) = baseline::published(store).await?.context(
        "there is no baseline; to train a champion and publish its data, run `bike-traffic train`",
    )?;
    let card = card_of(ports, champion).await?;
    let data = card.baseline.with_context(|| {
        format!(
            "cannot publish the data of version {champion}: its model card does not name them; train a version with \
             `bike-traffic train`"
        )
    })?;
    let next = Baseline {
        train: data.name.clone(),
        test: current.test.clone(),
    };
    let is_published = next == current;
    let before = match is_published {
        true => unrecorded_predecessor(ports, &current).await?,
        false => None,
    };
    let before = before.unwrap_or_else(|| current.clone());
    let (mae, previous) =
        compare(ports, champion, &data, card.fixed_test.as_ref(), &before).await?;
    if !is_published {
        refuse_without_proof((champion, mae), previous, &current)?;
    }
    baseline::publish(store, Some(generation), &next)
        .await
        .with_context(|| {
            format!(
                "cannot publish {} as the baseline; to try again, run `bike-traffic publish-baseline`",
                data.name
            )
        })?;
    let publication = Publication {
        champion,
        mae,
        previous,
        from: before.train,
        to: data.name,
    };
    if publication.from != publication.to {
        record(ports, &publication, env).await?;
    }
    Ok(publication)
}

/// Returns the baseline before the published one if no audit row records the publication: the
/// process that published it ended before it wrote the row.
///
/// Returns `None` for the first baseline, and for the data of a retraining, which have rows of
/// their own.
async fn unrecorded_predecessor(
    ports: &Ports,
    published: &Baseline,
) -> anyhow::Result<Option<Baseline>> {
    let manifest = baseline::manifest(&*ports.store, &published.train).await?;
    let Some(parent) = manifest.parent else {
        return Ok(None);
    };
    let name = published.train.to_string();
    let event_id = event_id(&published.train);
    let is_record = |row: &AuditRow| match row.entry.decision.as_str() {
        PUBLISHED => row.event_id == event_id,
        "retrained" => row.entry.detail.get("data").and_then(Value::as_str) == Some(name.as_str()),
        _ => false,
    };
    let log = ports.warehouse.audit_log().await;
    let log = log.context("cannot check the audit row of the publication")?;
    if log.iter().any(is_record) {
        return Ok(None);
    }
    Ok(Some(Baseline {
        train: parent,
        test: published.test.clone(),
    }))
}

/// The decision in the audit row of a publication.
const PUBLISHED: &str = "published";

/// Returns the event id of the audit row of a publication.
fn event_id(published: &DataSetName) -> EventId {
    decision::event_id(format_args!("publish-{published}"))
}

/// Records the publication in the audit log.
async fn record(ports: &Ports, publication: &Publication, env: &str) -> anyhow::Result<()> {
    let Publication {
        champion,
        mae,
        previous,
        from,
        to,
    } = publication;
    let entry = AuditEntry {
        mae: Some(*mae),
        model_improvement: previous.map(|(_, previous_mae)| 1.0 - mae / previous_mae),
        champion_version: Some(*champion),
        detail: json!({ "from": from, "to": to, "previous": previous.map(|(version, _)| version) }),
        ..AuditEntry::new(PUBLISHED, publication.to_string())
    };
    decision::record(ports, &event_id(to), entry, env).await
}

/// Refuses a version that is not better than every version trained on the current baseline, as
/// [`publish_baseline`] does. `data` is the version's training data.
pub(crate) async fn refuse_unless_better(
    ports: &Ports,
    version: Version,
    data: &DataSet,
    current: &Baseline,
) -> anyhow::Result<()> {
    let (mae, previous) = compare(ports, version, data, None, current).await?;
    refuse_without_proof((version, mae), previous, current)
}

fn refuse_without_proof(
    (version, mae): (Version, f64),
    previous: Option<(Version, f64)>,
    current: &Baseline,
) -> anyhow::Result<()> {
    match previous {
        Some((_, previous_mae)) if mae < previous_mae => Ok(()),
        Some((previous, previous_mae)) => bail!(
            "cannot replace the baseline {}: version {version} is not better; its MAE on the fixed test set is {mae:.2}, \
             and that of version {previous}, trained on this baseline, is {previous_mae:.2}; keep the baseline, or train a \
             better version with `bike-traffic train`",
            current.train
        ),
        None => bail!(
            "cannot replace the baseline {}: no registered version was trained on it, so version {version} cannot be \
             compared; train a version on {} with `bike-traffic train`, then run `bike-traffic publish-baseline` again",
            current.train,
            current.train.object()
        ),
    }
}

/// Returns the mean absolute errors of the champion and of the best other version trained on the
/// current baseline, on the same rows.
async fn compare(
    ports: &Ports,
    champion: Version,
    data: &DataSet,
    scored_on: Option<&DataSet>,
    current: &Baseline,
) -> anyhow::Result<(f64, Option<(Version, f64)>)> {
    if let Some(other) = scored_on.filter(|scored_on| scored_on.name != current.test) {
        bail!(
            "cannot publish the data of version {champion}: it was scored on {other}, but the fixed test set is {}; train a \
             version on this test set with `bike-traffic train`",
            current.test
        );
    }
    let (train, test) = (
        read(ports, &data.name).await?,
        read(ports, &current.test).await?,
    );
    let frame = fixed_test::frame(&train, &test);
    let score = async |version: &ModelVersion| -> anyhow::Result<f64> {
        Ok(
            Predecessor::load(ports, &version.run.artifacts, &current.test)
                .await?
                .scores(&frame)?
                .mae,
        )
    };
    let mae = score(&ports.registry.version(champion).await?).await?;
    let mut best: Option<(Version, f64)> = None;
    for version in ports
        .registry
        .versions()
        .await?
        .iter()
        .filter(|version| was_trained_on(version, &current.train))
    {
        let found = score(version).await?;
        if version.version != champion && best.is_none_or(|(_, known)| found < known) {
            best = Some((version.version, found));
        }
    }
    Ok((mae, best))
}

/// Returns `true` if a version was trained, not fine-tuned, on the data set.
fn was_trained_on(version: &ModelVersion, data: &DataSetName) -> bool {
    version.run.inputs.iter().any(|input| input.name == *data)
}

async fn card_of(ports: &Ports, version: Version) -> anyhow::Result<ModelCard> {
    let folder = ports.registry.version(version).await?.run.artifacts;
    Ok(ModelCard::read(&*ports.store, &folder).await?)
}

async fn read(ports: &Ports, name: &DataSetName) -> anyhow::Result<Counts> {
    let store = &*ports.store;
    let bytes = baseline::read(store, &baseline::manifest(store, name).await?).await?;
    counts::read(&*bytes, &mut Vec::new()).with_context(|| {
        format!("cannot read the data set {name}; check it with `bike-traffic data verify`")
    })
}
