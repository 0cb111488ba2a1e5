//! Valid and invalid model files.

use std::collections::BTreeMap;

use xgboost::{Booster, Error};

use crate::fixtures::{Case, Data, assert_close, model_bytes};

#[test]
fn python_model_round_trips() {
    for name in ["squared_error", "poisson"] {
        let bytes = model_bytes(name);
        let booster = Booster::load(&bytes).unwrap();
        assert_eq!(booster.save_ubj().unwrap(), bytes);
    }
}

#[test]
fn loaded_model_has_rounds_features_and_attributes() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    assert_eq!(booster.rounds().unwrap(), 12);
    assert_eq!(booster.features().unwrap(), 6);
    let names: Vec<String> = (0..6).map(|column| format!("feature_{column}")).collect();
    assert_eq!(booster.feature_names().unwrap(), names);
    assert_eq!(booster.attribute("answer").unwrap().as_deref(), Some("42"));
    assert_eq!(booster.attribute("question").unwrap(), None);
}

#[test]
fn attributes_and_feature_names_are_saved() {
    let mut booster = Booster::load(&model_bytes("squared_error")).unwrap();
    booster.set_attribute("answer", None).unwrap();
    booster.set_attribute("city", Some("Paris, 11ᵉ")).unwrap();
    booster.set_attribute("empty", Some("")).unwrap();
    booster
        .set_feature_names(&["a", "b", "c", "d", "é", "f"])
        .unwrap();
    let copy = Booster::load(&booster.save_ubj().unwrap()).unwrap();
    let expected = [("city", "Paris, 11ᵉ"), ("empty", "")];
    let expected: BTreeMap<_, _> = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(copy.attributes().unwrap(), expected);
    assert_eq!(
        copy.feature_names().unwrap(),
        ["a", "b", "c", "d", "é", "f"]
    );
}

#[test]
fn json_model_equals_the_ubjson_model() {
    let data = Data::read();
    let bytes = model_bytes("poisson");
    let json = Booster::load(&bytes).unwrap().save_json().unwrap();
    let booster = Booster::load(json.as_bytes()).unwrap();
    let predictions = booster
        .predict_in_place(&data.test.rows, data.columns)
        .unwrap();
    assert_close(&predictions, &Case::read("poisson").predictions);
    assert_eq!(booster.save_ubj().unwrap(), bytes);
}

#[test]
fn truncated_model_is_rejected() {
    let booster = Booster::load(&model_bytes("squared_error")).unwrap();
    let booster = booster.slice(0..2).unwrap();
    let forms = [
        booster.save_ubj().unwrap(),
        booster.save_json().unwrap().into_bytes(),
    ];
    for bytes in &forms {
        for length in 0..bytes.len() {
            let loaded = Booster::load(&bytes[..length]);
            assert!(
                matches!(loaded, Err(Error::Model { .. })),
                "the first {length} bytes are accepted"
            );
        }
        assert!(Booster::load(bytes).is_ok());
    }
}

#[test]
fn document_without_a_model_is_rejected() {
    for bytes in [
        b"{}".as_slice(),
        b"{\"a\": 1}",
        b"{\"learner\": {}}",
        b"{\"learner\": 3}",
    ] {
        let loaded = Booster::load(bytes);
        assert!(matches!(loaded, Err(Error::Xgboost { .. })), "{loaded:?}");
    }
}

#[test]
fn tree_with_inconsistent_length_is_rejected() {
    let json = Booster::load(&model_bytes("squared_error"))
        .unwrap()
        .save_json()
        .unwrap();
    let mut model: serde_json::Value = serde_json::from_str(&json).unwrap();
    let trees = &mut model["learner"]["gradient_booster"]["model"]["trees"];
    trees[0]["left_children"].as_array_mut().unwrap().pop();
    let loaded = Booster::load(model.to_string().as_bytes());
    assert!(matches!(loaded, Err(Error::Xgboost { .. })), "{loaded:?}");
}

#[test]
fn linear_model_is_rejected() {
    let json = Booster::load(&model_bytes("squared_error"))
        .unwrap()
        .save_json()
        .unwrap();
    let mut model: serde_json::Value = serde_json::from_str(&json).unwrap();
    let weights = serde_json::json!({"weights": vec![0.5; 7], "boosted_rounds": 1});
    model["learner"]["gradient_booster"] =
        serde_json::json!({"name": "gblinear", "model": weights});
    let loaded = Booster::load(model.to_string().as_bytes());
    assert!(
        matches!(loaded, Err(Error::Unsupported { .. })),
        "{loaded:?}"
    );
}
