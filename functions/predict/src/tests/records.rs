//! Tests of requests for the forecasts of records.

use super::*;

#[tokio::test]
async fn forecasts_have_the_order_of_the_records() {
    let ports = ports(true).await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let target = day("2021-07-20");
    let stored = ports.warehouse.forecasts(target, target).await.unwrap();
    // The hours of the day backwards, every third of an unknown counter.
    let hours: Vec<_> = target.hours().collect();
    let is_known = |number: i32| number % 3 != 0;
    let record = |hour: &forecasting::time::Hour| {
        let id = if is_known(hour.number()) { "7" } else { "0" };
        json!({ "identifiant_du_compteur": id, "date_et_heure_de_comptage": hour.to_string() })
    };
    let records: Vec<_> = hours.iter().rev().map(record).collect();
    let body = json!({ "records": records }).to_string();
    let (status, reply) = post_records(&ports, &body).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let predictions = reply["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 24);
    for (hour, reply) in hours.iter().rev().zip(predictions) {
        if !is_known(hour.number()) {
            assert!(reply["error"].is_string(), "{hour} {reply}");
            continue;
        }
        let expected = stored.iter().find(|row| row.hour == *hour).unwrap();
        let found = reply["prediction"].as_f64().unwrap();
        assert!((found - expected.prediction).abs() < 1e-9, "{hour} {found}");
    }
}

/// A request after an ingested day is answered with its counts, also within ten minutes.
#[tokio::test]
async fn ingested_day_changes_the_next_answer() {
    let ports = ports(true).await;
    let function = Arc::new(Predict::new(&ports));
    let before = function.serving_state().await.unwrap();
    assert!(Arc::ptr_eq(
        &before,
        &function.serving_state().await.unwrap()
    ));
    let event_id = EventId::of(Function::Ingest, "2021-07-19");
    let context = Context {
        event_id: event_id.clone(),
        published_at: ports.clock.now(),
        first_started_at: ports.clock.now(),
        now: ports.clock.now(),
        fence: runtime::Fence::default(),
    };
    let event = DayIngested {
        event_id,
        day: day("2021-07-19"),
        rows: 24,
    };
    assert!(function.handle(event, &context).await.is_ok());
    let after = function.serving_state().await.unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
}

#[tokio::test]
async fn invalid_records_get_an_error_and_the_others_a_forecast() {
    let ports = ports(true).await;
    let body = r#"{"records":[
        {"nom_du_compteur":"quai  e-o","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"},
        {"nom_du_compteur":"Nowhere","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"},
        {"identifiant_du_compteur":"7","date_et_heure_de_comptage":"2021-07-20T17:00:00+02:00"},
        {"identifiant_du_compteur":"7","date_et_heure_de_comptage":"2021-07-21T17:00:00+02:00"},
        {"identifiant_du_compteur":"7","date_et_heure_de_comptage":"soon"},
        {"date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"}
    ]}"#;
    let (status, reply) = post_records(&ports, body).await;
    assert_eq!(
        (status, &reply["model_version"]),
        (StatusCode::OK, &json!(1))
    );
    let predictions = reply["predictions"].as_array().unwrap();
    let forecast = |position: usize| predictions[position]["prediction"].as_f64().unwrap();
    assert!(
        (forecast(0) - 8.0).abs() < 2.0 && (forecast(2) - 17.0).abs() < 2.0,
        "{reply}"
    );
    for (position, expected) in [
        (1, "no counts"),
        (3, "beyond the forecast"),
        (4, "`soon`"),
        (5, "has no counter"),
    ] {
        assert!(
            predictions[position]["error"]
                .as_str()
                .unwrap()
                .contains(expected),
            "{reply}"
        );
    }
}

