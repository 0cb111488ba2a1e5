//! The on-call page of states in memory.

mod champions;
mod light;

use std::sync::Arc;

use forecasting::{
    counts::{Counter, Counts},
    time::Hour,
};
use jiff::SignedDuration;
use shared::{
    audit::AuditEntry,
    clock::SimulatedClock,
    event::EventId,
    ledger::{Claim, Ledger},
    registry::{Operator, Promotion, Run, Version},
    store::Condition,
    warehouse::Forecast,
};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The day of the page, a Monday.
fn today() -> Day {
    day("2021-08-30")
}

/// The hour from which on the counter `Pont` reports zeros.
fn outage() -> Hour {
    day("2021-08-28").local_hour(10).unwrap()
}

fn row(function: Function, id: &str, at: Timestamp, entry: AuditEntry) -> AuditRow {
    entry.into_row(at, function, id.parse().unwrap(), "local")
}

/// Returns counts of three counters in five weeks: `Quai` counts the hour of the day, `Pont` twice
/// as much until its outage, and `Rue` half as much.
fn counts() -> Counts {
    let mut counts = Counts::default();
    for (name, factor) in [("Quai", 2), ("Pont", 4), ("Rue <b>", 1)] {
        let counter = counts.intern(Counter {
            id: None,
            name: name.to_owned(),
            coordinates: None,
        });
        for hour in today()
            .plus(-35)
            .through(today().plus(-1))
            .flat_map(Day::hours)
        {
            let level = u32::try_from(hour.local().hour).unwrap() * factor;
            let is_out = name == "Pont" && hour >= outage();
            counts.push(counter, hour, if is_out { 0 } else { level });
        }
    }
    counts
}

async fn fill(ports: &Ports) {
    let counts = counts();
    for day in today().plus(-35).through(today().plus(-1)) {
        let of_day = counts.days(day, day);
        let ingested_at = day.plus(1).at(6);
        ports
            .warehouse
            .replace_counts(day, &of_day, ingested_at)
            .await
            .unwrap();
    }
    let forecast = |hour: Hour| Forecast {
        actual: None,
        prediction: 10.0,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(2),
        predicted_at: today().at(6),
        counter_id: None,
        counter_name: "Quai".to_owned(),
        hour,
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
    };
    let forecasts: Vec<_> = today().hours().map(forecast).collect();
    ports
        .warehouse
        .replace_forecasts(today(), &forecasts)
        .await
        .unwrap();
}

/// Records five weeks of daily work, a promotion in W33 and a refusal in W34. The ingest of
/// 2021-08-20 is a day late.
async fn record(ports: &Ports) {
    let mut rows = Vec::new();
    for day in today().plus(-35).through(today().plus(-1)) {
        let late = i32::from(day == self::day("2021-08-20"));
        let at = day.plus(1 + late).at(6);
        let id = format!("ingest/{day}");
        rows.push(row(
            Function::Ingest,
            &id,
            at,
            AuditEntry::new("ingested", "72 counts"),
        ));
        if day != self::day("2021-08-26") {
            let entry = AuditEntry::new("forecast", "24 forecasts");
            rows.push(row(Function::Predict, &id, at, entry));
        }
    }
    for (week, decision, challenger) in [("2021-W33", "promoted", 2), ("2021-W34", "kept", 3)] {
        let monday = week.parse::<Week>().unwrap().last_day().plus(1);
        let judged = AuditEntry {
            mae: Some(7.25),
            ..AuditEntry::new("drift", format!("the columns of {week} drifted"))
        };
        let decided = AuditEntry {
            champion_version: Some(Version::new(2)),
            challenger_version: Some(Version::new(challenger)),
            mae: Some(14.5),
            ..AuditEntry::new(decision, format!("the verdict on {week}"))
        };
        let drift_check = format!("drift-check/{week}");
        rows.push(row(
            Function::DriftCheck,
            &drift_check,
            monday.at(7),
            judged,
        ));
        rows.push(row(
            Function::Promote,
            &format!("evaluate/{week}"),
            monday.at(8),
            decided,
        ));
    }
    let trained = AuditEntry {
        champion_version: Some(Version::new(1)),
        ..AuditEntry::new("trained", "the first champion")
    };
    let first = today().plus(-40).at(12);
    rows.push(row(Function::Promote, "promote/train-1", first, trained).by_operator());
    for row in rows {
        ports.warehouse.record(&row).await.unwrap();
    }
}

