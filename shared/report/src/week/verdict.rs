//! The verdict in one sentence, and the answers to four questions.

use shared::event::Function;

use super::{
    BandSource, Step, WeekPage, numbers,
    standing::{Standing, limits},
};
use crate::{
    html::{Element, Markup, element, folded, plain},
    page, reason, text,
};

/// The share of the counts from which on a bias is named in the heading.
pub(super) const NOTABLE_BIAS: f64 = 0.1;
/// The gain below which a forecast is as good as repeating the week before.
const EQUAL: f64 = 0.005;
/// The largest number of names in a sentence.
const NAMES: usize = 4;

/// Returns the verdict: the forecast, the drift, and what followed.
pub(super) fn heading(page: &WeekPage) -> String {
    let drift = &page.report.drift;
    let drifted = if page.report.verdict.dataset_drift {
        format!(
            "{} of {} columns drifted.",
            drift.drifted_count,
            drift.columns.len()
        )
    } else {
        "The data did not drift.".to_owned()
    };
    format!("{} {drifted} {}", forecast(page), followed(page))
}

fn forecast(page: &WeekPage) -> String {
    let standing = Standing::of(page);
    let start = match standing {
        Standing::Unknown => return "No forecast can be compared with a count.".to_owned(),
        Standing::Good => "The forecast was good",
        Standing::Worse => "The forecast was worse than allowed",
        Standing::Major => "The forecast was far worse than allowed",
    };
    let is_good = standing == Standing::Good;
    let mut sentence = start.to_owned();
    if let Some(gain) = numbers::gain(&page.report) {
        let link = match gain {
            gain if gain.abs() < EQUAL => "",
            gain if gain > 0.0 && is_good => "",
            gain if gain > 0.0 => "though ",
            _ if is_good => "but ",
            _ => "and ",
        };
        sentence.push_str(&format!(", {link}{}", relation(gain)));
    }
    let bias = page.report.live.and_then(|live| live.relative_bias());
    if let Some(bias) = bias.filter(|bias| bias.abs() >= NOTABLE_BIAS) {
        let direction = if bias < 0.0 { "low" } else { "high" };
        let link = if is_good && !sentence.contains(", but ") {
            "but"
        } else {
            "and"
        };
        sentence.push_str(&format!(
            ", {link} {} too {direction}",
            text::percent(bias.abs())
        ));
    }
    sentence + "."
}

/// Describes a gain: `35 % better than repeating last week`.
fn relation(gain: f64) -> String {
    if gain.abs() < EQUAL {
        return "as good as repeating last week".to_owned();
    }
    let word = if gain > 0.0 { "better" } else { "worse" };
    format!(
        "{} {word} than repeating last week",
        text::percent(gain.abs())
    )
}

fn followed(page: &WeekPage) -> String {
    let Some(step) = &page.last_step else {
        return if page.report.verdict.fine_tune {
            "A challenger is about to be trained.".to_owned()
        } else {
            "Nothing had to follow.".to_owned()
        };
    };
    if step.is_failed {
        return format!("The function {} failed.", step.function);
    }
    let challenger = version("the challenger", step.challenger);
    match (step.function, step.decision.as_str()) {
        (Function::Promote, "promoted") => {
            let replaced = version("the champion", Some(page.report.champion.version));
            format!("{} replaced {replaced}.", text::sentence(&challenger))
        }
        (Function::Promote, _) => format!(
            "{} was not good enough, so {} stays champion.",
            text::sentence(&challenger),
            version("the champion", step.champion)
        ),
        (Function::Evaluate, _) => format!(
            "{} is evaluated and waits for the decision.",
            text::sentence(&challenger)
        ),
        (_, "challenger-trained") => format!(
            "{} is trained and waits for its evaluation.",
            text::sentence(&challenger)
        ),
        _ => "No challenger was trained.".to_owned(),
    }
}

