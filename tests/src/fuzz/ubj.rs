//! The check of a model before XGBoost reads it.

use std::num::NonZero;

use xgboost::{Forest, check_model};

/// Checks bytes as a model in UBJSON or JSON.
///
/// Asserts that a complete document is not complete without its last byte, nor with another one,
/// and that the trees of any bytes can be read.
pub fn ubj(data: &[u8]) {
    if let Some(forest) = Forest::read(data) {
        // A row of another width is an error.
        let _ = forest.predict(&[0.5; 23], 23, NonZero::<usize>::MIN);
    }
    if check_model(data).is_err() {
        return;
    }
    // A document in JSON may end in whitespace.
    let document = data.trim_ascii_end();
    let truncated = &document[..document.len() - 1];
    assert!(check_model(truncated).is_err(), "truncated");
    let extended = [document, b"}"].concat();
    assert!(check_model(&extended).is_err(), "extended");
}
