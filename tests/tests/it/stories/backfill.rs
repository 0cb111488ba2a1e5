//! Requests of `ingest` for missing days, and with `--force` for days ingested before.

use std::sync::Arc;

use cli::{
    State,
    commands::{
        ingest::{Options, request_days},
        stack::{LocalStack, OpenDataServer, StackSettings},
    },
};
use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::ExploreClient;
use shared::{
    Timestamp,
    clock::{Clock, SimulatedClock},
    event::Function,
};

use super::strategy;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns a count of `bicycles` for each hour of the days.
fn counts(first: Day, last: Day, bicycles: u32) -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: Some("7".to_owned()),
        name: "Quai".to_owned(),
        coordinates: None,
    });
    first
        .through(last)
        .flat_map(Day::hours)
        .for_each(|hour| counts.push(quai, hour, bicycles));
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_days_are_requested_once_and_ingested_days_only_with_force() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::at(folder.path()).unwrap();
    let clock = SimulatedClock::new("2021-07-20T04:00:00Z".parse().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let (first, last) = (day("2021-07-16"), day("2021-07-19"));
    let server = OpenDataServer::start(counts(first, last, 3), Arc::clone(&clock))
        .await
        .unwrap();
    let open_data = Arc::new(ExploreClient::new(server.base().clone()));
    let ports = &state.open(Arc::clone(&clock)).unwrap();
    ports
        .warehouse
        .replace_counts(first, &counts(first, first, 1), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let options = Options {
        from: first,
        to: None,
        force: false,
        dry_run: false,
    };
    let rows = async |function: Function| {
        let log = ports.warehouse.audit_log().await.unwrap();
        log.into_iter()
            .filter(|row| row.function == function)
            .map(|row| row.event_id.to_string())
            .collect::<Vec<_>>()
    };
    let bicycles = async |day: Day| ports.warehouse.counts(day, day).await.unwrap().rows()[0].count;

    let dry = request_days(
        ports,
        Options {
            dry_run: true,
            ..options
        },
    )
    .await
    .unwrap();
    assert_eq!((dry.asked.len(), dry.skipped, dry.published), (3, 1, 0));
    // A second request for the same days changes nothing.
    for _ in 0..2 {
        assert_eq!(request_days(ports, options).await.unwrap().published, 3);
    }
    let settings = StackSettings::new(strategy(), open_data);
    let stack = LocalStack::start(&state, Arc::clone(&clock), settings)
        .await
        .unwrap();
    stack.bus.idle().await;
    let mut ingested = rows(Function::Ingest).await;
    ingested.sort();
    assert_eq!(
        ingested,
        [
            "ingest/2021-07-17",
            "ingest/2021-07-18",
            "ingest/2021-07-19"
        ]
    );
    assert_eq!(
        (bicycles(first).await, bicycles(last).await),
        (1, 3),
        "the complete day must be unchanged"
    );
    let done = request_days(ports, options).await.unwrap();
    assert_eq!((done.published, done.skipped), (0, 4));

    let forced = request_days(
        ports,
        Options {
            force: true,
            ..options
        },
    )
    .await
    .unwrap();
    assert_eq!((forced.published, forced.skipped), (4, 0));
    assert_eq!(
        forced
            .asked
            .iter()
            .map(|asked| asked.again.is_some())
            .collect::<Vec<_>>(),
        [false, true, true, true]
    );
    stack.bus.idle().await;
    let ingested = rows(Function::Ingest).await;
    assert_eq!(ingested.len(), 7);
    assert!(
        ingested.contains(&"ingest/2021-07-19@2021-07-20T04-00-00Z-forced".to_owned()),
        "{ingested:?}"
    );
    assert_eq!(
        bicycles(first).await,
        3,
        "the complete day must be replaced"
    );
    // Without a champion, each message to `predict` becomes a dead letter, with an audit row.
    assert_eq!(rows(Function::Predict).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_day_is_requested_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::at(folder.path()).unwrap();
    let clock: Arc<dyn Clock> =
        Arc::new(SimulatedClock::new("2021-07-20T04:00:00Z".parse().unwrap()));
    let yesterday = day("2021-07-19");
    let whole = counts(yesterday, yesterday, 3);
    let half = whole.between(yesterday.first_hour(), yesterday.first_hour().plus(11));
    let options = Options {
        from: yesterday,
        to: None,
        force: false,
        dry_run: false,
    };
    for (published, hours_before) in [(half, 0), (whole, 12)] {
        let server = OpenDataServer::start(published, Arc::clone(&clock))
            .await
            .unwrap();
        let open_data = Arc::new(ExploreClient::new(server.base().clone()));
        let settings = StackSettings::new(strategy(), open_data);
        let stack = LocalStack::start(&state, Arc::clone(&clock), settings)
            .await
            .unwrap();
        let backfill = request_days(&stack.ports, options).await.unwrap();
        assert_eq!(backfill.asked[0].hours, hours_before);
        stack.bus.idle().await;
    }
    let ports = state.open(clock).unwrap();
    assert_eq!(
        ports
            .warehouse
            .counts(yesterday, yesterday)
            .await
            .unwrap()
            .len(),
        24
    );
    assert_eq!(request_days(&ports, options).await.unwrap().published, 0);
}