fn version(unknown: &str, version: Option<shared::registry::Version>) -> String {
    version.map_or_else(
        || unknown.to_owned(),
        |version| format!("version {version}"),
    )
}

/// Returns the answers to the questions of a reader who has never seen the project.
pub(super) fn answers(page: &WeekPage) -> Markup {
    let paragraphs = |sentences: Vec<String>| -> Markup {
        sentences
            .into_iter()
            .map(|sentence| plain("p", sentence))
            .collect()
    };
    let answers = [
        ("Is the forecast good?", paragraphs(quality(page))),
        ("What changed?", paragraphs(changed(page))),
        ("What was decided, and why?", decided(page)),
        ("What must I do?", tasks(page)),
    ];
    let items: Markup = answers
        .into_iter()
        .flat_map(|(question, answer)| [plain("dt", question), plain("dd", answer)])
        .collect();
    element("dl", "answers", items).into()
}

fn quality(page: &WeekPage) -> Vec<String> {
    let report = &page.report;
    let Some(live) = report.live else {
        return vec![
            "Unknown: no stored forecast of this week has a count to compare with.".to_owned(),
        ];
    };
    let start = match Standing::of(page) {
        Standing::Worse => "No: it missed",
        Standing::Major => "No, by far: it missed",
        Standing::Good | Standing::Unknown => "Yes: it missed",
    };
    let limit = limits(&report.verdict)
        .map(|(alarm, major)| {
            format!(
                "; up to {} is allowed, and from {} on the champion must be retrained",
                text::number(alarm),
                text::number(major)
            )
        })
        .unwrap_or_default();
    let mut sentences = vec![format!(
        "{start} the counts by {} on average{limit}.",
        text::per_hour(live.mae)
    )];
    if let Some(naive) = report.accuracy.and_then(|accuracy| accuracy.seasonal_naive) {
        sentences.push(format!(
            "Repeating the counts of the week before would have missed by {}.",
            text::number(naive.mae)
        ));
    }
    if let Some(accuracy) = report.accuracy.filter(|known| known.uncorrected != live) {
        sentences.push(format!(
            "Without the daily correction it would have missed by {}.",
            text::number(accuracy.uncorrected.mae)
        ));
    }
    if let Some((bias, relative)) = live.bias.zip(live.relative_bias()) {
        sentences.push(match bias {
            bias if bias.abs() < 0.05 => {
                "It was neither too high nor too low on average.".to_owned()
            }
            bias => format!(
                "It was {} too {} on average, {} of the counts.",
                text::per_hour(bias.abs()),
                if bias < 0.0 { "low" } else { "high" },
                text::percent(relative.abs())
            ),
        });
    }
    if let Some(interval) = report.accuracy.and_then(|accuracy| accuracy.interval_80) {
        sentences.push(format!(
            "Its 80 % intervals held {} of the counts; 80 % is the aim.",
            text::percent(interval.share)
        ));
    }
    sentences.extend(report.recent_intervals.iter().map(numbers::four_weeks));
    sentences
}

fn changed(page: &WeekPage) -> Vec<String> {
    let report = &page.report;
    let mut sentences = Vec::new();
    if let Some(change) = super::city::change(page) {
        sentences.push(format!(
            "The counters counted {} than in the week before.",
            if change < 0.0 {
                format!("{} less", text::percent(-change))
            } else {
                format!("{} more", text::percent(change))
            }
        ));
    }
    let columns = report.drift.columns.len();
    if columns == 0 {
        sentences.push("No column could be compared with the fixed test set.".to_owned());
    } else {
        sentences.push(format!(
            "{} of {columns} columns drifted from the fixed test set ({}). {} of {columns} are the count \
             itself, its lags and means, so a change of level shows in all of them.",
            report.drift.drifted_count,
            text::percent(report.drift.drifted_share),
            report.count_columns(),
        ));
    }
    if let Some(coverage) = report
        .coverage
        .as_ref()
        .filter(|found| !found.is_complete())
    {
        sentences.push(format!("Counts are missing: {coverage}."));
    }
    sentences
}

