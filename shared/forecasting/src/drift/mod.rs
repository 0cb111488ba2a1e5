//! Dataset drift, decided column by column as Evidently 0.7.23 does.
//!
//! Behaviour matched: `DataDriftPreset` with its default tests and thresholds. Of a column,
//! missing and infinite values are dropped first; then
//!
//! | reference | column | test | drifted |
//! |---|---|---|---|
//! | up to 1000 rows | numerical | two-sample Kolmogorov-Smirnov | p <= 0.05 |
//! | | categorical, more than two categories | chi-square | p < 0.05 |
//! | | categorical, one or two categories | Z-test of proportions | p < 0.05 |
//! | above | numerical | Wasserstein distance, normed by the reference's deviation | >= 0.1 |
//! | | categorical | Jensen-Shannon distance | >= 0.1 |
//!
//! where a numerical column with at most five distinct values, reference and current taken
//! together, is compared as a categorical one. Evidently's histogram for Jensen-Shannon is
//! absent: its default tests never bin, since a numerical column reaches that test with five
//! values at most.
//!
//! Where Evidently contradicts itself: it drops infinite values before it computes a score, but
//! in the count of drifted columns it keeps those of a column without missing values. Here they
//! are always dropped. Where Evidently fails on an empty column, so does [`compare`].

mod categories;
mod counts;
mod frame;
mod kolmogorov_smirnov;
mod wasserstein;

use counts::Counts;
use serde::{Deserialize, Serialize};

pub use frame::columns_of;

const SMALL_REFERENCE_ROWS: u64 = 1000;
const FEW_VALUES: usize = 5;

/// Values of one column, in the condensed form that the tests read.
///
/// Holds each distinct value with its number of rows. Preparing a column sorts it; a prepared
/// reference can be stored and compared with many current columns.
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
    /// Prepares a column of numbers; NaN and infinite values are dropped.
    pub fn numerical(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        Self {
            name: name.into(),
            values: Values::Numerical(Counts::of(finite)),
        }
    }

    /// Prepares a column of categories, told apart by their text; rows without a category are
    /// to be left out.
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

    /// Returns the column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Drift of the columns of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetDrift {
    /// One entry per reference column, in the order of the reference.
    pub columns: Vec<ColumnDrift>,
    /// Number of drifted columns.
    pub drifted_count: usize,
    /// Drifted columns as a share of all, from 0 to 1.
    pub drifted_share: f64,
}

/// Outcome of the test of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Name of the column.
    pub column: String,
    /// Test that was chosen for the column.
    pub method: Method,
    /// Threshold of the test.
    pub threshold: f64,
    /// A p-value or a distance, by the method; always finite.
    pub score: f64,
    /// Whether the score is on the drifted side of the threshold.
    pub drifted: bool,
}

/// Test of one column, serialised under Evidently's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Two-sample Kolmogorov-Smirnov test.
    #[serde(rename = "K-S p_value")]
    KolmogorovSmirnov,
    /// Pearson's chi-square test.
    #[serde(rename = "chi-square p_value")]
    ChiSquare,
    /// Z-test of two proportions.
    #[serde(rename = "Z-test p_value")]
    ZTest,
    /// First Wasserstein distance in standard deviations of the reference.
    #[serde(rename = "Wasserstein distance (normed)")]
    Wasserstein,
    /// Jensen-Shannon distance with the natural logarithm.
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

/// Compares every reference column with the current column of the same name.
///
/// Further current columns are ignored.
///
/// # Errors
///
/// [`Error::NoColumns`] without reference columns, [`Error::MissingColumn`] for one that
/// `current` lacks, and the errors of [`compare`].
pub fn dataset(reference: &[Column], current: &[Column]) -> Result<DatasetDrift, Error> {
    if reference.is_empty() {
        return Err(Error::NoColumns);
    }
    let columns = reference
        .iter()
        .map(|column| compare(column, column_named(&column.name, current)?))
        .collect::<Result<Vec<_>, _>>()?;

    let drifted_count = columns.iter().filter(|column| column.drifted).count();
    Ok(DatasetDrift {
        drifted_share: drifted_count as f64 / columns.len() as f64,
        drifted_count,
        columns,
    })
}

/// Compares one column with its reference by the test that Evidently takes by default.
///
/// The roles matter: the reference's size chooses the test and its deviation is the unit of the
/// Wasserstein distance. A category that the reference lacks makes the chi-square p-value 0.
///
/// # Errors
///
/// [`Error::EmptyReference`] and [`Error::EmptyCurrent`] when a side has no value left,
/// [`Error::DifferentTypes`], and [`Error::Overflow`] for numbers too large to compare.
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

/// Reasons why columns cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The reference has no columns.
    #[error("cannot decide the drift of a dataset without columns")]
    NoColumns,
    /// The current data lacks a column of the reference.
    #[error("cannot find column `{column}` in the current data")]
    MissingColumn {
        /// Name of the column.
        column: String,
    },
    /// The reference has rows in the column, but not one value.
    #[error("cannot compare column `{column}`, its reference has no values")]
    EmptyReference {
        /// Name of the column.
        column: String,
    },
    /// The current data has no value in the column.
    #[error("cannot compare column `{column}`, its current data has no values")]
    EmptyCurrent {
        /// Name of the column.
        column: String,
    },
    /// One side is numerical, the other categorical.
    #[error("cannot compare column `{column}`, numerical on one side and categorical on the other")]
    DifferentTypes {
        /// Name of the column.
        column: String,
    },
    /// The score exceeds the range of a 64-bit float.
    #[error("cannot compare column `{column}`, its numbers are too large")]
    Overflow {
        /// Name of the column.
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