async fn register(ports: &Ports) {
    for name in ["champion-1", "fine-tune-2021-W33", "fine-tune-2021-W34"] {
        let run = Run::new(name.parse().unwrap(), today().at(0));
        ports.registry.register(&run).await.unwrap();
    }
    let operator = Operator::named("tests");
    for (from, to) in [(None, 1), (Some(Version::new(1)), 2)] {
        let promotion = Promotion::by_operator(&operator, from, Version::new(to));
        let _ = ports.registry.promote(&promotion).await.unwrap();
    }
}

async fn dead_letter(ports: &Ports, function: Function, id: &str, at: Timestamp) {
    let lease = SignedDuration::from_secs(60);
    let ledger = Ledger::new(Arc::clone(&ports.store), function, lease);
    let id: EventId = id.parse().unwrap();
    let Claim::Acquired(lease) = ledger.claim(&id, at).await.unwrap() else {
        panic!("the event is new")
    };
    ledger
        .dead_letter(&lease, at, "there is no champion", "")
        .await
        .unwrap();
}

/// Returns a state with a promotion, a refusal, a dead letter and a silent counter.
async fn state() -> Ports {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(today().at(9))));
    fill(&ports).await;
    record(&ports).await;
    register(&ports).await;
    let failed_at = day("2021-08-27").at(6);
    dead_letter(&ports, Function::Predict, "ingest/2021-08-26", failed_at).await;
    for page in ["week/2021-W33", "week/2021-W34", "month/2021-08"] {
        let path = format!("reports/{page}.html").parse().unwrap();
        ports
            .store
            .write(&path, "".into(), Condition::Always)
            .await
            .unwrap();
    }
    ports
}

#[tokio::test]
async fn calendar_shows_done_late_and_dead_lettered_work_on_its_day() {
    let page = IndexPage::gather(&state().await).await.unwrap();
    let state = |function, text| page.calendar.cell(function, day(text)).unwrap().state;
    // The ingest of a day is due on the next one.
    assert_eq!(state(Function::Ingest, "2021-08-20"), CellState::Done);
    assert_eq!(state(Function::Ingest, "2021-08-21"), CellState::Late);
    assert_eq!(
        state(Function::Predict, "2021-08-27"),
        CellState::DeadLettered
    );
    assert_eq!(state(Function::DriftCheck, "2021-08-23"), CellState::Done);
    assert_eq!(state(Function::DriftCheck, "2021-08-24"), CellState::Idle);
    assert_eq!(
        state(Function::DriftCheck, "2021-08-16"),
        CellState::Missing
    );
    assert_eq!(state(Function::Ingest, "2021-08-30"), CellState::Done);
    let cell = page
        .calendar
        .cell(Function::Promote, day("2021-08-30"))
        .unwrap();
    assert!(
        cell.reasons[0].ends_with("kept: the verdict on 2021-W34"),
        "{:?}",
        cell.reasons
    );
}

#[tokio::test]
async fn replayed_dead_letter_is_done() {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(today().at(12))));
    for (hour, decision, state) in [
        (6, "dead-lettered", CellState::DeadLettered),
        (10, "forecast", CellState::Done),
    ] {
        let entry = AuditEntry::new(decision, "a reason");
        let row = row(
            Function::Predict,
            "ingest/2021-08-29",
            today().at(hour),
            entry,
        );
        ports.warehouse.record(&row).await.unwrap();
        let page = IndexPage::gather(&ports).await.unwrap();
        let cell = page.calendar.cell(Function::Predict, today()).unwrap();
        assert_eq!(cell.state, state, "{:?}", cell.reasons);
    }
}

#[tokio::test]
async fn silent_counter_has_the_hour_of_its_first_zero() {
    let page = IndexPage::gather(&state().await).await.unwrap();
    let expected = OddCounter {
        name: "Pont".to_owned(),
        kind: Oddity::Zeros,
        since: outage(),
        is_older: false,
    };
    assert_eq!((page.odd, page.counters), (vec![expected], 3));
}

