//! Stored models: the card and the booster.

use std::sync::Arc;

use forecasting::checksum::Checksum;
use model::{Model, ModelCard, ModelError, Threads};
use shared::{
    address::ObjectPath,
    store::{Condition, MemoryStore, Store, StoreError},
};

/// Loads a model from the JSON of its card, a NUL byte, and the bytes of its booster.
///
/// Asserts that a card is parsed unchanged after formatting, and that a booster with another
/// checksum than the card's is refused. XGBoost does not check the trees of a model, so it must
/// never read such a booster.
pub fn model_card(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0);
    let (card, booster) = match end {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &data[..0]),
    };
    let Ok(parsed) = serde_json::from_slice::<ModelCard>(card) else {
        assert!(load(card, booster).is_err());
        return;
    };
    let json = serde_json::to_vec(&parsed).expect("a card is valid JSON");
    let again: ModelCard = serde_json::from_slice(&json).expect("a written card is readable");
    assert_eq!(again, parsed);

    let is_unaltered = Checksum::of(booster) == parsed.sha256;
    match load(card, booster) {
        Ok(model) => assert!(is_unaltered && *model.card() == parsed, "{parsed:?}"),
        Err(ModelError::Load { .. }) => assert!(is_unaltered, "XGBoost read an altered booster"),
        Err(_) => {}
    }
}

fn load(card: &[u8], booster: &[u8]) -> Result<Model, ModelError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O can be created");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let folder = ObjectPath::new("models/bike-traffic/fuzz");
    runtime.block_on(async {
        write(&*store, &folder.join("card.json"), card).await?;
        write(&*store, &folder.join("model.ubj"), booster).await?;
        Model::load(&store, &folder, Threads::One).await
    })
}

async fn write(store: &dyn Store, path: &ObjectPath, bytes: &[u8]) -> Result<(), StoreError> {
    let contents = bytes.to_vec().into();
    store.write(path, contents, Condition::Always).await?;
    Ok(())
}
