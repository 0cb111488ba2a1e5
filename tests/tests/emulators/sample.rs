//! Sample data for the end-to-end tests.

use std::path::{Path, PathBuf};

use cli::{
    commands::run::Inputs,
    support::sample_data::{self, Settings},
};

/// Writes a sample of few counters and short periods: two weekly checks take seconds.
pub(crate) fn small(folder: &Path) -> Inputs {
    let settings = Settings {
        counters: 6,
        train_days: 120,
        test_days: 40,
        live_days: 14,
        ..Settings::default()
    };
    let written =
        sample_data::write(&settings, folder, &mut |_, _| {}).expect("sample data can be written");
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Inputs {
        train: text(written.train.path),
        test: text(written.test.path),
        live: text(written.live.path),
    }
}