fn decided(page: &WeekPage) -> Markup {
    let verdict = &page.report.verdict;
    let drift = match (verdict.major, verdict.dataset_drift, verdict.fine_tune) {
        (true, _, _) => {
            "Major drift: the error is so high that a person must retrain. Fine-tuning runs as a stopgap."
        }
        (false, true, _) => {
            "Drift: the champion is fine-tuned, and the result is compared with it."
        }
        (false, false, true) => "The error is too high: the champion is fine-tuned.",
        (false, false, false) => {
            "No drift and no error above its limit: the champion stays as it is."
        }
    };
    let mut markup = Markup::from(plain("p", drift));
    markup.push(folded(
        "The reason of the drift check in full",
        element("ul", "reasons", reason::items(&verdict.reason)),
    ));
    if let Some(Step { reason, .. }) = &page.last_step {
        markup.push(plain("p", followed(page)));
        markup.push(reason::markup(reason));
    } else if verdict.fine_tune {
        markup.push(plain("p", followed(page)));
    }
    markup
}

/// Returns the tasks of the reader, with commands that can be copied.
fn tasks(page: &WeekPage) -> Markup {
    let target = &page.target;
    let mut tasks: Vec<Markup> = Vec::new();
    let mut task = |text: &str, command: Option<String>| {
        let mut task = Markup::from(text);
        if let Some(command) = command {
            task.push(": ");
            task.push(page::command(&command));
        }
        tasks.push(task);
    };
    if page.report.verdict.major {
        task(
            "Retrain the champion; see first what the command would do",
            Some(format!(
                "bike-traffic retrain --quarterly{target} --dry-run"
            )),
        );
    }
    if page.last_step.as_ref().is_some_and(|step| step.is_failed) {
        task(
            "Look at the failed step",
            Some(format!("bike-traffic status{target}")),
        );
    } else if page.report.verdict.fine_tune && !page.is_decided() {
        task(
            "Wait for the decision; the state is shown by",
            Some(format!("bike-traffic status{target}")),
        );
    }
    let coverage = page.report.coverage.as_ref();
    let gaps =
        coverage.map(|coverage| [&coverage.missing_days[..], &coverage.partial_days[..]].concat());
    let gaps = gaps.unwrap_or_default();
    if let Some((first, last)) = gaps.iter().min().zip(gaps.iter().max()) {
        task(
            "Request the missing days again",
            Some(format!(
                "bike-traffic ingest{target} --from {first} --to {last}"
            )),
        );
    }
    let silent = super::counters::silent_all_week(page);
    if !silent.is_empty() {
        task(
            &format!(
                "Report to the city that {} nothing but zeros or no counts all week",
                have_counted(&silent)
            ),
            None,
        );
    }
    if tasks.is_empty() {
        return plain("p", "Nothing.").into();
    }
    tasks
        .into_iter()
        .map(|task| Element::new("p").child(task))
        .collect()
}

fn have_counted(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "has" } else { "have" };
    format!("{} {verb} counted", text::short_list(names, NAMES))
}

impl WeekPage {
    /// Returns `true` if the champion's successor is decided, or nothing had to be decided.
    pub(super) fn is_decided(&self) -> bool {
        let is_last = |step: &Step| {
            step.function == Function::Promote
                || step.function == Function::FineTune && step.decision != "challenger-trained"
        };
        !self.report.verdict.fine_tune || self.last_step.as_ref().is_some_and(is_last)
    }
}

impl BandSource {
    /// Describes the interval of the city's forecast.
    pub(super) fn describe(self) -> String {
        match self {
            Self::None => "no interval is stored".to_owned(),
            Self::PastErrors { days } => format!(
                "80 % of the city's errors in the {} before",
                text::plural(days, "day")
            ),
            Self::SumOfBounds => {
                "sum of the counters' 80 % intervals, wider than 80 % for the sum".to_owned()
            }
        }
    }
}
