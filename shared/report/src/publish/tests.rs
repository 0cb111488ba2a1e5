//! The pages of states in memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use shared::clock::SimulatedClock;

use super::*;

fn ports() -> Ports {
    let now = "2021-08-09T06:00:00Z".parse().unwrap();
    Ports::in_memory(Arc::new(SimulatedClock::new(now)))
}

#[test]
fn paths_and_pages_match() {
    for (page, path) in [
        (Page::Index, "reports/index.html"),
        (
            Page::Week("2021-W31".parse().unwrap()),
            "reports/week/2021-W31.html",
        ),
        (
            Page::Month("2021-08".parse().unwrap()),
            "reports/month/2021-08.html",
        ),
    ] {
        assert_eq!(page.path().as_str(), path);
        assert_eq!(Page::at(path), Some(page));
    }
    for path in [
        "index.html",
        "reports/drift-check/2021-W31.json",
        "reports/week/2021-W60.html",
        "reports/month/2021-13.html",
        "reports/week/index.html",
    ] {
        assert_eq!(Page::at(path), None, "{path}");
    }
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

#[tokio::test]
async fn pages_are_written_without_the_page_of_a_week_that_is_not_judged() {
    let ports = ports();
    let checks = AtomicUsize::new(0);
    let check = || async {
        checks.fetch_add(1, Ordering::SeqCst);
        Ok::<(), StoreError>(())
    };
    let failures = publish(&ports, "2021-W31".parse().ok(), check).await;
    assert!(failures.is_empty(), "{failures:?}");
    let paths = ports.store.list(FOLDER).await.unwrap();
    let names: Vec<_> = paths.iter().map(ObjectPath::as_str).collect();
    assert_eq!(names, ["reports/index.html", "reports/month/2021-08.html"]);
    assert_eq!(checks.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn lost_lease_ends_the_writing() {
    let ports = ports();
    let lost = || async { Err::<(), _>("the lease is lost") };
    let failures = publish(&ports, "2021-W31".parse().ok(), lost).await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(ports.store.list(FOLDER).await.unwrap().is_empty());
}

#[tokio::test]
async fn broken_report_keeps_no_other_page_from_being_written() {
    let ports = ports();
    let week: Week = "2021-W31".parse().unwrap();
    let path = week_report::path(week);
    ports
        .store
        .write(&path, "{".into(), Condition::Always)
        .await
        .unwrap();
    let check = || async { Ok::<(), StoreError>(()) };
    let failures = publish(&ports, Some(week), check).await;
    let [failure] = &failures[..] else {
        panic!("{failures:?}")
    };
    assert_eq!(
        failure.to_string(),
        "cannot make the page reports/week/2021-W31.html"
    );
    assert_eq!(ports.store.list("reports/month/").await.unwrap().len(), 1);
    assert_eq!(missing_weeks(&*ports.store).await.unwrap(), [week]);
}

#[tokio::test]
async fn function_without_registry_writes_only_the_on_call_page() {
    let ports = ports();
    let check = || async { Ok::<(), StoreError>(()) };
    let week = "2021-W31".parse().ok();
    Pages::without_registry(&ports).update(week, check).await;
    assert_eq!(
        ports.store.list(FOLDER).await.unwrap(),
        [Page::Index.path()]
    );
    Pages::of(&ports).update(week, check).await;
    assert_eq!(ports.store.list(FOLDER).await.unwrap().len(), 2);
}
