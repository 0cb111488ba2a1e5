//! Drift detection per column, compatible with Evidently 0.7.23.
//!
//! The behaviour is that of `DataDriftPreset` with its default tests and thresholds. Missing and
//! infinite values of a column are dropped first. The rows of the reference and the type of the
//! column then select the test:
//!
//! | reference | column | test | drifted if |
//! |---|---|---|---|
//! | up to 1000 rows | numerical | two-sample Kolmogorov-Smirnov | p <= 0.05 |
//! | | categorical, more than two categories | chi-square | p < 0.05 |
//! | | categorical, one or two categories | Z-test of proportions | p < 0.05 |
//! | more rows | numerical | normed Wasserstein distance | >= 0.1 |
//! | | categorical | Jensen-Shannon distance | >= 0.1 |
//!
//! The Wasserstein distance is divided by the standard deviation of the reference.
//!
//! A numerical column with at most five distinct values in reference and current data together is
//! compared as a categorical one. Evidently's binning for the Jensen-Shannon distance is not
//! implemented. With the default tests it never applies: numerical columns that reach this test
//! have at most five values.
//!
//! Evidently treats infinite values inconsistently. It drops them before computing a score. In the
//! count of drifted columns, it retains them if the column has no missing values. This module
//! always drops them. Like Evidently, [`compare`] fails on an empty column. Unlike Evidently,
//! [`dataset`] does not: it excludes the column from the share and reports it.

mod categories;
mod counts;
mod frame;
mod histogram;
mod kolmogorov_smirnov;
mod wasserstein;

use counts::Counts;
use serde::{Deserialize, Serialize};

pub use frame::frame_columns;
pub use histogram::{Bin, Category, Histogram, histograms};

const SMALL_REFERENCE_ROWS: u64 = 1000;
const FEW_VALUES: usize = 5;

/// A column in the condensed form that the tests use: each distinct value with its number of rows.
///
/// Creating a column sorts its values. A reference column can be stored and compared with many
/// current columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    name: String,
    values: Values,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Values {
    Numerical(Counts<f64>),
    Categorical(Counts<String>),
}

impl Column {
    /// Creates a numerical column. Drops NaN and infinite values.
    pub fn numerical(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        Self {
            name: name.into(),
            values: Values::Numerical(Counts::of(finite)),
        }
    }

    /// Creates a categorical column. Categories are compared by their text.
    ///
    /// Callers must omit rows without a category.
    pub fn categorical<K>(name: impl Into<String>, categories: impl IntoIterator<Item = K>) -> Self
    where
        K: PartialOrd + ToString,
    {
        let counts = Counts::of(categories);
        Self {
            name: name.into(),
            values: Values::Categorical(counts.map_values(|category| category.to_string())),
        }
    }

    /// Returns the name of the column.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The drift of the columns of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetDrift {
    /// The drift of each compared column, in the order of the reference.
    pub columns: Vec<ColumnDrift>,
    /// The columns that were not compared because a side has no values. Reports written before this
    /// field existed have none.
    #[serde(default)]
    pub excluded: Vec<ExcludedColumn>,
    /// The number of drifted columns.
    pub drifted_count: usize,
    /// The share of drifted columns among the compared ones, from 0 to 1; 0 if none was compared.
    pub drifted_share: f64,
}

impl DatasetDrift {
    /// Returns the share of drifted columns, or `None` if no column was compared.
    pub fn share(&self) -> Option<f64> {
        (!self.columns.is_empty()).then_some(self.drifted_share)
    }
}

/// A column that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedColumn {
    /// The name of the column.
    pub column: String,
    /// The side without values.
    pub empty: EmptySide,
}

/// The side of a comparison that has no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmptySide {
    /// Only the reference has no values.
    Reference,
    /// Only the current data has no values.
    Current,
    /// Neither side has values.
    Both,
}

impl EmptySide {
    fn of(reference: &Column, current: &Column) -> Option<Self> {
        match (reference.values.rows(), current.values.rows()) {
            (0, 0) => Some(Self::Both),
            (0, _) => Some(Self::Reference),
            (_, 0) => Some(Self::Current),
            _ => None,
        }
    }
}

/// The drift of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The name of the column.
    pub column: String,
    /// The test that was applied.
    pub method: Method,
    /// The threshold of the test.
    pub threshold: f64,
    /// The p-value or distance, depending on the method. Always finite.
    pub score: f64,
    /// `true` if the score crosses the threshold.
    pub drifted: bool,
}

/// The test of a column, serialized with Evidently's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// The two-sample Kolmogorov-Smirnov test.
    #[serde(rename = "K-S p_value")]
    KolmogorovSmirnov,
    /// Pearson's chi-square test.
    #[serde(rename = "chi-square p_value")]
    ChiSquare,
    /// The Z-test of two proportions.
    #[serde(rename = "Z-test p_value")]
    ZTest,
    /// The first Wasserstein distance, in standard deviations of the reference.
    #[serde(rename = "Wasserstein distance (normed)")]
    Wasserstein,
    /// The Jensen-Shannon distance with the natural logarithm.
    #[serde(rename = "Jensen-Shannon distance")]
    JensenShannon,
}

impl Method {
    fn threshold(self) -> f64 {
        match self {
            Self::KolmogorovSmirnov | Self::ChiSquare | Self::ZTest => 0.05,
            Self::Wasserstein | Self::JensenShannon => 0.1,
        }
    }

    fn is_drift(self, score: f64) -> bool {
        match self {
            Self::KolmogorovSmirnov => score <= self.threshold(),
            Self::ChiSquare | Self::ZTest => score < self.threshold(),
            Self::Wasserstein | Self::JensenShannon => score >= self.threshold(),
        }
    }
}

