//! The values of a table.

/// The values of a column. `None` and `NaN` are missing values.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// A few texts that repeat. A value is a position in `texts`.
    Repeated {
        /// The different texts.
        texts: Vec<String>,
        /// The position of each value.
        positions: Vec<u32>,
    },
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Features, without `None`.
    Feature(Vec<f32>),
    /// `true` or `false`.
    Flag(Vec<Option<bool>>),
    /// Instants, in milliseconds since 1970.
    Instant(Vec<Option<i64>>),
}
