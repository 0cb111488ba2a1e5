//! Replies whose counts are all zero.

use super::*;

#[tokio::test]
async fn reply_of_zeros_is_named_in_the_reason() {
    for (counts, is_named) in [([0, 0], true), ([0, 1], false)] {
        let records = ["2021-07-19T06:00:00Z", "2021-07-19T07:00:00Z"];
        let records = records.into_iter().zip(counts).map(
            |(date, count)| json!({ "nom_compteur": "Quai", "sum_counts": count, "date": date }),
        );
        let reply = json!(records.collect::<Vec<_>>()).to_string();
        let request = r#"{"type":"ingest-requested"}"#;
        let outcome = handle(Ok(&reply), &ports(), request).await.0.unwrap();
        let (reason, detail) = (&outcome.entry().reason, &outcome.entry().detail["days"][0]);
        let remark = "; all counts of 2021-07-19 are 0";
        assert_eq!(reason.contains(remark), is_named, "{reason}");
        assert_eq!(
            detail.get("has_only_zeros"),
            is_named.then_some(&json!(true))
        );
    }
}
