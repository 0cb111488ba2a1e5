//! Histograms of a reference and the current data, to draw the distributions behind a drift score.
//!
//! Numbers with few distinct values have a bin for each. Other numbers have bins of equal width in
//! the square root if none is negative, because counts are skewed and their deviation grows with
//! their mean; otherwise of equal width. The bins in between divide the range from the 0.5 % to the
//! 99.5 % quantile of both sides, so that a single extreme value does not empty them. The first and
//! the last bin reach to the extremes. A page should draw all bins with one width.
//!
//! Sources: Bartlett, "The square root transformation in analysis of variance", Supplement to the
//! Journal of the Royal Statistical Society 3 (1936), for the scale of counts. Hyndman and Fan,
//! "Sample quantiles in statistical packages", The American Statistician 50 (1996), definition 1,
//! for the quantiles.

use serde::{Deserialize, Serialize};

use super::{
    Column, Values,
    counts::{Counts, side_by_side},
};

/// The maximum number of distinct numbers with a bin for each: the hours of a day.
const FEW_VALUES: usize = 24;
/// The maximum number of bins of other numbers.
const BINS: usize = 20;
/// The share of rows below and above the range that the bins divide.
const TAIL: f64 = 0.005;
/// The maximum number of categories.
const CATEGORIES: usize = 60;

/// The distribution of a column in the reference and in the current data.
///
/// Either `bins` or `categories` is empty. All shares are rounded to six decimals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The name of the column.
    pub column: String,
    /// The bins of a numerical column, in ascending order, without gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<Bin>,
    /// The categories of a categorical column, the most frequent of the reference first. If there
    /// are more than 60, these are the ones with the largest shares, and the rest of the shares
    /// belongs to the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
}

/// The shares of the rows whose number is in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The start of the interval, which belongs to it.
    pub from: f64,
    /// The end of the interval, which belongs to the next one. The last bin includes its end.
    pub to: f64,
    /// The share of the rows of the reference, from 0 to 1.
    pub reference: f64,
    /// The share of the rows of the current data, from 0 to 1.
    pub current: f64,
}

/// The shares of the rows of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// The name of the category.
    pub name: String,
    /// The share of the rows of the reference, from 0 to 1.
    pub reference: f64,
    /// The share of the rows of the current data, from 0 to 1.
    pub current: f64,
}

/// Returns the histogram of each reference column and the current column of the same name.
///
/// Omits columns that [`compare`](super::compare) cannot compare: columns without values on a side,
/// and columns that are numerical on one side only.
pub fn histograms(reference: &[Column], current: &[Column]) -> Vec<Histogram> {
    let current_of = |name: &str| current.iter().find(|column| column.name == name);
    reference
        .iter()
        .filter_map(|column| histogram(column, current_of(&column.name)?))
        .collect()
}

fn histogram(reference: &Column, current: &Column) -> Option<Histogram> {
    if reference.values.rows() == 0 || current.values.rows() == 0 {
        return None;
    }
    let (bins, categories) = match (&reference.values, &current.values) {
        (Values::Numerical(reference), Values::Numerical(current)) => {
            (bins(reference, current), Vec::new())
        }
        (Values::Categorical(reference), Values::Categorical(current)) => {
            (Vec::new(), categories(reference, current))
        }
        _ => return None,
    };
    Some(Histogram {
        column: reference.name.clone(),
        bins,
        categories,
    })
}

fn categories(reference: &Counts<String>, current: &Counts<String>) -> Vec<Category> {
    let mut categories: Vec<_> = side_by_side(reference, current)
        .map(|(name, in_reference, in_current)| Category {
            name: name.clone(),
            reference: share(in_reference, reference.rows()),
            current: share(in_current, current.rows()),
        })
        .collect();
    let larger = |category: &Category| category.reference.max(category.current);
    // Both sorts are stable, so categories of equal shares stay in the order of their names.
    categories.sort_by(|left, right| larger(right).total_cmp(&larger(left)));
    categories.truncate(CATEGORIES);
    categories.sort_by(|left, right| left.name.cmp(&right.name));
    categories.sort_by(|left, right| right.reference.total_cmp(&left.reference));
    categories
}

