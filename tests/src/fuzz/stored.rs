//! Objects in a bucket: ledger entries, messages, dead letters, manifests, evaluations, versions.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use shared::{
    audit::AuditRow,
    baseline::{DataSet, Manifest},
    bus::{
        LoggedMessage, Message,
        dead_letter::{DeadLetter, Offloaded, restore},
    },
    evaluation::Evaluation,
    event::{EventId, Function},
    ledger::Entry,
    registry::ModelVersion,
};

/// Parses an object as each stored type.
///
/// Asserts that a value is parsed unchanged after writing it, and that the dead letter of a message
/// has its payload and its own attributes.
pub fn stored(data: &[u8]) {
    read_back::<Entry>(data);
    read_back::<Manifest>(data);
    read_back::<DataSet>(data);
    read_back::<Evaluation>(data);
    read_back::<ModelVersion>(data);
    read_back::<AuditRow>(data);
    if let Some(logged) = read_back::<LoggedMessage>(data) {
        check_dead_letter(Message {
            data: logged.data.to_bytes(),
            attributes: logged.attributes,
        });
    }
    if let Some(offloaded) = read_back::<Offloaded>(data) {
        check_dead_letter(Message {
            data: offloaded.data.to_bytes(),
            attributes: offloaded.attributes,
        });
    }
}

fn read_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_vec_pretty(&value).expect("a stored value is valid JSON");
    let again: T = serde_json::from_slice(&written).expect("a written value is readable");
    assert_eq!(again, value);
    Some(value)
}

fn check_dead_letter(message: Message) {
    let DeadLetter {
        message: published,
        offloaded,
    } = DeadLetter::new(
        Function::Ingest,
        &EventId::of_message("7"),
        "the message is not valid JSON",
        None,
        message.clone(),
    );
    match offloaded {
        None => {
            assert_eq!(published.data, message.data);
            assert_eq!(restore(&published.attributes), restore(&message.attributes));
        }
        Some((_, contents)) => {
            let stored: Offloaded =
                serde_json::from_slice(&contents).expect("a written message is readable");
            assert_eq!(stored.data.to_bytes(), message.data);
            assert_eq!(stored.attributes, message.attributes);
        }
    }
}
