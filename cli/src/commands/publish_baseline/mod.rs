//! `bike-traffic publish-baseline`: the data of a better champion become the baseline.

mod arguments;

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use forecasting::counts::{self, Counts};
use model::ModelCard;
use serde::Serialize;
use serde_json::json;
use shared::{
    audit::AuditEntry,
    baseline::{self, Baseline, DataSet, DataSetName},
    clock::SystemClock,
    event::{EventId, Function},
    fixed_test,
    ports::Ports,
    registry::{Alias, ModelVersion, Version},
};

pub use arguments::PublishArguments;

use crate::support::{predecessor::Predecessor, stdout};

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Publication {
    /// The champion whose training data they are.
    pub champion: Version,
    /// Its mean absolute error on the fixed test set, in bicycles an hour.
    pub mae: f64,
    /// The best champion of the previous baseline, and its error on the same rows; none where the data were in use already.
    pub previous: Option<(Version, f64)>,
    /// The training data that were in use.
    pub from: DataSetName,
    /// The training data that are in use now.
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
            return write!(formatter, "{to} is the baseline already");
        }
        write!(
            formatter,
            "{to} is the baseline; {from} is kept. On the fixed test set version {champion} has MAE {mae:.2}"
        )?;
        previous.map_or(Ok(()), |(version, mae)| {
            write!(
                formatter,
                ", version {version} of the previous baseline {mae:.2}"
            )
        })
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: PublishArguments) -> anyhow::Result<()> {
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    stdout::print(
        &publish_baseline(&ports, &arguments.environment).await?,
        arguments.json,
    )
}

/// Makes the data that the champion was trained on the baseline, if it is better than the best version that was trained on
/// the present baseline. Both are scored on the same rows. Done a second time it finishes what the first time left open.
///
/// # Errors
/// When there is no champion or no baseline yet, when the champion is not better, or nothing is known to compare it with,
/// or it was scored on another test set, when somebody else publishes at the same time, or a port fails.
pub async fn publish_baseline(ports: &Ports, env: &str) -> anyhow::Result<Publication> {
    let store = &*ports.store;
    let champion = ports
        .registry
        .alias(Alias::Champion)
        .await?
        .context("there is no champion: train one first")?;
    let (present, generation) = baseline::published(store).await?.context(
        "there is no baseline yet: `bike-traffic train` publishes that of the first champion",
    )?;
    let card = card_of(ports, champion).await?;
    let data = card
        .baseline
        .with_context(|| format!("version {champion} does not name the data it was trained on"))?;
    let next = Baseline {
        train: data.name.clone(),
        test: present.test.clone(),
    };
    let (mae, previous) =
        compare(ports, champion, &data, card.fixed_test.as_ref(), &present).await?;
    if next != present {
        refuse_without_proof((champion, mae), previous, &present)?;
    }
    baseline::publish(store, Some(generation), &next)
        .await
        .context("cannot publish the baseline")?;
    let publication = Publication {
        champion,
        mae,
        previous,
        from: present.train,
        to: data.name,
    };
    if publication.from != publication.to {
        record(ports, &publication, env).await?;
    }
    Ok(publication)
}

/// The audit row.
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
        ..AuditEntry::new("published", publication.to_string())
    };
    let event_id = EventId::of(Function::Promote, format_args!("publish-{to}"));
    let row = entry.into_row(ports.clock.now(), Function::Promote, event_id, env);
    let unrecorded =
        || format!("{to} is the baseline, but the audit log does not say so: record it by hand");
    ports.warehouse.record(&row).await.with_context(unrecorded)
}

/// As [`publish_baseline`] asks for it: refuses a version that is not better than all that were trained on the present
/// baseline. `data` are what it was trained on.
pub(crate) async fn refuse_unless_better(
    ports: &Ports,
    version: Version,
    data: &DataSet,
    present: &Baseline,
) -> anyhow::Result<()> {
    let (mae, previous) = compare(ports, version, data, None, present).await?;
    refuse_without_proof((version, mae), previous, present)
}

fn refuse_without_proof(
    (version, mae): (Version, f64),
    previous: Option<(Version, f64)>,
    present: &Baseline,
) -> anyhow::Result<()> {
    match previous {
        Some((_, previous_mae)) if mae < previous_mae => Ok(()),
        Some((previous, previous_mae)) => bail!(
            "the baseline stays {}: on the same fixed test set version {version} has MAE {mae:.2} and version {previous}, \
             trained on the present baseline, {previous_mae:.2}",
            present.train
        ),
        None => bail!(
            "the baseline stays {}: no version is known that was trained on it, so nothing shows that version {version} is \
             better; train one on {} with `bike-traffic train`, then publish again",
            present.train,
            present.train.object()
        ),
    }
}

/// Returns the errors of the champion and of the best version of the present baseline, on the same rows.
async fn compare(
    ports: &Ports,
    champion: Version,
    data: &DataSet,
    scored_on: Option<&DataSet>,
    present: &Baseline,
) -> anyhow::Result<(f64, Option<(Version, f64)>)> {
    if let Some(other) = scored_on.filter(|scored_on| scored_on.name != present.test) {
        bail!(
            "version {champion} was scored on {other}, and the fixed test set is {}",
            present.test
        );
    }
    let (train, test) = (
        read(ports, &data.name).await?,
        read(ports, &present.test).await?,
    );
    let frame = fixed_test::frame(&train, &test);
    let score = async |version: &ModelVersion| -> anyhow::Result<f64> {
        Ok(
            Predecessor::load(ports, &version.run.artifacts, &present.test)
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
        .filter(|version| is_champion_of(version, &present.train))
    {
        let found = score(version).await?;
        if version.version != champion && best.is_none_or(|(_, known)| found < known) {
            best = Some((version.version, found));
        }
    }
    Ok((mae, best))
}

/// Tells whether a version was trained, not fine-tuned, on these data.
fn is_champion_of(version: &ModelVersion, data: &DataSetName) -> bool {
    version.run.inputs.iter().any(|input| input.name == *data)
}

async fn card_of(ports: &Ports, version: Version) -> anyhow::Result<ModelCard> {
    let folder = ports.registry.version(version).await?.run.artifacts;
    Ok(ModelCard::read(&*ports.store, &folder).await?)
}

async fn read(ports: &Ports, name: &DataSetName) -> anyhow::Result<Counts> {
    let store = &*ports.store;
    let bytes = baseline::read(store, &baseline::manifest(store, name).await?).await?;
    Ok(counts::read(&*bytes, &mut Vec::new())?)
}
