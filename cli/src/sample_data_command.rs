//! `bike-traffic sample-data`.

use crate::{arguments::SampleDataArguments, progress::Progress, sample_data};

/// Runs the command.
pub(crate) fn command(arguments: &SampleDataArguments) -> anyhow::Result<()> {
    let mut settings = sample_data::Settings {
        counters: arguments.counters,
        seed: arguments.seed,
        first_day: arguments.first_day,
        train_days: arguments.train_days,
        test_days: arguments.test_days,
        live_days: arguments.live_days,
    };
    if let Some(rows) = arguments.rows {
        settings = settings.with_rows(rows)?;
    }
    let mut progress = Progress::new("writing", 0);
    let written =
        sample_data::write(&settings, &arguments.out, &mut |done, total| progress.show(done, total, String::new()))?;
    progress.finish();
    for file in [&written.train, &written.test, &written.live] {
        println!("{} rows in {}", file.rows, file.path.display());
    }
    Ok(())
}