/// Both sides must have rows.
fn bins(reference: &Counts<f64>, current: &Counts<f64>) -> Vec<Bin> {
    let edges = edges(reference, current);
    let last = edges.len().saturating_sub(2);
    let mut rows = vec![(0, 0); last + 1];
    let mut bin = 0;
    for (value, in_reference, in_current) in side_by_side(reference, current) {
        while bin < last && *value >= edges[bin + 1] {
            bin += 1;
        }
        rows[bin].0 += in_reference;
        rows[bin].1 += in_current;
    }
    edges
        .windows(2)
        .zip(rows)
        .map(|(edges, (in_reference, in_current))| Bin {
            from: edges[0],
            to: edges[1],
            reference: share(in_reference, reference.rows()),
            current: share(in_current, current.rows()),
        })
        .collect()
}

/// Returns the starts of all bins, and the end of the last one.
fn edges(reference: &Counts<f64>, current: &Counts<f64>) -> Vec<f64> {
    let values: Vec<f64> = side_by_side(reference, current)
        .map(|(value, ..)| *value)
        .collect();
    if values.len() <= FEW_VALUES {
        return edges_of_values(&values);
    }
    let (min, max) = (values[0], values[values.len() - 1]);
    let sides = [reference, current];
    let low = sides.map(|side| quantile(side, TAIL));
    let high = sides.map(|side| quantile(side, 1.0 - TAIL));
    let (mut low, mut high) = (low[0].min(low[1]), high[0].max(high[1]));
    if low >= high {
        // Almost all rows have the same value.
        (low, high) = (min, max);
    }
    let mut edges = vec![min];
    edges.extend(inner_edges((low, high), min >= 0.0));
    if values.iter().all(|value| value.fract() == 0.0) {
        // A bin between two whole numbers would be empty.
        edges.iter_mut().for_each(|edge| *edge = edge.ceil());
    }
    // Rounding and overflow may leave an edge outside.
    edges.retain(|edge| (min..max).contains(edge));
    edges.push(max);
    edges.dedup();
    edges
}

/// Returns the edges between [`BINS`] bins of equal width, or of equal width in the square root.
fn inner_edges((low, high): (f64, f64), is_root: bool) -> impl Iterator<Item = f64> {
    let scaled = |value: f64| if is_root { value.sqrt() } else { value };
    let (first, width) = (scaled(low), scaled(high) - scaled(low));
    (1..BINS).map(move |bin| {
        let edge = first + width * bin as f64 / BINS as f64;
        if is_root { edge * edge } else { edge }
    })
}

/// Returns the edges of one bin per value: the middle between neighbours.
fn edges_of_values(values: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Vec::new();
    };
    let middles: Vec<f64> = values
        .windows(2)
        .map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0)
        .collect();
    let before = middles.first().map_or(0.5, |middle| middle - first);
    let after = middles.last().map_or(0.5, |middle| last - middle);
    std::iter::once(first - before)
        .chain(middles)
        .chain([last + after])
        .collect()
}

/// Returns the smallest value that a share of the rows does not exceed.
fn quantile(counts: &Counts<f64>, share: f64) -> f64 {
    let wanted = share * counts.rows() as f64;
    let mut rows = 0;
    let mut largest = f64::NAN;
    for (value, of_value) in counts.iter() {
        rows += of_value;
        largest = *value;
        if rows as f64 >= wanted {
            break;
        }
    }
    largest
}

/// Returns a share rounded to six decimals, which is finer than a page can draw.
fn share(rows: u64, of: u64) -> f64 {
    const DECIMALS: f64 = 1e6;
    (rows as f64 / of as f64 * DECIMALS).round() / DECIMALS
}
