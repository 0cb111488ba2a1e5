//! What the emulator never does and the service may: a fake does it.

use runtime::Error;

use super::*;

const ALL_VERBS: [&str; 5] = ["write", "replace", "read", "look for", "list"];

/// Does one thing with the store and throws its result away.
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
        "look for" => store.generation(&path).await.map(drop),
        _ => store.list("raw/").await.map(drop),
    }
}

async fn failed(store: &dyn Store, verb: &str) -> String {
    let error = attempt(store, verb).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    // As a function logs it.
    Error::from(error).chain()
}

#[tokio::test]
async fn passing_trouble_is_waited_out() {
    let wait_out = async |status| {
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
        wait_out(StatusCode::SERVICE_UNAVAILABLE),
        wait_out(StatusCode::TOO_MANY_REQUESTS)
    );
}

#[tokio::test]
async fn an_account_without_the_role_is_told_which_one() {
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
async fn a_missing_bucket_is_told_from_a_missing_object_where_that_can_be() {
    let bucket = place::bucket();
    let store = open(&bucket, &place::cloud()).await;
    for verb in ["write", "list"] {
        let chain = failed(&*store, verb).await;
        assert!(
            chain.contains(bucket.as_str()) && chain.contains("there is such a bucket"),
            "{chain}"
        );
    }
}

#[tokio::test]
async fn contents_that_were_damaged_on_the_way_are_refused() {
    let (store, _double) = behind(|method, target, _| {
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
async fn a_service_that_is_not_there_is_named() {
    // The port is free again when the listener goes.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = open(&place::bucket(), &at(address.to_string().parse().unwrap())).await;
    let (read, look_for) = tokio::join!(failed(&*store, "read"), failed(&*store, "look for"));
    for chain in [read, look_for] {
        assert!(chain.contains(&address.to_string()), "{chain}");
        assert_eq!(chain.matches("Connection refused").count(), 1, "{chain}");
    }
}
