//! Cached models and data are not downloaded again.

use super::*;

const MODEL_BYTES: usize = 5_000_000;

fn model(byte: u8) -> Vec<u8> {
    vec![byte; MODEL_BYTES]
}

fn received_bytes(fake: &StorageFake) -> usize {
    fake.take_calls()
        .iter()
        .map(|call| call.received_bytes)
        .sum()
}

#[tokio::test]
async fn model_is_downloaded_again_only_after_a_change() {
    let bucket = new_bucket().await;
    let emulator = place::cloud().storage_emulator.unwrap();
    let fake = StorageFake::start_before(&emulator, |_, _, _| Fate::PassedOn).await;
    let (reader, writer) = (
        open(&bucket, &at(fake.host())).await,
        open(&bucket, &place::cloud()).await,
    );
    let path = path("models/bike-traffic/champion/model.ubj");
    for byte in [1, 2] {
        let generation = writer
            .write(&path, model(byte).into(), Condition::Always)
            .await
            .unwrap();
        let first = reader.read(&path).await.unwrap();
        assert!(
            first.bytes == model(byte),
            "the contents differ from write {byte}"
        );
        assert!(received_bytes(&fake) >= MODEL_BYTES);
        let second = reader.read(&path).await.unwrap();
        assert!(second == first, "the second read differs from the first");
        assert_eq!(second.generation, generation);
        assert!(received_bytes(&fake) < 2_000);
    }
}

/// A repeated fine-tuning writes the same model again.
#[tokio::test]
async fn model_rewritten_with_the_same_contents_is_not_downloaded() {
    let bucket = new_bucket().await;
    let emulator = place::cloud().storage_emulator.unwrap();
    let fake = StorageFake::start_before(&emulator, |_, _, _| Fate::PassedOn).await;
    let (reader, writer) = (
        open(&bucket, &at(fake.host())).await,
        open(&bucket, &place::cloud()).await,
    );
    let path = path("models/bike-traffic/fine-tune/model.ubj");
    writer
        .write(&path, model(1).into(), Condition::Always)
        .await
        .unwrap();
    reader.read(&path).await.unwrap();
    for _ in 0..2 {
        let generation = writer
            .write(&path, model(1).into(), Condition::Always)
            .await
            .unwrap();
        fake.take_calls();
        let object = reader.read(&path).await.unwrap();
        assert!(
            object.bytes == model(1),
            "the contents read differ from those written"
        );
        assert_eq!(object.generation, generation);
        assert!(received_bytes(&fake) < 2_000);
    }
}

#[tokio::test]
async fn object_written_by_this_process_is_not_downloaded() {
    let (store, fake) = behind(|_, _, _| Fate::PassedOn).await;
    let path = path("data/test_baseline.csv");
    store
        .write(&path, model(1).into(), Condition::Absent)
        .await
        .unwrap();
    fake.take_calls();
    assert!(store.read(&path).await.unwrap().bytes == model(1));
    assert!(received_bytes(&fake) < 2_000);
}

#[tokio::test]
async fn uncached_object_is_read_with_one_request() {
    let (store, fake) = behind(|_, _, _| Fate::PassedOn).await;
    let path = path("ledger/event.json");
    store
        .write(&path, "text".into(), Condition::Absent)
        .await
        .unwrap();
    fake.take_calls();
    store.read(&path).await.unwrap();
    assert_eq!(fake.take_calls().len(), 1);
}
