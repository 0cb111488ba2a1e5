//! What can go wrong, by what a caller does about it.

use std::ffi::NulError;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why XGBoost, or this crate on its behalf, refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// XGBoost itself refused: data, parameters and model do not fit together.
    #[error("cannot {during}: {message}")]
    Xgboost {
        /// What was attempted.
        during: &'static str,
        /// XGBoost's own words, without time and stack trace.
        message: String,
    },

    /// Lengths of arrays do not fit together.
    #[error("the shape of {data} does not fit: {problem}")]
    Shape {
        /// The offending argument.
        data: &'static str,
        /// What was expected and what was given.
        problem: String,
    },

    /// A text cannot be handed to C.
    #[error("a {what} must not contain a NUL byte")]
    Text {
        /// What the text is.
        what: &'static str,
        /// Where the byte stands.
        #[source]
        source: NulError,
    },

    /// The bytes are not, or not wholly, a model in XGBoost's UBJSON or JSON.
    #[error("the bytes are not a whole XGBoost model: {problem} at byte {offset}")]
    Model {
        /// What is wrong.
        problem: &'static str,
        /// Where it was noticed, counted from 0.
        offset: usize,
    },

    /// Rounds were asked for that the booster does not have.
    #[error("rounds {begin}..{end} cannot be taken from a booster of {rounds} rounds")]
    Rounds {
        /// The first round asked for.
        begin: u32,
        /// The round after the last one asked for.
        end: u32,
        /// How many rounds there are.
        rounds: u32,
    },

    /// What was asked for is not supported, or makes no sense.
    #[error("cannot {during}: {reason}")]
    Unsupported {
        /// What was attempted.
        during: &'static str,
        /// Why it is refused.
        reason: &'static str,
    },

    /// XGBoost's answer is not of the form that its documentation promises.
    #[error("cannot {during}: the answer `{answer}` has an unexpected form")]
    Answer {
        /// What was attempted.
        during: &'static str,
        /// The answer.
        answer: String,
    },
}
