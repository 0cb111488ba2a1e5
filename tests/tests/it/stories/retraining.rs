//! The quarterly retraining on the real counts of Paris.

use std::{fs::File, path::Path, sync::Arc};

use cli::{
    State,
    commands::{
        retrain::{Request, retrain},
        train::{Allowances, TrainPlan, train},
    },
};
use forecasting::{
    counts::{self, Counts},
    time::Day,
};
use model::TrainRecipe;
use shared::{
    baseline,
    baseline::TRAIN_BASELINE,
    clock::SimulatedClock,
    ports::Ports,
    registry::{Alias, Version},
};

use crate::reference_data;

/// The last day of the first baseline. Later counts of the training file go into daily tables.
const LAST_DAY: &str = "2021-03-31";

/// The retrained champion must reach the scores of a training on the whole file.
#[tokio::test(flavor = "multi_thread")]
async fn retraining_with_spring_counts_improves_and_publishes_the_baseline() {
    let Some(paris) = reference_data::folder().map(|folder| folder.join("paris")) else {
        return;
    };
    let (all, test) = (
        read(&paris.join("train_baseline.csv.gz")),
        read(&paris.join("test_baseline.csv.gz")),
    );
    let folder = tempfile::tempdir().unwrap();
    let state = State::at(&folder.path().join("state")).unwrap();
    let ports = state
        .open(Arc::new(SimulatedClock::new(
            "2021-07-19T06:00:00Z".parse().unwrap(),
        )))
        .unwrap();
    let test_path = paris
        .join("test_baseline.csv.gz")
        .to_string_lossy()
        .into_owned();
    train_on_winter(&all, test_path, &ports, &state, folder.path()).await;
    let (before, _) = baseline::published(&*ports.store).await.unwrap().unwrap();

    let request = Request {
        quarter: None,
        from: None,
        to: None,
        recipe: TrainRecipe::default(),
        restart: false,
        environment: "test".to_owned(),
    };
    let report = retrain(&ports, &state, &request, &|_| {}).await.unwrap();
    assert_eq!(
        (report.plan.days, report.merge.rows),
        (45, all.len() as u64),
        "{report}"
    );
    let (old, new) = (report.comparison.before, report.comparison.after);
    assert!(report.is_better && new.mae < old.mae, "{report}");
    // The scores of a training on the whole file.
    assert!(
        new.mae <= 15.6 && new.r2 >= 0.90 && new.rows == 86_016,
        "{report}"
    );
    assert!(
        old.mae < 20.7,
        "the first champion must beat the seasonal naive: {report}"
    );

    assert_eq!(
        ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(2))
    );
    let (after, _) = baseline::published(&*ports.store).await.unwrap().unwrap();
    assert_eq!(
        (&after.train, &after.test),
        (&report.train.data.name, &before.test)
    );
    assert_ne!(after.train, before.train);
    let published = ports
        .store
        .read(&TRAIN_BASELINE.parse().unwrap())
        .await
        .unwrap()
        .bytes;
    let published = counts::read(&*published, &mut Vec::new()).unwrap();
    let (first, last) = test.period().unwrap();
    assert!(
        published.between(first, last).is_empty(),
        "the baseline must exclude the fixed test period"
    );
    assert_eq!(
        (published.len(), published.period()),
        (all.len(), all.period())
    );
}

/// Trains the champion on the counts up to [`LAST_DAY`], and writes the daily tables of later days.
async fn train_on_winter(
    all: &Counts,
    test_path: String,
    ports: &Ports,
    state: &State,
    folder: &Path,
) {
    let (first, last) = all.period().unwrap();
    let border: Day = LAST_DAY.parse().unwrap();
    let baseline = folder.join("baseline.csv");
    counts::write_french(
        &all.days(first.day(), border),
        File::create(&baseline).unwrap(),
    )
    .unwrap();
    let plan = TrainPlan {
        train_path: baseline.to_string_lossy().into_owned(),
        test_path,
        data_source: "local",
        recipe: TrainRecipe::default(),
        environment: "local".to_owned(),
        allow: Allowances::default(),
    };
    train(ports, state, &plan).await.unwrap();
    for day in border.plus(1).through(last.day()) {
        ports
            .warehouse
            .replace_counts(day, &all.days(day, day), day.plus(1).at(6))
            .await
            .unwrap();
    }
}

fn read(path: &Path) -> Counts {
    let mut counts = counts::read_file(path, &mut Vec::new()).unwrap();
    counts.deduplicate();
    counts
}
