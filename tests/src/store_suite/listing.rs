//! Tests of listing objects by prefix.

use shared::store::Condition;

use super::Setup;

/// Listing returns the paths with a prefix, in byte order. A prefix may end anywhere in a name.
pub async fn list_is_filtered_by_prefix_and_sorted(target: &Setup) {
    let store = target.open();
    for name in [
        "data/train.csv",
        "data-old/x",
        "data/test.csv",
        "data0",
        "data/train/b",
        "data/é",
        "data/a/z",
        "dat",
    ] {
        store
            .write(&target.path(name), name.into(), Condition::Absent)
            .await
            .unwrap();
    }
    let cases: [(&str, &[&str]); 6] = [
        (
            "data/",
            &[
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
            ],
        ),
        (
            "data",
            &[
                "data-old/x",
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
                "data0",
            ],
        ),
        (
            "data/t",
            &["data/test.csv", "data/train.csv", "data/train/b"],
        ),
        ("data/train", &["data/train.csv", "data/train/b"]),
        ("data/train/b", &["data/train/b"]),
        (
            "dat",
            &[
                "dat",
                "data-old/x",
                "data/a/z",
                "data/test.csv",
                "data/train.csv",
                "data/train/b",
                "data/é",
                "data0",
            ],
        ),
    ];
    for (prefix, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|name| target.path(name)).collect();
        assert_eq!(
            store
                .list(&format!("{}/{prefix}", target.prefix))
                .await
                .unwrap(),
            expected,
            "{prefix}"
        );
    }
}

/// Listing a missing folder or a prefix below an object returns nothing.
pub async fn list_of_missing_prefix_is_empty(target: &Setup) {
    let store = target.open();
    store
        .write(&target.path("data/a.csv"), "text".into(), Condition::Absent)
        .await
        .unwrap();
    for prefix in [
        "nowhere/",
        "nowhere/at/all",
        "data/b",
        "data/a.csv/",
        "data/a.csv/b",
    ] {
        assert_eq!(
            store
                .list(&format!("{}/{prefix}", target.prefix))
                .await
                .unwrap(),
            [],
            "{prefix}"
        );
    }
}
