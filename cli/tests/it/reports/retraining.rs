//! The plan and the report of a retraining.

use std::path::PathBuf;

use cli::commands::retrain::{
    Comparison, CounterComparison, Done, Exported, Fitted, Merged, Plan, PlanStatus, RetrainReport,
};
use forecasting::{checksum::Checksum, metrics::Scores};
use model::TrainRecipe;
use shared::{
    baseline::{Baseline, DataSet, Role},
    event::{EventId, Function},
    registry::Version,
};

use super::{assert_printed, day, name};

fn plan() -> Plan {
    Plan {
        quarter: "2021-Q3".parse().unwrap(),
        asked: (None, None),
        first: day("2021-05-20"),
        last: day("2021-08-22"),
        days: 95,
        rows: 45_600,
        baseline: Baseline {
            train: name("train-2021-05-15-01234567"),
            test: name("test-2021-07-18-89abcdef"),
        },
        champion: Version::new(5),
        recipe: TrainRecipe::default(),
    }
}

fn export() -> Exported {
    Exported {
        files: vec![PathBuf::from("export/2021-05.csv")],
        rows: 45_601,
    }
}

fn merge() -> Merged {
    Merged {
        file: PathBuf::from("train_baseline.csv.gz"),
        sources: Vec::new(),
        rows: 136_732,
        new: 16_800,
        replaced: 12,
        rejected: [
            ("no count".to_owned(), 6),
            ("no counter name".to_owned(), 7),
        ]
        .into(),
        rejects: Some(PathBuf::from("rejects.csv")),
        appeared: vec!["Parc".to_owned(), "Rue".to_owned()],
        vanished: vec!["Pont".to_owned()],
    }
}

fn scores(mae: f64, rmse: f64, r2: f64) -> Scores {
    Scores {
        mae,
        rmse,
        r2,
        rows: 30_720,
        bias: None,
        share: None,
    }
}

fn train(scores: Scores) -> Fitted {
    Fitted {
        version: Version::new(7),
        run: "champion-2021-08-22".parse().unwrap(),
        data: DataSet::new(Role::Train, day("2021-08-22"), Checksum::of(b"counts")),
        scores,
    }
}

/// Returns a comparison at seven counters, the greatest gain first. The report lists the first
/// three and the last three.
fn comparison(before: Scores, after: Scores) -> Comparison {
    let counters = ["A", "B", "C", "D", "E", "F", "G"];
    let counter = |(number, name): (u8, &str)| CounterComparison {
        name: format!("Quai {name}"),
        before: 15.0 + f64::from(number),
        after: 12.0 + f64::from(number) * 2.0,
    };
    Comparison {
        champion: Version::new(5),
        before,
        after,
        counters: (0..).zip(counters).map(counter).collect(),
    }
}

fn report(comparison: Comparison) -> RetrainReport {
    RetrainReport {
        plan: plan(),
        export: export(),
        merge: merge(),
        train: train(comparison.after),
        is_better: comparison.is_better(),
        comparison,
        event_id: EventId::of(Function::Promote, "retrain-2021-Q3-champion-2021-08-22"),
        folder: PathBuf::from("state/local/retrain/2021-Q3"),
        done_before: false,
    }
}

#[test]
fn retraining() {
    let (low, high) = (scores(14.25, 24.5, 0.9), scores(15.5, 26.75, 0.875));
    assert_printed(
        "retraining_with_a_better_model",
        &report(comparison(high, low)),
    );
    let done_before = RetrainReport {
        done_before: true,
        ..report(comparison(low, high))
    };
    assert_printed("retraining_with_a_worse_model", &done_before);
}

#[test]
fn retraining_plan() {
    let status = PlanStatus {
        plan: plan(),
        done: Done {
            export: Some(export()),
            merge: Some(merge()),
            ..Done::default()
        },
        folder: PathBuf::from("state/local/retrain/2021-Q3"),
    };
    assert_printed("retraining_plan", &status);
    let recorded = PlanStatus {
        done: Done {
            record: Some(EventId::of(Function::Promote, "retrain-2021-Q3")),
            ..status.done
        },
        ..status
    };
    assert_printed("retraining_plan_without_a_promotion", &recorded);
}
