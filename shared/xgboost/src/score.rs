//! What an evaluation says.

use crate::error::{Error, Result};

/// One metric on one data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The data set, as it was named for the evaluation.
    pub dataset: String,
    /// The metric, as XGBoost names it: `rmse`, `mae`, `ndcg@10`.
    pub metric: String,
    /// Its value; NaN where the metric is not defined.
    pub value: f64,
}

/// Reads `[3]\ttrain-rmse:0.5\ttrain-mae:0.4\ttest-rmse:0.6\ttest-mae:0.5`.
///
/// Names may contain hyphens and colons: what is given tells where they end.
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
    fn each_metric_of_each_data_set_is_read() {
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
    fn names_may_hold_hyphens_and_colons() {
        let text = "[0]\tweek-1:a-ndcg@10-:1";
        let expected = vec![("week-1:a".into(), "ndcg@10-".into(), 1.0)];
        assert_eq!(read(text, &["week-1:a"]), Some(expected));
    }

    #[test]
    fn an_undefined_metric_is_nan() {
        let scores = read("[0]\ttest-auc:-nan", &["test"]).unwrap();
        assert!(scores[0].2.is_nan());
    }

    #[test]
    fn no_data_set_has_no_scores() {
        assert_eq!(read("[0]", &[]), Some(Vec::new()));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(read("[0]\ttest-rmse", &["test"]), None);
        assert_eq!(read("[0]\ttest-rmse:fast", &["test"]), None);
        assert_eq!(read("[0]\ttest-rmse:1", &["train"]), None);
        assert_eq!(read("[0]\ta-rmse:1\ta-mae:1\tb-rmse:1", &["a", "b"]), None);
        assert_eq!(read("[0]\ta-rmse:1", &[]), None);
    }
}
