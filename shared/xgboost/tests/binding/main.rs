//! Tests of the binding with the real library. The expected results are those of the Python package
//! of the same version for the same data (`../fixtures/make_fixtures.py`).

#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod fixtures;

mod forest; // The flat trees predict the bits of XGBoost.
mod library; // The linked library is complete.
mod loading; // Valid and invalid model files.
mod matrices; // Valid and invalid data.
mod messages; // Messages of XGBoost go to the log.
mod prediction; // Predictions and explanations equal Python's, from any thread.
mod training; // Rounds, scores, early stopping and continued training equal Python's.
