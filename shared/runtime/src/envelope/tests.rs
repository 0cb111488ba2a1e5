mod cloud_events;

use axum::http::{HeaderName, HeaderValue};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::*;

const EVENT: &str = r#"{"type":"ingest-requested"}"#;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(pair).collect()
}

fn expected() -> Envelope {
    Envelope {
        message_id: "136969346945".to_owned(),
        published_at: Some("2021-07-20T04:00:00.123Z".parse().unwrap()),
        attributes: BTreeMap::from([("origin".to_owned(), "scheduler".to_owned())]),
        data: EVENT.into(),
    }
}

#[test]
fn wrapped_push_is_parsed() {
    for fixture in [
        include_str!("../fixtures/push.json"),
        include_str!("../fixtures/push-emulator.json"),
    ] {
        assert_eq!(
            Envelope::parse(&HeaderMap::new(), &fixture.into()).unwrap(),
            expected()
        );
    }
}

#[test]
fn republished_message_keeps_its_first_publish_time() {
    let push = |time: &str| {
        let attributes = serde_json::json!({ FIRST_PUBLISHED_ATTRIBUTE: time });
        let message = serde_json::json!({ "messageId": "1", "publishTime": "2021-08-09T00:00:00Z", "attributes": attributes });
        Envelope::parse(
            &HeaderMap::new(),
            &serde_json::json!({ "message": message }).to_string().into(),
        )
        .unwrap()
    };
    let first = "2021-08-02T05:00:00Z";
    assert_eq!(push(first).published_at, Some(first.parse().unwrap()));
    assert_eq!(
        push("once").published_at,
        Some("2021-08-09T00:00:00Z".parse().unwrap())
    );
}

#[test]
fn unwrapped_push_is_parsed_with_and_without_metadata() {
    let metadata = headers(&[
        ("x-goog-pubsub-message-id", "136969346945"),
        ("x-goog-pubsub-publish-time", "2021-07-20T04:00:00.123Z"),
        ("x-goog-pubsub-attr-origin", "scheduler"),
    ]);
    assert_eq!(
        Envelope::parse(&metadata, &EVENT.into()).unwrap(),
        expected()
    );
    let bare = Envelope::parse(&HeaderMap::new(), &EVENT.into()).unwrap();
    assert_eq!((bare.data, bare.published_at), (EVENT.into(), None));
}

#[test]
fn cloud_event_is_parsed() {
    let body = include_str!("../fixtures/push.json").into();
    let event = headers(&[
        ("ce-type", CLOUD_EVENT_TYPE),
        ("ce-id", "1"),
        ("ce-specversion", "1.0"),
    ]);
    assert_eq!(Envelope::parse(&event, &body).unwrap(), expected());
    let other = headers(&[("ce-type", "google.cloud.storage.object.v1.finalized")]);
    assert!(matches!(
        Envelope::parse(&other, &body),
        Err(EnvelopeError::CloudEvent { .. })
    ));
}

#[test]
fn body_without_message_is_rejected() {
    let cases = [
        ("", "not valid JSON"),
        ("<xml/>", "not valid JSON"),
        (r#"{"message":7}"#, "cannot parse the push envelope"),
        (r#"{"message":null}"#, "cannot parse the push envelope"),
        (
            r#"{"message":{"attributes":{"origin":7}}}"#,
            "cannot parse the push envelope",
        ),
        (r#"{"message":{"data":"%%%"}}"#, "not valid base64"),
        (
            r#"{"message":{"publishTime":"soon"}}"#,
            "cannot parse the push envelope",
        ),
    ];
    for (body, expected) in cases {
        let error = Envelope::parse(&HeaderMap::new(), &body.into())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{body}: {error}");
    }
}

#[test]
fn trace_id_is_read_from_either_header() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let w3c = headers(&[("traceparent", &format!("00-{id}-b7ad6b7169203331-01"))]);
    let google = headers(&[("x-cloud-trace-context", &format!("{id}/1;o=1"))]);
    assert_eq!(
        (trace_id(&w3c), trace_id(&google)),
        (Some(id.to_owned()), Some(id.to_owned()))
    );
    assert_eq!(trace_id(&headers(&[("traceparent", "00-invalid")])), None);
}

/// The names of a message's id and time: in camel case, in snake case, and in both.
const SPELLINGS: [&[[&str; 2]]; 3] = [
    &[["messageId", "publishTime"]],
    &[["message_id", "publish_time"]],
    &[["messageId", "publishTime"], ["message_id", "publish_time"]],
];

/// The names of each field of a message, in all spellings.
const FIELDS: [&[&str]; 4] = [
    &["messageId", "message_id"],
    &["publishTime", "publish_time"],
    &["attributes"],
    &["data"],
];

/// Generates the body of a valid push, with the envelope that it encodes.
fn pushes() -> impl Strategy<Value = (Value, Envelope)> {
    let parts = (
        prop::sample::select(SPELLINGS.to_vec()),
        "[0-9]{1,20}",
        0..4_102_444_800_000_i64,
        // No key is as long as the attribute with the first publish time.
        prop::collection::btree_map("[a-z-]{1,8}", ".{0,8}", 0..4),
        prop::collection::vec(any::<u8>(), 0..64),
    );
    parts.prop_map(|(spellings, message_id, millisecond, attributes, data)| {
        let published_at = Timestamp::from_millisecond(millisecond).unwrap();
        let mut message = json!({
            "data": BASE64_STANDARD.encode(&data),
            "attributes": attributes,
        });
        for [id, time] in spellings {
            message[*id] = json!(message_id);
            message[*time] = json!(published_at.to_string());
        }
        let push = json!({
            "deliveryAttempt": 1,
            "message": message,
            "subscription": "projects/demo/subscriptions/ingest",
        });
        let envelope = Envelope {
            message_id,
            published_at: Some(published_at),
            attributes,
            data: data.into(),
        };
        (push, envelope)
    })
}

/// Generates JSON values that no field of a push can have.
fn unexpected_values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Value::from),
    ]
}

