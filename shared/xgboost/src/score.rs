//! The scores of an evaluation, and their parser.

use crate::error::{Error, Result};

/// The value of one metric on one data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The name of the data set in the evaluation.
    pub dataset: String,
    /// The name of the metric in XGBoost, as in `rmse`, `mae` or `ndcg@10`.
    pub metric: String,
    /// The value of the metric, or NaN if it is undefined.
    pub value: f64,
}

/// Parses `[3]\ttrain-rmse:0.5\ttrain-mae:0.4\ttest-rmse:0.6\ttest-mae:0.5`.
///
/// Names may contain hyphens and colons. The given names of the data sets resolve the ambiguity.
pub(crate) fn parse<'a>(
    text: &str,
    datasets: impl ExactSizeIterator<Item = &'a str>,
) -> Result<Vec<Score>> {
    let fields: Vec<&str> = text.split('\t').skip(1).collect();
    let metrics = fields.len().checked_div(datasets.len()).unwrap_or(0);
    let expected = datasets.flat_map(|dataset| std::iter::repeat_n(dataset, metrics));
    let scores: Option<Vec<Score>> = fields
        .iter()
        .zip(expected)
        .map(|(field, dataset)| parse_one(field, dataset))
        .collect();
    scores
        .filter(|scores| scores.len() == fields.len())
        .ok_or_else(|| Error::Answer {
            during: "read the scores of a model",
            answer: text.to_owned(),
        })
}

fn parse_one(field: &str, dataset: &str) -> Option<Score> {
    let (metric, value) = field
        .strip_prefix(dataset)?
        .strip_prefix('-')?
        .rsplit_once(':')?;
    Some(Score {
        dataset: dataset.to_owned(),
        metric: metric.to_owned(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, datasets: &[&str]) -> Option<Vec<(String, String, f64)>> {
        let scores = parse(text, datasets.iter().copied()).ok()?;
        Some(
            scores
                .into_iter()
                .map(|score| (score.dataset, score.metric, score.value))
                .collect(),
        )
    }

    #[test]
    fn all_metrics_of_all_data_sets_are_parsed() {
        let text = "[3]\ttrain-rmse:0.5\ttrain-mae:0.4\ttest-rmse:0.6\ttest-mae:5e-1";
        let expected = [
            ("train", "rmse", 0.5),
            ("train", "mae", 0.4),
            ("test", "rmse", 0.6),
            ("test", "mae", 0.5),
        ];
        let expected = expected.map(|(set, metric, value)| (set.into(), metric.into(), value));
        assert_eq!(read(text, &["train", "test"]), Some(expected.to_vec()));
    }

    #[test]
    fn names_may_contain_hyphens_and_colons() {
        let text = "[0]\tweek-1:a-ndcg@10-:1";
        let expected = vec![("week-1:a".into(), "ndcg@10-".into(), 1.0)];
        assert_eq!(read(text, &["week-1:a"]), Some(expected));
    }

    #[test]
    fn undefined_metric_is_nan() {
        let scores = read("[0]\ttest-auc:-nan", &["test"]).unwrap();
        assert!(scores[0].2.is_nan());
    }

    #[test]
    fn no_data_sets_have_no_scores() {
        assert_eq!(read("[0]", &[]), Some(Vec::new()));
    }

    #[test]
    fn invalid_text_is_rejected() {
        assert_eq!(read("[0]\ttest-rmse", &["test"]), None);
        assert_eq!(read("[0]\ttest-rmse:fast", &["test"]), None);
        assert_eq!(read("[0]\ttest-rmse:1", &["train"]), None);
        assert_eq!(read("[0]\ta-rmse:1\ta-mae:1\tb-rmse:1", &["a", "b"]), None);
        assert_eq!(read("[0]\ta-rmse:1", &[]), None);
    }
}
