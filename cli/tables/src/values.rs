//! The values of a table.

/// The values of a column. `None` and `NaN` are missing values.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Features, without `None`.
    Feature(Vec<f32>),
    /// `true` or `false`.
    Flag(Vec<Option<bool>>),
    /// Instants, in milliseconds since 1970.
    Instant(Vec<Option<i64>>),
}
