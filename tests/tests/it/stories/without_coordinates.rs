//! The whole loop on counts without coordinates, which the readers accept.

use std::{fs, path::Path};

use cli::{
    commands::run::{Inputs, play},
    support::state::State,
};
use forecasting::counts::{self, Counter, Counts, write_french};
use shared::event::Function;

use super::{small_sample, strategy};

/// Writes the counts of a file without coordinates to a folder, and returns the path.
fn without_coordinates(path: &str, folder: &Path) -> String {
    let counts = counts::read_file(path.as_ref(), &mut Vec::new()).unwrap();
    let mut stripped = Counts::default();
    for row in counts.rows() {
        let counter = Counter {
            coordinates: None,
            ..counts.counter(row.counter).clone()
        };
        let index = stripped.intern(counter);
        stripped.push(index, row.hour, row.count);
    }
    let mut csv = Vec::new();
    write_french(&stripped, &mut csv).unwrap();
    let name = Path::new(path).file_stem().unwrap();
    let path = folder.join(name).with_extension("csv");
    fs::write(&path, csv).unwrap();
    path.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn weeks_without_coordinates_are_judged_by_the_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let sample = small_sample(&folder.path().join("data"));
    let strip = |path: &str| without_coordinates(path, folder.path());
    let inputs = Inputs {
        train: strip(&sample.train),
        test: strip(&sample.test),
        live: strip(&sample.live),
    };
    let state = State::at(&folder.path().join("state")).unwrap();
    let summary = play(&inputs, &state, strategy(), &mut |_| {})
        .await
        .unwrap();

    assert_eq!(summary.trained.empty_columns, ["latitude", "longitude"]);
    let report = summary.trained.to_string();
    assert!(report.contains("latitude, longitude"), "{report}");
    assert_eq!((summary.weeks.len(), summary.dead_letters), (2, 0));
    for week in &summary.weeks {
        assert!(week.live_mae.is_some() && week.drifted_share.is_some());
        let check = &week.decisions[0];
        assert_eq!(check.function, Function::DriftCheck);
        assert!(
            check.reason.contains("latitude, longitude"),
            "{}",
            check.reason
        );
    }
}