fn parse(body: impl Into<Bytes>) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(&HeaderMap::new(), &body.into())
}

/// Returns the envelope of an unwrapped push without metadata.
fn unwrapped(payload: impl Into<Bytes>) -> Envelope {
    Envelope {
        message_id: String::new(),
        published_at: None,
        attributes: BTreeMap::new(),
        data: payload.into(),
    }
}

proptest! {
    #[test]
    fn valid_push_is_parsed_with_and_without_event_headers((body, expected) in pushes()) {
        let body = Bytes::from(body.to_string());
        for kind in [HeaderMap::new(), headers(&[("ce-type", CLOUD_EVENT_TYPE)])] {
            prop_assert_eq!(&Envelope::parse(&kind, &body).unwrap(), &expected);
        }
    }

    #[test]
    fn unwrapped_payload_is_unchanged(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let metadata = headers(&[(MESSAGE_ID_HEADER, "7")]);
        let found = Envelope::parse(&metadata, &payload.clone().into()).unwrap();
        prop_assert_eq!(found, Envelope { message_id: "7".to_owned(), ..unwrapped(payload) });
    }

    #[test]
    fn missing_or_null_field_is_empty(
        (mut body, mut expected) in pushes(),
        names in prop::sample::select(FIELDS.to_vec()),
        is_null in any::<bool>(),
    ) {
        let message = body["message"].as_object_mut().unwrap();
        for name in names {
            message.remove(*name);
            if is_null {
                message.insert((*name).to_owned(), Value::Null);
            }
        }
        match names[0] {
            "messageId" => expected.message_id.clear(),
            "publishTime" => expected.published_at = None,
            "attributes" => expected.attributes.clear(),
            _ => expected.data.clear(),
        }
        prop_assert_eq!(parse(body.to_string()).unwrap(), expected);
    }

    #[test]
    fn body_without_message_is_the_payload_unless_it_is_an_event((mut body, _) in pushes()) {
        body.as_object_mut().unwrap().remove("message");
        let body = Bytes::from(body.to_string());
        prop_assert_eq!(parse(body.clone()).unwrap(), unwrapped(body.clone()));
        let event = Envelope::parse(&headers(&[("ce-type", CLOUD_EVENT_TYPE)]), &body);
        prop_assert!(matches!(event, Err(EnvelopeError::Push(_))), "{event:?}");
    }

    #[test]
    fn field_of_another_type_is_rejected(
        (mut body, _) in pushes(),
        name in prop::sample::select(FIELDS.concat()),
        value in unexpected_values(),
        is_message in any::<bool>(),
    ) {
        if is_message {
            body["message"] = value;
        } else {
            body["message"][name] = value;
        }
        let result = parse(body.to_string());
        prop_assert!(matches!(result, Err(EnvelopeError::Push(_))), "{result:?}");
    }

    #[test]
    fn unknown_fields_are_ignored(
        (mut body, expected) in pushes(),
        name in "x[a-z]{0,8}",
        value in unexpected_values(),
    ) {
        body[name.as_str()] = value.clone();
        body["message"][name.as_str()] = value;
        prop_assert_eq!(parse(body.to_string()).unwrap(), expected);
    }

    /// Four characters of base64 encode three bytes.
    #[test]
    fn cut_base64_is_rejected_unless_it_ends_after_four_characters(
        (mut body, sent) in pushes(),
        length in any::<Index>(),
    ) {
        let text = body["message"]["data"].as_str().unwrap().to_owned();
        prop_assume!(!text.is_empty());
        let length = length.index(text.len());
        body["message"]["data"] = Value::from(&text[..length]);
        let result = parse(body.to_string());
        if length % 4 == 0 {
            let data = sent.data.slice(..length / 4 * 3);
            prop_assert_eq!(result.unwrap(), Envelope { data, ..sent });
        } else {
            prop_assert!(matches!(result, Err(EnvelopeError::Base64(_))), "{result:?}");
        }
    }

    #[test]
    fn truncated_body_is_not_valid_json((body, _) in pushes(), length in any::<Index>()) {
        let mut body = body.to_string().into_bytes();
        body.truncate(length.index(body.len()));
        let result = parse(body);
        prop_assert!(matches!(result, Err(EnvelopeError::Json(_))), "{result:?}");
    }

    /// A bit lies in one token of the JSON text, so it affects one part of the envelope. If the
    /// token is the key `message`, the body is an unwrapped payload.
    #[test]
    fn flipped_bit_is_an_error_or_changes_one_part(
        (body, sent) in pushes(),
        position in any::<Index>(),
        bit in 0..8_u32,
    ) {
        let mut body = body.to_string().into_bytes();
        let position = position.index(body.len());
        body[position] ^= 1_u8 << bit;
        if let Ok(found) = parse(body.clone()) {
            let changes = [
                found.message_id != sent.message_id,
                found.published_at != sent.published_at,
                found.attributes != sent.attributes,
                found.data != sent.data,
            ];
            let changed = changes.into_iter().filter(|changed| *changed).count();
            prop_assert!(changed <= 1 || found == unwrapped(body), "{found:?}");
        }
    }
}
