//! A state with a champion, its baseline, and the daily tables of all that came after.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use cli::{
    commands::train::{TrainPlan, train},
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

/// The days of training data that the champion has seen; the later ones are in daily tables.
const BASELINE_DAYS: i32 = 80;

/// Files of counts, and what lies before and after the border of the baseline.
pub(crate) struct TestSystem {
    pub(crate) state: State,
    pub(crate) ports: Ports,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) test_path: String,
    pub(crate) test: Counts,
    pub(crate) last_day: Day,
}

impl TestSystem {
    /// Trains a champion of so many rounds on the first days, and fills the daily tables of all later ones, the period of
    /// the fixed test set included.
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

    /// Returns the data sets in use.
    pub(crate) async fn in_use(&self) -> Baseline {
        baseline::published(&*self.ports.store)
            .await
            .unwrap()
            .unwrap()
            .0
    }

    /// Puts data sets into use, whatever is in use.
    pub(crate) async fn put_into_use(&self, baseline: &Baseline) {
        let (_, generation) = baseline::published(&*self.ports.store)
            .await
            .unwrap()
            .unwrap();
        baseline::publish(&*self.ports.store, Some(generation), baseline)
            .await
            .unwrap();
    }

    /// Puts training data into use that no version was trained on, as somebody else may, and returns what is in use then.
    pub(crate) async fn put_others_into_use(&self) -> Baseline {
        let counts = self
            .ports
            .warehouse
            .counts(self.last_day, self.last_day)
            .await
            .unwrap();
        let others = DataSetDraft::new(Role::Train, &counts, Vec::new(), None)
            .unwrap()
            .unwrap();
        let baseline = Baseline {
            train: others.data.name.clone(),
            ..self.in_use().await
        };
        baseline::keep(&*self.ports.store, others).await.unwrap();
        self.put_into_use(&baseline).await;
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

/// Returns every object, table and registered version by its path, without what counts how often it was written, without
/// the time of the audit rows, and without exports: one that was cut short stays beside the one that is used.
pub(crate) fn snapshot(state: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = ["objects", "warehouse", "registry"]
        .map(|part| state.join(part))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                ".generations" | ".temporary" | "exports" => {}
                _ if path.is_dir() => folders.push(path),
                "logs.csv" => drop(files.insert(path.clone(), without_time(&path))),
                _ => drop(files.insert(path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    assert!(files.len() > 60, "there is hardly any state to compare");
    files
}

fn without_time(log: &Path) -> Vec<u8> {
    let text = fs::read_to_string(log).unwrap();
    let rows = text.lines().map(|row| row.split_once(',').unwrap().1);
    rows.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Says which files differ, without printing their contents.
pub(crate) fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(changed.is_empty(), "changed: {changed:#?}");
}

/// Copies a folder with all that is in it.
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
