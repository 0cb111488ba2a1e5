//! A state with a champion, its baseline, and daily tables of the later days.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use cli::{
    commands::train::{Allowances, TrainPlan, train},
    support::{
        sample_data::{self, Settings},
        state::State,
    },
};
use forecasting::{
    counts::{self, Counts},
    time::Day,
};
use model::TrainRecipe;
use shared::{
    baseline::{self, Baseline, DataSetDraft, Role},
    clock::SimulatedClock,
    ports::Ports,
};

/// The number of days the champion is trained on. Later days are in daily tables.
const BASELINE_DAYS: i32 = 80;

/// A state folder with its ports, sample data and fixed test set.
pub(crate) struct TestSystem {
    pub(crate) state: State,
    pub(crate) ports: Ports,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) test_path: String,
    pub(crate) test: Counts,
    pub(crate) last_day: Day,
}

impl TestSystem {
    /// Trains a champion of `rounds` rounds on the first [`BASELINE_DAYS`] days, and writes daily
    /// tables of all later days, including the period of the fixed test set.
    pub(crate) async fn with_champion(rounds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            counters: 5,
            train_days: 120,
            test_days: 30,
            live_days: 14,
            ..Settings::default()
        };
        let written =
            sample_data::write(&settings, &folder.path().join("data"), &mut |_, _| {}).unwrap();
        let [train_counts, test, live] =
            [&written.train.path, &written.test.path, &written.live.path].map(|path| read(path));
        let last_day = live.period().unwrap().1.day();
        let state = State::at(&folder.path().join("state")).unwrap();
        let ports = state
            .open(Arc::new(SimulatedClock::new(last_day.plus(1).at(9))))
            .unwrap();

        let (first, last) = train_counts.period().unwrap();
        let border = first.day().plus(BASELINE_DAYS).first_hour();
        let baseline = folder.path().join("baseline.csv");
        counts::write_french(
            &train_counts.between(first, border.plus(-1)),
            File::create(&baseline).unwrap(),
        )
        .unwrap();
        let test_path = text(&written.test.path);
        let plan = TrainPlan {
            train_path: text(&baseline),
            test_path: test_path.clone(),
            data_source: "local",
            recipe: recipe(rounds),
            environment: "local".to_owned(),
            allow: Allowances {
                worse_than_naive: true,
                ..Allowances::default()
            },
        };
        train(&ports, &state, &plan).await.unwrap();

        let mut known = train_counts.between(border, last);
        known.extend(&test);
        known.extend(&live);
        for day in border.day().through(last_day) {
            let counts = known.days(day, day);
            ports
                .warehouse
                .replace_counts(day, &counts, day.plus(1).at(6))
                .await
                .unwrap();
        }
        Self {
            state,
            ports,
            folder,
            test_path,
            test,
            last_day,
        }
    }

    /// Returns the published baseline.
    pub(crate) async fn published_baseline(&self) -> Baseline {
        baseline::published(&*self.ports.store)
            .await
            .unwrap()
            .unwrap()
            .0
    }

    /// Publishes a baseline, regardless of the current one.
    pub(crate) async fn publish_baseline(&self, baseline: &Baseline) {
        let (_, generation) = baseline::published(&*self.ports.store)
            .await
            .unwrap()
            .unwrap();
        baseline::publish(&*self.ports.store, Some(generation), baseline)
            .await
            .unwrap();
    }

    /// Publishes training data that no version was trained on, as another user may. Returns the new
    /// baseline.
    pub(crate) async fn publish_unrelated_data(&self) -> Baseline {
        let counts = self
            .ports
            .warehouse
            .counts(self.last_day, self.last_day)
            .await
            .unwrap();
        let unrelated = DataSetDraft::new(Role::Train, &counts, Vec::new(), None)
            .unwrap()
            .unwrap();
        let baseline = Baseline {
            train: unrelated.data.name.clone(),
            ..self.published_baseline().await
        };
        baseline::store_data_set(&*self.ports.store, unrelated)
            .await
            .unwrap();
        self.publish_baseline(&baseline).await;
        baseline
    }
}

pub(crate) fn recipe(rounds: u32) -> TrainRecipe {
    TrainRecipe {
        rounds,
        learning_rate: 0.1,
        ..TrainRecipe::default()
    }
}

fn read(path: &Path) -> Counts {
    let mut counts = counts::read_file(path, &mut Vec::new()).unwrap();
    counts.deduplicate();
    counts
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns the contents of every object, table and registered version by path.
///
/// Leaves out generations, the times of audit rows and of the start of commands, the on-call page,
/// which has the same times, and exports, because an interrupted export stays beside the one in
/// use.
pub(crate) fn snapshot(state: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = ["objects", "warehouse", "registry"]
        .map(|part| state.join(part))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                ".generations" | ".temporary" | "exports" | "index.html" => {}
                _ if path.is_dir() => folders.push(path),
                "logs.csv" => drop(files.insert(path.clone(), without_time(&path))),
                "bike-traffic-champion.json" => {
                    let registry = fs::read_to_string(&path).unwrap();
                    drop(files.insert(path.clone(), without_starts(&registry)));
                }
                _ => drop(files.insert(path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    assert!(
        files.len() > 60,
        "too few files for a meaningful comparison"
    );
    files
}

fn without_time(log: &Path) -> Vec<u8> {
    let text = fs::read_to_string(log).unwrap();
    let rows = text.lines().map(|row| row.split_once(',').unwrap().1);
    without_starts(&rows.collect::<Vec<_>>().join("\n"))
}

/// Removes the times at which the commands started and ended.
fn without_starts(text: &str) -> Vec<u8> {
    let mut kept = text.to_owned();
    for field in ["started_at", "ended_at"] {
        let text = std::mem::take(&mut kept);
        let mut parts = text.split(field);
        kept.push_str(parts.next().unwrap_or_default());
        for part in parts {
            kept.push_str(part.split_once('Z').map_or(part, |(_, rest)| rest));
        }
    }
    kept.into_bytes()
}

/// Asserts that the snapshots are equal. Lists the changed files without their contents.
pub(crate) fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(changed.is_empty(), "changed: {changed:#?}");
}

/// Copies a folder recursively.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
