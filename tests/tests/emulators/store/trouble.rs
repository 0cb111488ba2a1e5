//! Errors of Cloud Storage that the emulator never returns, from a fake.

use runtime::Error;

use super::*;

const ALL_VERBS: [&str; 5] = ["write", "replace", "read", "look up", "list"];

/// Performs one operation and discards its result.
async fn attempt(store: &dyn Store, verb: &str) -> Result<(), StoreError> {
    let path = path("raw/day.json");
    match verb {
        "write" => store
            .write(&path, "text".into(), Condition::Absent)
            .await
            .map(drop),
        "replace" => store
            .write(&path, "text".into(), Condition::Always)
            .await
            .map(drop),
        "read" => store.read(&path).await.map(drop),
        "look up" => store.generation(&path).await.map(drop),
        _ => store.list("raw/").await.map(drop),
    }
}

async fn failed(store: &dyn Store, verb: &str) -> String {
    let error = attempt(store, verb).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    // The same text as in a function's log.
    Error::from(error).chain()
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let assert_retried = async |status| {
        let fate = move |_: &Method, _: &str, number| match number % 3 {
            0 => Fate::PassedOn,
            _ => Fate::refused(status, "Please try again."),
        };
        let (store, fake) = behind(fate).await;
        for verb in ALL_VERBS {
            attempt(&*store, verb).await.unwrap();
            assert_eq!(fake.take_calls().len(), 3, "{verb} on {status}");
        }
    };
    tokio::join!(
        assert_retried(StatusCode::SERVICE_UNAVAILABLE),
        assert_retried(StatusCode::TOO_MANY_REQUESTS)
    );
}

#[tokio::test]
async fn missing_role_is_named() {
    let text = "worker@a-project.iam.gserviceaccount.com does not have storage.objects.get access";
    let (store, fake) = behind(move |_, _, _| Fate::refused(StatusCode::FORBIDDEN, text)).await;
    for verb in ALL_VERBS {
        let chain = failed(&*store, verb).await;
        let object = if verb == "list" {
            "raw/*"
        } else {
            "raw/day.json"
        };
        let verb = if verb == "replace" { "write" } else { verb };
        let address = store
            .address_of(&path("raw/day.json"))
            .replace("raw/day.json", object);
        assert!(
            chain.starts_with(&format!("cannot {verb} the object {address}: ")),
            "{chain}"
        );
        assert!(
            chain.contains("roles/storage.objectUser") && chain.contains("storage.objects.get"),
            "{chain}"
        );
        assert_eq!(fake.take_calls().len(), 1, "{verb}");
    }
}

#[tokio::test]
async fn missing_bucket_is_named_on_write_and_list() {
    let bucket = place::bucket();
    let store = open(&bucket, &place::cloud()).await;
    for verb in ["write", "list"] {
        let chain = failed(&*store, verb).await;
        assert!(
            chain.contains(bucket.as_str()) && chain.contains("check that the bucket exists"),
            "{chain}"
        );
    }
}

#[tokio::test]
async fn corrupted_contents_are_rejected() {
    let (store, _fake) = behind(|method, target, _| {
        if method == Method::GET && target.contains("alt=media") {
            Fate::AnswerCorrupted
        } else {
            Fate::PassedOn
        }
    })
    .await;
    attempt(&*store, "write").await.unwrap();
    let chain = failed(&*store, "read").await;
    assert!(chain.contains("checksum"), "{chain}");
}

#[tokio::test]
async fn unreachable_service_is_named() {
    // The listener is dropped at once, so nothing listens on its port.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = open(&place::bucket(), &at(address.to_string().parse().unwrap())).await;
    let (read, look_for) = tokio::join!(failed(&*store, "read"), failed(&*store, "look up"));
    for chain in [read, look_for] {
        assert!(chain.contains(&address.to_string()), "{chain}");
        assert_eq!(chain.matches("Connection refused").count(), 1, "{chain}");
    }
}