/// `infra/canary.sh` sends this record, because it knows no counter of the city.
#[tokio::test]
async fn record_of_an_unknown_counter_alone_is_answered_with_the_version() {
    let ports = ports(true).await;
    let record =
        r#"{"nom_du_compteur":"canary","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"}"#;
    let body = format!(r#"{{"records":[{record}]}}"#);
    let (status, reply) = post_records(&ports, &body).await;
    let version = &reply["model_version"];
    assert_eq!((status, version), (StatusCode::OK, &json!(1)), "{reply}");
    assert!(reply["predictions"][0]["error"].is_string(), "{reply}");
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let ports = ports(true).await;
    let many = format!(
        r#"{{"records":[{}]}}"#,
        vec![r#"{"date_et_heure_de_comptage":""}"#; 1001].join(",")
    );
    for body in ["", "{", r#"{"records":[]}"#, r#"{"records":7}"#, &many] {
        let (status, reply) = post_records(&ports, body).await;
        assert!(
            status.is_client_error() && reply["error"].is_string(),
            "{status} {reply}"
        );
    }
    // Reading stops after the limit, so the broken rest is not seen.
    let (status, reply) = post_records(&ports, &many.replace("]}", ",%")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let error = reply["error"].as_str().unwrap();
    assert!(error.contains("more than 1000 records"), "{error}");
    let (status, _) = post_records(
        &super::ports(false).await,
        r#"{"records":[{"date_et_heure_de_comptage":""}]}"#,
    )
    .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Python's `json.dumps` writes such escapes.
#[tokio::test]
async fn texts_with_escapes_are_those_without() {
    let ports = ports(true).await;
    let plain = r#"{"records":[
        {"nom_du_compteur":"Quai E-O","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"},
        {"identifiant_du_compteur":"7","date_et_heure_de_comptage":"2021-07-20T17:00:00+02:00"},
        {"nom_du_compteur":"Quai E-O","date_et_heure_de_comptage":"ete"}
    ]}"#;
    let escaped = r#"{"records":[
        {"nom_du_compteur":"Quai \u0045-O","date_et_heure_de_comptage":"2021-07-20\u005408:00:00+02:00"},
        {"identifiant_du_compteur":"\u0037","date_et_heure_de_comptage":"2021-07-20T17:00:00+02:00"},
        {"\u006eom_du_compteur":"Quai E-O","date_et_heure_de_comptage":"\u0065te"}
    ]}"#;
    let (status, reply) = post_records(&ports, escaped).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert!(reply["predictions"][0]["prediction"].is_number(), "{reply}");
    assert_eq!(post_records(&ports, plain).await, (status, reply));
}

#[tokio::test]
async fn content_types_of_json_are_accepted_and_others_rejected() {
    let ports = ports(true).await;
    let body = r#"{"records":[{"identifiant_du_compteur":"7","date_et_heure_de_comptage":"2021-07-20T17:00:00+02:00"}]}"#;
    let expected = post_records(&ports, body).await;
    assert_eq!(expected.0, StatusCode::OK, "{}", expected.1);
    for accepted in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cloudevents+json",
    ] {
        let found = post_records_as(&ports, Some(accepted), body).await;
        assert_eq!(found, expected, "{accepted}");
    }
    let error = "Expected request with `Content-Type: application/json`";
    for rejected in [None, Some("text/plain"), Some("application/jsonl")] {
        let found = post_records_as(&ports, rejected, body).await;
        let expected = (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            json!({ "error": error }),
        );
        assert_eq!(found, expected, "{rejected:?}");
    }
}

/// axum alone reads a body whose content type has a charset.
#[tokio::test]
async fn rejections_do_not_depend_on_the_charset() {
    let ports = ports(true).await;
    let record = r#"{"date_et_heure_de_comptage":"soon"}"#;
    let list = |records: &str| format!(r#"{{"records":[{records}]}}"#);
    for (body, status, expected) in [
        (String::new(), 400, "EOF while parsing"),
        (list(record).replace("]}", "]"), 400, "EOF while parsing"),
        (list(record) + "{}", 400, "trailing characters"),
        (list(record).replace("soon", r"\ud800"), 400, "hex escape"),
        (list(""), 422, "cannot forecast 0 records; send from 1"),
        ("{}".to_owned(), 422, "missing field `records`"),
        (list("{}"), 422, "records[0]: missing field"),
        (
            list(&format!("{record},{}", record.replace(r#""soon""#, "7"))),
            422,
            "records[1].date_et_heure_de_comptage: invalid type: integer `7`, expected a string",
        ),
        (
            list(&[record; 1001].join(",")),
            422,
            "cannot forecast more than 1000 records; send from 1",
        ),
        // The limit of a router without layers.
        (
            list(record) + &" ".repeat(2 * 1024 * 1024),
            413,
            "length limit exceeded",
        ),
    ] {
        let found = post_records(&ports, &body).await;
        let error = found.1["error"].as_str().unwrap();
        assert_eq!(found.0.as_u16(), status, "{error}");
        assert!(error.contains(expected), "{error}");
        let charset = Some("application/json; charset=utf-8");
        assert_eq!(found, post_records_as(&ports, charset, &body).await);
    }
}
