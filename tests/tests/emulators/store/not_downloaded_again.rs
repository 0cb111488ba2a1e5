//! Models and data that are here already are not downloaded.

use super::*;

const MODEL_BYTES: usize = 5_000_000;

fn model(byte: u8) -> Vec<u8> {
    vec![byte; MODEL_BYTES]
}

fn received_bytes(fake: &StorageDouble) -> usize {
    fake.take_calls()
        .iter()
        .map(|call| call.received_bytes)
        .sum()
}

#[tokio::test]
async fn an_unchanged_model_is_downloaded_once_and_a_changed_one_again() {
    let bucket = new_bucket().await;
    let emulator = place::cloud().storage_emulator.unwrap();
    let fake = StorageDouble::in_front_of(&emulator, |_, _, _| Fate::PassedOn).await;
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
            "the contents are not those of write {byte}"
        );
        assert!(received_bytes(&fake) >= MODEL_BYTES);
        let second = reader.read(&path).await.unwrap();
        assert!(second == first, "the second read is another than the first");
        assert_eq!(second.generation, generation);
        assert!(received_bytes(&fake) < 2_000);
    }
}

/// As a fine-tuning that is done once more writes it.
#[tokio::test]
async fn a_model_that_was_written_again_with_the_same_contents_is_not_downloaded() {
    let bucket = new_bucket().await;
    let emulator = place::cloud().storage_emulator.unwrap();
    let fake = StorageDouble::in_front_of(&emulator, |_, _, _| Fate::PassedOn).await;
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
            "other contents were read than written"
        );
        assert_eq!(object.generation, generation);
        assert!(received_bytes(&fake) < 2_000);
    }
}

#[tokio::test]
async fn what_was_written_here_is_not_downloaded() {
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
async fn other_objects_are_read_each_time_by_one_request() {
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
