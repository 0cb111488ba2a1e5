//! The errors of this crate, by the caller's reaction.

use std::ffi::NulError;

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of XGBoost or of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// XGBoost failed, for example because data, parameters and model do not match.
    #[error("cannot {during}: {message}")]
    Xgboost {
        /// The failed operation.
        during: &'static str,
        /// The message of XGBoost, without time and stack trace.
        message: String,
    },

    /// The lengths of arrays do not match.
    #[error("invalid shape of {data}: {problem}")]
    Shape {
        /// The invalid argument.
        data: &'static str,
        /// The expected and the actual length.
        problem: String,
    },

    /// A text cannot be passed to C.
    #[error("the {what} must not contain a NUL byte")]
    Text {
        /// The kind of text.
        what: &'static str,
        /// The cause, with the position of the byte.
        #[source]
        source: NulError,
    },

    /// The bytes are not a complete model in XGBoost's UBJSON or JSON.
    #[error("invalid XGBoost model: {problem} at byte {offset}")]
    Model {
        /// The problem.
        problem: &'static str,
        /// The offset at which it was detected, counted from 0.
        offset: usize,
    },

    /// The booster does not have the requested rounds.
    #[error("cannot slice rounds {begin}..{end} of a booster with {rounds} rounds")]
    Rounds {
        /// The first requested round.
        begin: u32,
        /// The round after the last requested one.
        end: u32,
        /// The number of rounds of the booster.
        rounds: u32,
    },

    /// The operation is not supported or has invalid arguments.
    #[error("cannot {during}: {reason}")]
    Unsupported {
        /// The failed operation.
        during: &'static str,
        /// The reason why it is rejected.
        reason: &'static str,
    },

    /// XGBoost returned a value of another form than documented.
    #[error("cannot {during}: unexpected response `{answer}`")]
    Answer {
        /// The failed operation.
        during: &'static str,
        /// The returned text.
        answer: String,
    },
}
