//! Tests of requests without drift.

use super::*;

/// Handles a request that was published on Monday, 2021-07-26, at 7 o'clock and delivered at `now`.
async fn request(ports: &Ports, fields: &str, now: Timestamp) -> Result<Outcome, Error> {
    let text = format!(r#"{{"type":"fine-tune-requested",{fields}}}"#);
    let input = FineTuneInput::decode(text.as_bytes()).unwrap();
    let published_at = day("2021-07-26").at(7);
    let context = Context {
        event_id: input.id(published_at),
        published_at,
        first_started_at: now,
        now,
        fence: runtime::Fence::default(),
    };
    let recipe = FineTuneRecipe {
        epochs: 2,
        ..FineTuneRecipe::default()
    };
    FineTune::new(Policy::default(), recipe, ports)
        .handle(input, &context)
        .await
}

#[test]
fn message_is_decoded_by_its_type() {
    let drift = r#"{"type":"drift-detected","event_id":"drift-check/2021-W30","week":"2021-W30","champion":1,"report":"reports/a.json","major":false}"#;
    let requested = r#"{"type":"fine-tune-requested","reason":"a new lane"}"#;
    let decode = |text: &str| FineTuneInput::decode(text.as_bytes());
    assert!(matches!(
        decode(drift),
        Ok(FineTuneInput::DriftDetected(DriftDetected {
            major: false,
            ..
        }))
    ));
    assert!(matches!(
        decode(requested),
        Ok(FineTuneInput::Requested(FineTuneRequested {
            week: None,
            ..
        }))
    ));
    let error = decode(r#"{"type":"day-ingested"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown event `day-ingested`, expected `drift-detected` or `fine-tune-requested`"
    );
}

#[tokio::test]
async fn request_trains_a_challenger_of_its_own() {
    let ports = ports("2021-07-12").await;
    let drift = handle(&ports, "2021-W29", 7).await;
    assert_eq!(drift.entry().challenger_version, Some(Version::new(2)));
    let now = day("2021-07-26").at(8);
    let fields = r#""reason":"la rentrée""#;
    let requested = request(&ports, fields, now).await.unwrap();
    let entry = requested.entry();
    assert_eq!(
        (
            entry.decision.as_str(),
            entry.fine_tune_triggered,
            entry.challenger_version
        ),
        ("challenger-trained", Some(true), Some(Version::new(3)))
    );
    assert!(
        entry
            .reason
            .starts_with("requested (la rentrée): version 3 trained from version 1 "),
        "{}",
        entry.reason
    );
    // 7 o'clock in Paris is 5 o'clock in UTC.
    assert_eq!(
        requested.events()[0].data,
        r#"{"type":"challenger-trained","event_id":"fine-tune/2021-W29@requested-2021-07-26T05-00-00Z","week":"2021-W29","champion":1,"challenger":3}"#
    );
    let run = ports.registry.version(Version::new(3)).await.unwrap().run;
    let name = run.name.to_string();
    assert!(
        name.starts_with("fine-tune-2021-W29-requested-2021-07-26T05-00-00Z-"),
        "{name}"
    );
    let again = request(&ports, fields, day("2021-07-26").at(9)).await;
    let again = again.unwrap();
    assert_eq!(
        (again.entry(), again.events()),
        (requested.entry(), requested.events())
    );
}

#[tokio::test]
async fn requested_fields_replace_those_of_the_recipe() {
    let ports = ports("2021-07-12").await;
    let now = day("2021-07-26").at(8);
    let fields = r#""reason":"a new lane","recipe":{"learning_rate":0.5}"#;
    let outcome = request(&ports, fields, now).await.unwrap();
    let recipe = &outcome.entry().detail["recipe"];
    assert_eq!(
        (&recipe["learning_rate"], &recipe["epochs"]),
        (&json!(0.5), &json!(2))
    );
    // The values of the training strategy.
    let fields = r#""reason":"a new lane","strategy":"append","recipe":{"learning_rate":0.001,"epochs":5,"freeze_layers":true}"#;
    let literal = request(&ports, fields, now).await.unwrap();
    let reason = &literal.entry().reason;
    assert!(
        reason.contains("; append is the strategy of the recipe"),
        "{reason}"
    );
    let version = literal.entry().challenger_version.unwrap();
    let params = ports.registry.version(version).await.unwrap().run.params;
    let values = ["learning_rate", "epochs", "freeze_layers"].map(|name| params[name].as_str());
    assert_eq!(values, ["0.001", "5", "all"]);
    for (fields, expected) in [
        (r#"{"epochs":"many"}"#, "invalid `epochs` in the recipe"),
        (
            r#"{"epochs":3,"learning_rate":7}"#,
            "invalid `learning_rate` in the recipe",
        ),
        (r#"{"layers":3}"#, "invalid `layers` in the recipe"),
    ] {
        let fields = format!(r#""reason":"a new lane","recipe":{fields}"#);
        let error = request(&ports, &fields, now).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let unknown = r#""reason":"a new lane","strategy":"guess""#;
    let error = request(&ports, unknown, now).await.unwrap_err();
    assert!(error.to_string().contains("`strategy`"), "{error}");
}

#[tokio::test]
async fn request_for_a_week_that_is_not_over_is_a_permanent_error() {
    let ports = ports("2021-07-12").await;
    let fields = r#""week":"2021-W30","reason":"a new lane""#;
    let sunday = day("2021-08-01").at(23);
    let error = request(&ports, fields, sunday).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    assert_eq!(
        error.to_string(),
        "cannot fine-tune for 2021-W30: it ends on 2021-08-01; from the next day on, run \
         `bike-traffic fine-tune --week 2021-W30`"
    );
    let handled = request(&ports, fields, day("2021-08-02").at(0)).await;
    assert!(handled.is_ok());
}

/// 8 o'clock in Paris is 6 o'clock in UTC.
#[tokio::test]
async fn request_of_the_future_is_a_permanent_error() {
    let ports = ports("2021-07-12").await;
    let now = day("2021-07-26").at(8);
    let fields = r#""reason":"a new lane","requested_at":"2021-07-26T06:05:01Z""#;
    let error = request(&ports, fields, now).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    assert_eq!(
        error.to_string(),
        "cannot fine-tune for 2021-W29: the field `requested_at` of the request is \
         2021-07-26T06:05:01Z, and it is 2021-07-26T06:00:00Z; run `bike-traffic fine-tune --week \
         2021-W29`, which sets the field"
    );
    let fields = r#""reason":"a new lane","requested_at":"2021-07-26T06:05:00Z""#;
    assert!(request(&ports, fields, now).await.is_ok());
}
