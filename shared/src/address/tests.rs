use super::*;

#[test]
fn scheme_selects_the_implementation() {
    assert_eq!("memory://".parse(), Ok(Address::Memory));
    assert_eq!(
        "file:///srv/state".parse(),
        Ok(Address::File("/srv/state".into()))
    );
    assert_eq!(
        "gs://a-bucket".parse(),
        Ok(Address::Bucket("a-bucket".parse().unwrap()))
    );
    assert_eq!(
        "bigquery://a-project".parse(),
        Ok(Address::BigQuery("a-project".parse().unwrap()))
    );
    assert_eq!(
        "pubsub://a-project".parse(),
        Ok(Address::PubSub("a-project".parse().unwrap()))
    );
    assert_eq!(
        "https://mlflow.example".parse(),
        Ok(Address::Mlflow("https://mlflow.example".parse().unwrap()))
    );
    for text in [
        "",
        "state",
        "file://state",
        "memory://x",
        "ftp://host/x",
        "gs://",
        "gs://bucket/folder",
        "gs://UPPER",
        "bigquery://",
        "pubsub://a/b",
        "http://",
    ] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
}

#[test]
fn address_is_displayed_as_parsed() {
    for text in [
        "memory://",
        "file:///srv",
        "gs://a-bucket",
        "bigquery://p",
        "pubsub://p",
        "http://127.0.0.1:5000/",
    ] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    let with_credentials: Address = "https://zoe:geheim@mlflow.example/".parse().unwrap();
    assert_eq!(with_credentials.to_string(), "https://mlflow.example/");
}

#[test]
fn credentials_are_not_displayed() {
    let usable: Address = "https://zoe:geheim@mlflow.example/".parse().unwrap();
    assert_eq!(format!("{usable:?}"), "Address(https://mlflow.example/)");
    for text in [
        "https://zoe:geheim@mlflow.example:port/",
        "https://zoe:ge//h@eim@mlflow example/",
        "https:/zoe:geheim@mlflow.example/",
        "htps://zoe:geheim@mlflow.example/",
        "//zoe:geheim@mlflow.example/",
        "zoe:geheim@mlflow.example",
    ] {
        let error = text.parse::<Address>().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("…@mlflow"), "{text}");
        assert!(
            ["zoe", "geheim", "ge//h", "eim"]
                .iter()
                .all(|part| !text.contains(*part)),
            "{text}"
        );
    }
}

#[test]
fn object_path_cannot_leave_its_store() {
    assert!("data/train_baseline.csv".parse::<ObjectPath>().is_ok());
    for text in [
        "",
        "/etc/passwd",
        "a//b",
        "../a",
        "a/../b",
        "a/.hidden",
        "a\\b",
        "a\nb",
        "a/",
    ] {
        assert!(text.parse::<ObjectPath>().is_err(), "{text:?}");
    }
    assert!("a".repeat(1025).parse::<ObjectPath>().is_err());
}

proptest::proptest! {
    #[test]
    fn composed_path_is_valid_for_any_text(text in ".{0,40}(/.{0,700}){0,3}") {
        let path = ObjectPath::new(&text);
        proptest::prop_assert_eq!(path.as_str().parse::<ObjectPath>().unwrap(), path.clone());
        if let Ok(parsed) = text.parse::<ObjectPath>() {
            proptest::prop_assert_eq!(parsed, path);
        }
    }
}

#[test]
fn composed_path_replaces_invalid_parts() {
    for (text, expected) in [
        (
            "ledger/promote/evaluate/2021-W30.json",
            "ledger/promote/evaluate/2021-W30.json",
        ),
        ("/a//b/", "a/b"),
        ("a/../b", "a/-./b"),
        ("a\\b\n", "a-b-"),
        ("", "-"),
    ] {
        assert_eq!(ObjectPath::new(text).as_str(), expected);
    }
    let folder = ObjectPath::new("models");
    assert_eq!(folder.join("a/model.ubj").as_str(), "models/a/model.ubj");
}

#[test]
fn objects_of_a_bucket_have_an_address_for_browsers() {
    assert_eq!(
        web_address("gs://a-bucket/reports/index.html"),
        "https://storage.cloud.google.com/a-bucket/reports/index.html"
    );
    let local = "file:///srv/state/objects/reports/index.html";
    assert_eq!(web_address(local), local);
}