/// Compares each reference column with the current column of the same name.
///
/// Excludes columns without values on a side. Ignores additional current columns.
///
/// # Errors
/// Returns [`Error::NoColumns`] if `reference` is empty, [`Error::MissingColumn`] if `current`
/// lacks a reference column, and the errors of [`compare`] for columns with values.
pub fn dataset(reference: &[Column], current: &[Column]) -> Result<DatasetDrift, Error> {
    if reference.is_empty() {
        return Err(Error::NoColumns);
    }
    let (mut columns, mut excluded) = (Vec::new(), Vec::new());
    for column in reference {
        let current = column_named(&column.name, current)?;
        match EmptySide::of(column, current) {
            None => columns.push(compare(column, current)?),
            Some(empty) => excluded.push(ExcludedColumn {
                column: column.name.clone(),
                empty,
            }),
        }
    }

    let drifted_count = columns.iter().filter(|column| column.drifted).count();
    Ok(DatasetDrift {
        // Without columns, the count is 0 as well.
        drifted_share: drifted_count as f64 / columns.len().max(1) as f64,
        drifted_count,
        columns,
        excluded,
    })
}

/// Compares one column with its reference by Evidently's default test.
///
/// The arguments are not interchangeable. The size of the reference selects the test, and its
/// standard deviation is the unit of the Wasserstein distance. A category that is absent from the
/// reference makes the chi-square p-value 0.
///
/// # Errors
/// - Returns [`Error::EmptyReference`] or [`Error::EmptyCurrent`] if a side has no values.
/// - Returns [`Error::DifferentTypes`] if only one side is numerical.
/// - Returns [`Error::Overflow`] if the numbers are too large to compare.
pub fn compare(reference: &Column, current: &Column) -> Result<ColumnDrift, Error> {
    let column = reference.name.clone();
    if reference.values.rows() == 0 {
        return Err(Error::EmptyReference { column });
    }
    if current.values.rows() == 0 {
        return Err(Error::EmptyCurrent { column });
    }

    let (method, score) = match (&reference.values, &current.values) {
        (Values::Numerical(reference), Values::Numerical(current)) => {
            score_numbers(reference, current)
        }
        (Values::Categorical(reference), Values::Categorical(current)) => {
            score_categories(reference, current)
        }
        _ => return Err(Error::DifferentTypes { column }),
    };
    if !score.is_finite() {
        return Err(Error::Overflow { column });
    }
    Ok(ColumnDrift {
        column,
        method,
        threshold: method.threshold(),
        score,
        drifted: method.is_drift(score),
    })
}

/// The error of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The reference has no columns.
    #[error("cannot detect drift: the reference has no columns")]
    NoColumns,
    /// The current data lacks a column of the reference.
    #[error("cannot find column `{column}` in the current data")]
    MissingColumn {
        /// The name of the column.
        column: String,
    },
    /// The reference has no values in the column.
    #[error("cannot compare column `{column}`: the reference has no values")]
    EmptyReference {
        /// The name of the column.
        column: String,
    },
    /// The current data has no values in the column.
    #[error("cannot compare column `{column}`: the current data has no values")]
    EmptyCurrent {
        /// The name of the column.
        column: String,
    },
    /// One side is numerical and the other is categorical.
    #[error("cannot compare column `{column}`: one side is numerical, the other categorical")]
    DifferentTypes {
        /// The name of the column.
        column: String,
    },
    /// The score exceeds the range of a 64-bit float.
    #[error("cannot compare column `{column}`: the numbers are too large")]
    Overflow {
        /// The name of the column.
        column: String,
    },
}

impl Values {
    fn rows(&self) -> u64 {
        match self {
            Self::Numerical(counts) => counts.rows(),
            Self::Categorical(counts) => counts.rows(),
        }
    }
}

fn column_named<'a>(name: &str, columns: &'a [Column]) -> Result<&'a Column, Error> {
    columns
        .iter()
        .find(|column| column.name == name)
        .ok_or_else(|| Error::MissingColumn {
            column: name.to_owned(),
        })
}

fn score_numbers(reference: &Counts<f64>, current: &Counts<f64>) -> (Method, f64) {
    if !counts::has_more_values_than(FEW_VALUES, reference, current) {
        return score_categories(reference, current);
    }
    if reference.rows() <= SMALL_REFERENCE_ROWS {
        let p_value = kolmogorov_smirnov::p_value(reference, current);
        return (Method::KolmogorovSmirnov, p_value);
    }
    let distance = wasserstein::normed_distance(reference, current);
    (Method::Wasserstein, distance)
}

fn score_categories<K: PartialOrd>(reference: &Counts<K>, current: &Counts<K>) -> (Method, f64) {
    if reference.rows() > SMALL_REFERENCE_ROWS {
        let distance = categories::jensen_shannon_distance(reference, current);
        return (Method::JensenShannon, distance);
    }
    if counts::has_more_values_than(2, reference, current) {
        let p_value = categories::chi_square_p_value(reference, current);
        return (Method::ChiSquare, p_value);
    }
    let p_value = categories::z_test_p_value(reference, current);
    (Method::ZTest, p_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evidently 0.7 compares the score of each method with its threshold this way: `ks` with
    /// `<=`, `chisquare` and `z` with `<`, and the distances with `>=`.
    #[test]
    fn score_at_the_threshold_is_drift_as_in_evidently() {
        let cases = [
            (Method::KolmogorovSmirnov, true),
            (Method::ChiSquare, false),
            (Method::ZTest, false),
            (Method::Wasserstein, true),
            (Method::JensenShannon, true),
        ];
        for (method, expected) in cases {
            assert_eq!(method.is_drift(method.threshold()), expected, "{method:?}");
        }
    }
}
