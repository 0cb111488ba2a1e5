//! The data of a stack on emulators: given files, or sample data that end yesterday.

use anyhow::Context as _;
use forecasting::{
    counts::Counts,
    time::{Day, Week},
};

use crate::{
    commands::{
        run::{Inputs, Live},
        stack::StackArguments,
    },
    support::{sample_data::Settings, state::State, stdout, tracks::SEED_DAYS},
};

/// The number of live weeks of the sample data before the present one. In the fourth, a challenger
/// is better than the champion.
const SAMPLE_WEEKS: i32 = 4;

/// The data of the stack, and the weeks to play.
pub(super) struct Data {
    /// The files.
    pub(super) inputs: Inputs,
    /// The live counts with the history before them.
    pub(super) counts: Counts,
    /// The weeks to play, in order; at least one.
    pub(super) weeks: Vec<Week>,
    /// The last day to ingest after the weeks. It is yesterday in sample data.
    pub(super) last_day: Option<Day>,
}

impl Data {
    /// Reads the given files, or generates sample data.
    ///
    /// # Errors
    /// Returns an error if only some of the files are given, if a file cannot be read, or if the
    /// live data contain no whole week.
    pub(super) async fn load(
        arguments: &StackArguments,
        state: &State,
        today: Day,
    ) -> anyhow::Result<Self> {
        let live_path = arguments.open_data.live_path.as_ref();
        let paths = [
            arguments.train_path.clone(),
            arguments.test_path.clone(),
            live_path.map(|path| path.to_string_lossy().into_owned()),
        ];
        let is_sample = paths.iter().all(Option::is_none);
        let folder = state.folder().join("sample-data");
        let mut print_line = |line: String| stdout::print_line(&line, false);
        let settings = recent(today);
        let inputs = Inputs::choose(paths, (&settings, &folder), &mut print_line)?;
        let live = Live::load(&inputs, state).await?;
        let (first, last) = live.days();
        let mut weeks = whole_weeks(first, last);
        if is_sample {
            // The weeks before are history, so that the forecasts are of the present.
            weeks = weeks.split_off(weeks.len().saturating_sub(1));
        }
        weeks.first().with_context(|| {
            format!(
                "the live data from {first} to {last} have no whole week, Monday to Sunday; pass other data with \
                 --live-path"
            )
        })?;
        Ok(Self {
            counts: live.with_history().normalized(),
            inputs,
            weeks,
            last_day: is_sample.then_some(last),
        })
    }

    /// Returns the days whose tables are written before the first week: two months that end two
    /// days before it. The day before it is ingested, which leads to the first forecast.
    pub(super) fn days_before(&self) -> Vec<Day> {
        let Some(first) = self.weeks.first().map(|week| week.first_day()) else {
            return Vec::new();
        };
        first.plus(-SEED_DAYS).through(first.plus(-2)).collect()
    }
}

/// Returns the settings of sample data that end yesterday.
fn recent(today: Day) -> Settings {
    let default = Settings::default();
    let live_begins = today.week().first_day().plus(-7 * SAMPLE_WEEKS);
    let days_before = (default.train_days + default.test_days).cast_signed();
    Settings {
        first_day: live_begins.plus(-days_before).date(),
        live_days: live_begins.days_until(today).cast_unsigned(),
        ..default
    }
}

/// Returns the weeks whose days are all within a period.
fn whole_weeks(first: Day, last: Day) -> Vec<Week> {
    let mut weeks: Vec<_> = first
        .through(last)
        .map(Day::week)
        .filter(|week| week.first_day() >= first && week.last_day() <= last)
        .collect();
    weeks.dedup();
    weeks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn sample_data_end_yesterday_and_the_last_whole_week_is_the_fourth() {
        // A Monday, and the Sunday of the same week.
        for (today, live_days) in [("2026-03-02", 28), ("2026-03-08", 34)] {
            let today = day(today);
            let settings = recent(today);
            assert_eq!(settings.live_days, live_days);
            let days = settings.train_days + settings.test_days;
            let first = Day::from_date(settings.first_day).plus(days.cast_signed());
            assert_eq!(first, day("2026-02-02"));
            assert_eq!(first.plus(live_days.cast_signed()), today);
            let weeks = whole_weeks(first, today.plus(-1));
            assert_eq!(weeks.len(), 4);
            assert_eq!(weeks[3], "2026-W09".parse().unwrap());
        }
    }

    #[test]
    fn weeks_are_whole() {
        let weeks = |first, last| whole_weeks(day(first), day(last));
        assert_eq!(
            weeks("2021-07-20", "2021-08-01"),
            ["2021-W30".parse().unwrap()]
        );
        assert_eq!(weeks("2021-07-20", "2021-07-31"), []);
    }
}
