//! The binding against the real library, and against what the Python package of the same version
//! makes of the same data (`../fixtures/make_fixtures.py`).

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod fixtures;

mod library; // What is linked, and that all of it is.
mod loading; // Models in bytes, whole and broken.
mod matrices; // What data is accepted.
mod messages; // What XGBoost says is not printed.
mod prediction; // Predictions and explanations equal Python's, from any thread.
mod training; // Rounds, scores, early stopping and going on equal Python's.
