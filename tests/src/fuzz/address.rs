//! Addresses, and the names in them.

use shared::{
    address::{Address, BucketName, ObjectPath, ProjectId},
    baseline::DataSetName,
    event::{EventId, Function, Topic},
    registry::RunName,
};

use super::assert_displayed_as_parsed;

/// Parses a text as an address and as each kind of name.
///
/// Asserts that what is displayed is parsed to the same value, without credentials, and that a
/// composed path is valid for any text.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(address) = text.parse::<Address>() {
        let shown = address.to_string();
        let parsed: Address = shown.parse().expect("a displayed address is valid");
        assert_eq!(parsed.to_string(), shown);
        match &parsed {
            Address::Mlflow(url) => assert_eq!((url.username(), url.password()), ("", None)),
            _ => assert_eq!(parsed, address),
        }
    }
    assert_displayed_as_parsed::<BucketName>(text);
    assert_displayed_as_parsed::<ProjectId>(text);
    assert_displayed_as_parsed::<ObjectPath>(text);
    assert_displayed_as_parsed::<EventId>(text);
    assert_displayed_as_parsed::<RunName>(text);
    assert_displayed_as_parsed::<DataSetName>(text);
    assert_displayed_as_parsed::<Function>(text);
    assert_displayed_as_parsed::<Topic>(text);
    let composed = ObjectPath::new(text);
    assert_eq!(
        composed.as_str().parse::<ObjectPath>().ok(),
        Some(composed.clone())
    );
    if let Ok(parsed) = text.parse::<ObjectPath>() {
        assert_eq!(parsed, composed);
    }
    let id = EventId::of_message(text);
    assert_eq!(id.to_string().parse::<EventId>().ok(), Some(id));
}