#[tokio::test]
async fn promotion_is_in_the_history_and_refusal_is_the_last_decision() {
    let page = IndexPage::gather(&state().await).await.unwrap();
    let changes: Vec<_> = page
        .champions
        .changes
        .iter()
        .map(|change| (change.decision.as_str(), change.version))
        .collect();
    assert_eq!(
        changes,
        [("promoted", Version::new(2)), ("trained", Version::new(1))]
    );
    assert_eq!(
        page.champions.rollback.as_deref(),
        Some("bike-traffic rollback --reason \"WHY\"")
    );
    let last = &page.decisions[0];
    assert_eq!(
        (last.decision.as_str(), last.week),
        ("kept", "2021-W34".parse().ok())
    );
    let weeks: Vec<_> = page
        .weeks
        .iter()
        .map(|link| {
            (
                link.week.to_string(),
                link.decided.clone().unwrap(),
                link.mae,
            )
        })
        .collect();
    let expected = [("2021-W34", "kept"), ("2021-W33", "promoted")]
        .map(|(week, decided)| (week.to_owned(), decided.to_owned(), Some(7.25)));
    assert_eq!(weeks, expected);
}

#[tokio::test]
async fn champion_of_the_audit_log_is_that_of_the_registry() {
    let ports = state().await;
    let of_registry = IndexPage::gather(&ports).await.unwrap().champions;
    // The registry of a function that cannot reach it.
    let unreachable = Ports {
        registry: Ports::in_memory(Arc::clone(&ports.clock)).registry,
        ..ports
    };
    let page = IndexPage::gather_from(&unreachable, ChampionSource::AuditLog).await;
    assert_eq!(page.unwrap().champions, of_registry);
    assert_eq!(of_registry.champion, Some(Version::new(2)));
}

#[tokio::test]
async fn repeated_event_about_the_champion_keeps_the_decision_of_its_week() {
    let ports = state().await;
    let repeated = AuditEntry {
        champion_version: Some(Version::new(2)),
        challenger_version: Some(Version::new(2)),
        ..AuditEntry::new("kept", "version 2 is the champion already")
    };
    let id = "evaluate/2021-W33@2021-08-24T08-00-00Z";
    let row = row(Function::Promote, id, day("2021-08-24").at(8), repeated);
    ports.warehouse.record(&row).await.unwrap();
    let page = IndexPage::gather(&ports).await.unwrap();
    let week = "2021-W33".parse().unwrap();
    let link = page.weeks.iter().find(|link| link.week == week).unwrap();
    assert_eq!(link.decided.as_deref(), Some("promoted"));
}

#[tokio::test]
async fn outlook_compares_the_same_counters_with_the_week_before() {
    let page = IndexPage::gather(&state().await).await.unwrap();
    let next_day = page.next_day.unwrap();
    assert_eq!((next_day.day, next_day.counters), (today(), 1));
    // 24 hours of 10; a week earlier twice the sum of 0 to 23, of `Quai` only.
    assert_eq!(next_day.total(), 240.0);
    assert_eq!(next_day.total_week_earlier(), Some(552.0));
}

#[tokio::test]
async fn commands_name_the_folder_of_a_local_state() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimulatedClock::new(today().at(9)));
    let ports = Ports::in_folder(folder.path(), clock).unwrap();
    register(&ports).await;
    let page = IndexPage::gather(&ports).await.unwrap();
    let rollback = page.champions.rollback.unwrap();
    let expected = format!(" --state {} --reason", folder.path().display());
    assert!(rollback.contains(&expected), "{rollback}");
}

#[tokio::test]
async fn page_is_one_file_with_a_text_alternative_for_each_chart() {
    let html = render(&IndexPage::gather(&state().await).await.unwrap());
    for text in [
        "1 dead letter of predict",
        "href=\"week/2021-W33.html\"",
        "href=\"month/2021-08.html\"",
        "rollback <span class=\"whole\">--reason</span> &quot;WHY&quot;",
        "zeros only",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("Rue <b>"));
    for reference in ["http:", "https:", "url(", "@import", "<script", "src="] {
        assert!(!html.contains(reference), "{reference}");
    }
    assert_eq!(
        html.matches("role=\"img\"").count(),
        html.matches("aria-labelledby=\"").count() - html.matches("<section ").count()
    );
    assert!(html.len() < 300_000, "{}", html.len());
}
