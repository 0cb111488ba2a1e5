//! Tests of requests for forecasts.

use super::*;

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
