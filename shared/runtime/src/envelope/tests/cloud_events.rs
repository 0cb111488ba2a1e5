//! CloudEvents in structured and batched mode, and messages without an id.

use super::*;

/// The event of Eventarc in the documentation of CloudEvents' JSON format, with a member of `data`.
fn event(member: &str, data: Value) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": "136969346945",
        "source": "//pubsub.googleapis.com/projects/demo/topics/ingest-requested",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "datacontenttype": "application/json",
        "time": "2021-07-20T04:00:00.123Z",
    });
    event[member] = data;
    event
}

/// A push whose message has no id and time of its own.
fn push() -> Value {
    json!({ "message": {
        "data": "eyJ0eXBlIjoiaW5nZXN0LXJlcXVlc3RlZCJ9",
        "attributes": { "origin": "scheduler" },
    } })
}

fn structured() -> HeaderMap {
    headers(&[(
        "content-type",
        "application/cloudevents+json; charset=utf-8",
    )])
}

#[test]
fn structured_event_is_parsed_in_each_form_of_its_data() {
    let forms = [
        event("data", push()),
        event("data", push().to_string().into()),
        event(
            "data_base64",
            BASE64_STANDARD.encode(push().to_string()).into(),
        ),
    ];
    for body in forms {
        let body = Bytes::from(body.to_string());
        assert_eq!(Envelope::parse(&structured(), &body).unwrap(), expected());
        // Without the header, the version of the specification identifies the event.
        assert_eq!(parse(body).unwrap(), expected());
    }
}

#[test]
fn id_and_time_of_the_message_precede_those_of_the_event() {
    let whole: Value = serde_json::from_str(include_str!("../../fixtures/push.json")).unwrap();
    let mut body = event("data", whole.clone());
    body["id"] = "another".into();
    body["time"] = "2021-07-21T00:00:00Z".into();
    let found = Envelope::parse(&structured(), &body.to_string().into());
    assert_eq!(found.unwrap(), expected());

    let binary = headers(&[
        ("ce-type", CLOUD_EVENT_TYPE),
        ("ce-id", "136969346945"),
        ("ce-time", "2021-07-20T04:00:00.123Z"),
    ]);
    for body in [push(), whole] {
        let found = Envelope::parse(&binary, &body.to_string().into());
        assert_eq!(found.unwrap(), expected());
    }
}

#[test]
fn invalid_structured_event_is_rejected() {
    let mut other = event("data", push());
    other["type"] = "google.cloud.storage.object.v1.finalized".into();
    let cases = [
        ("{".to_owned(), "not valid JSON"),
        ("[]".to_owned(), "cannot parse the CloudEvent"),
        (
            r#"{"specversion":"1.0"}"#.to_owned(),
            "cannot parse the CloudEvent",
        ),
        (
            event("data", Value::Null).to_string(),
            "cannot parse the CloudEvent",
        ),
        (
            event("data", json!({})).to_string(),
            "cannot parse the push envelope",
        ),
        (
            event("data", "text".into()).to_string(),
            "cannot parse the push envelope",
        ),
        (
            event("data_base64", "%".into()).to_string(),
            "not valid base64",
        ),
        (other.to_string(), "unexpected CloudEvent type"),
    ];
    for (body, expected) in cases {
        let error = Envelope::parse(&structured(), &body.clone().into()).unwrap_err();
        assert!(error.to_string().contains(expected), "{body}: {error}");
    }
}

#[test]
fn each_event_of_a_batch_is_parsed() {
    let batch = headers(&[("content-type", "application/cloudevents-batch+json")]);
    let all = |body: String| Envelope::parse_all(&batch, body.into());
    let second = json!({ "id": "2" });
    let body = json!([event("data", push()), second]).to_string();
    let [Ok(first), Err(unread)] = &all(body)[..] else {
        panic!("expected a message and an unreadable event")
    };
    assert_eq!(
        (first, &unread.data[..]),
        (&expected(), &br#"{"id":"2"}"#[..])
    );
    assert!(all("[]".to_owned()).is_empty());

    for body in [
        "{}".to_owned(),
        "[".to_owned(),
        format!("[{}0]", "0,".repeat(1_000)),
    ] {
        let [Err(unread)] = &all(body.clone())[..] else {
            panic!("expected an unreadable body")
        };
        assert!(unread.data == body);
    }
}

/// As Cloud Functions wrote it before CloudEvents, with and without a context.
#[test]
fn background_event_is_parsed() {
    let data = push()["message"].clone();
    let context = json!({
        "eventId": "136969346945",
        "timestamp": "2021-07-20T04:00:00.123Z",
        "eventType": "google.pubsub.topic.publish",
    });
    let mut flat = context.clone();
    flat["data"] = data.clone();
    for body in [json!({ "context": context, "data": data }), flat] {
        assert_eq!(parse(body.to_string()).unwrap(), expected());
    }
}

#[test]
fn messages_without_an_id_are_told_apart() {
    let id = |body: &str| parse(body.to_owned()).unwrap().event_id().to_string();
    // The first 16 digits of the SHA-256, as sha256sum prints them.
    assert_eq!(id("{}"), "message/44136fa355b3678a");
    let wrapped = |message: Value| id(&json!({ "message": message }).to_string());
    // The same payload without attributes has the same id, in either envelope.
    assert_eq!(
        wrapped(json!({ "data": "e30=" })),
        "message/44136fa355b3678a"
    );
    let ids = [
        wrapped(json!({ "data": "e30=", "attributes": { "a": "b" } })),
        wrapped(json!({ "data": "e30=", "attributes": { "a": "c" } })),
        wrapped(json!({ "data": "e30=", "attributes": { "ab": "" } })),
        id(r#"{"type":"day-ingested"}"#),
    ];
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    assert_eq!(
        wrapped(json!({ "data": "e30=", "messageId": "7" })),
        "message/7"
    );
}

#[test]
fn attributes_are_limited() {
    let push = |count: usize| {
        let attributes: serde_json::Map<String, Value> = (0..count)
            .map(|number| (number.to_string(), "".into()))
            .collect();
        parse(json!({ "message": { "attributes": attributes } }).to_string())
    };
    assert_eq!(push(1_000).unwrap().attributes.len(), 1_000);
    assert!(matches!(push(1_001), Err(EnvelopeError::Push(_))));
}
