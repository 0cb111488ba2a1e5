//! Journals of retrainings.

use std::{path::Path, sync::Arc};

use cli::{
    State,
    commands::retrain::{self, PlanStatus, Request},
};
use model::TrainRecipe;
use shared::{
    event::{EventId, Function},
    ports::Ports,
    registry::Version,
};

use super::{FIXTURES, clock};

/// Reads the journal of a quarter. Ports without objects suffice, because the journal has a plan.
async fn status(quarter: &str) -> PlanStatus {
    let request = Request {
        quarter: Some(quarter.parse().unwrap()),
        from: None,
        to: None,
        recipe: TrainRecipe {
            rounds: 5,
            min_child_weight: 50.0,
            ..TrainRecipe::default()
        },
        restart: false,
        environment: "local".to_owned(),
    };
    let state = State::at(Path::new(FIXTURES)).unwrap();
    let ports = Ports::in_memory(Arc::new(clock()));
    retrain::status(&ports, &state, &request).await.unwrap()
}

#[tokio::test]
async fn journal_of_a_finished_retraining_is_read() {
    let PlanStatus { plan, done, .. } = status("2021-Q3").await;
    assert_eq!(
        (plan.first.to_string(), plan.last.to_string()),
        ("2021-05-20".to_owned(), "2021-08-22".to_owned())
    );
    assert_eq!((plan.days, plan.rows), (95, 45_600));
    assert_eq!(plan.champion, Version::new(1));
    assert_eq!(plan.baseline.train.to_string(), "train-2021-05-15-2d61d31d");
    let export = done.export.unwrap();
    assert_eq!((export.files.len(), export.rows), (4, 45_600));
    let merge = done.merge.unwrap();
    assert_eq!(
        (merge.rows, merge.new, merge.replaced),
        (136_732, 16_800, 0)
    );
    assert_eq!(merge.sources[0].rows, 119_932);
    let train = done.train.unwrap();
    assert_eq!(
        (train.version, train.run.to_string()),
        (Version::new(6), "champion-2021-08-22-1dbc70c5".to_owned())
    );
    assert_eq!(train.scores.mae, 46.19995697302123);
    let compare = done.compare.unwrap();
    assert_eq!(compare.before.mae, 14.362737369148332);
    assert_eq!(compare.counters.len(), 20);
    assert_eq!(
        compare.counters[1].name,
        "37 avenue du Vieux-Pédalier NO-SE"
    );
    assert_eq!((done.promote, done.publish), (None, None));
    let record = EventId::of(
        Function::Promote,
        "retrain-2021-Q3-champion-2021-08-22-1dbc70c5",
    );
    assert_eq!(done.record, Some(record));
}

/// The promotion has an earlier name in this journal. If it were not read, the command would
/// promote the version a second time.
#[tokio::test]
async fn journal_of_a_stopped_retraining_has_its_promotion() {
    let PlanStatus { done, .. } = status("2021-Q2").await;
    assert_eq!(done.promote, Some(Version::new(6)));
    assert_eq!((done.publish, done.record), (None, None));
}
