//! The four numbers of a week, each beside the week before and the fixed test set.

use forecasting::metrics::Scores;
use shared::week_report::{IntervalCoverage, RecentIntervals, WeekReport};

use super::WeekPage;
use crate::{
    html::{Markup, element, plain},
    page::key_number,
    text,
};

/// One number of the week, of the week before and of the fixed test set.
struct Compared {
    week: Option<f64>,
    before: Option<f64>,
    test: Option<f64>,
}

impl Compared {
    /// Returns the number of a week and its comparisons, if they are known.
    fn of(
        page: &WeekPage,
        of_report: impl Fn(&WeekReport) -> Option<f64>,
        of_test: impl Fn(&Scores) -> Option<f64>,
    ) -> Self {
        Self {
            week: of_report(&page.report),
            before: page.week_before().and_then(of_report),
            test: page.test.and_then(|test| of_test(&test.champion)),
        }
    }

    fn markup(
        &self,
        name: &str,
        unit: &str,
        is_alarm: bool,
        format: impl Fn(f64) -> String,
    ) -> Markup {
        let value = self.week.map_or_else(|| "–".to_owned(), &format);
        let line = |value: Option<f64>, place: &str| -> Markup {
            match value {
                Some(value) => [
                    Markup::from(plain("b", format(value))),
                    format!(" {place}").into(),
                ]
                .into(),
                None => format!("not known {place}").into(),
            }
        };
        let compared = vec![
            line(self.before, "the week before"),
            line(self.test, "on the fixed test set"),
        ];
        key_number(name, (value.as_str(), unit), is_alarm, compared)
    }
}

/// Describes the coverage of the intervals over four weeks.
pub(super) fn four_weeks(recent: &RecentIntervals) -> String {
    let levels = [("80 %", recent.interval_80), ("95 %", recent.interval_95)];
    let share = |(level, coverage): (&str, Option<IntervalCoverage>)| {
        let share = text::percent(coverage?.share);
        Some(format!(
            "{share} of the counts were within the {level} intervals"
        ))
    };
    let shares: Vec<_> = levels.into_iter().filter_map(share).collect();
    format!("In {}, {}.", recent.period(), text::list(&shares))
}

/// Returns the gain of the forecasts over the seasonal naive forecast: 0.35 if their MAE is 35 %
/// lower.
pub(super) fn gain(report: &WeekReport) -> Option<f64> {
    let naive = report.accuracy?.seasonal_naive?;
    (naive.mae > 0.0).then_some(1.0 - report.live?.mae / naive.mae)
}

/// Returns the numbers. The MAE is an alarm if `is_too_high`, and the bias from `notable_bias` on.
pub(super) fn key_numbers(page: &WeekPage, is_too_high: bool, notable_bias: f64) -> Markup {
    let mut mae = Compared::of(page, |report| Some(report.live?.mae), |test| Some(test.mae));
    // Unlike the other numbers, each report has that of the test set.
    mae.test = Some(page.report.champion.test_mae);
    let bias = Compared::of(
        page,
        |report| report.live?.relative_bias(),
        Scores::relative_bias,
    );
    let is_biased = bias.week.is_some_and(|bias| bias.abs() >= notable_bias);
    let share = Compared::of(page, |report| report.live?.share, |test| test.share);
    let mut gain = Compared::of(page, gain, |_| None);
    gain.test = page.test.and_then(|test| {
        let naive = test.seasonal_naive_mae.filter(|mae| *mae > 0.0)?;
        Some(1.0 - test.champion.mae / naive)
    });
    let is_no_gain = gain.week.is_some_and(|gain| gain < 0.0);
    let numbers: Markup = [
        mae.markup(
            "Mean absolute error",
            "bicycles an hour",
            is_too_high,
            text::number,
        ),
        bias.markup(
            "Bias: too high (+) or too low (−)",
            "",
            is_biased,
            text::signed_percent,
        ),
        share.markup("Error as a share of the counts", "", false, text::percent),
        gain.markup(
            "Gain over repeating last week",
            "",
            is_no_gain,
            text::signed_percent,
        ),
    ]
    .into();
    element("dl", "kpis", numbers).into()
}
