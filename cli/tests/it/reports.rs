//! Snapshots of the reports that commands print.
//!
//! The values of a report differ, so that a snapshot shows if two of them are exchanged.

mod drift_check;
mod retraining;
mod run;

use std::{fmt, path::PathBuf};

use cli::commands::{
    data::{History, Verification},
    export::{ExportReport, ExportedFile},
    ingest::{Backfill, RequestedDay},
    merge_baseline::{MergeReport, SourceReport},
    publish_baseline::Publication,
    replay::{Delivered, Listed, ReplayReport, Republished},
    rollback::Rollback,
    status::{FunctionStatus, LastEvent, Status, UnfinishedState, UnfinishedStatus, VersionStatus},
};
use cli::support::table::wrapped;
use forecasting::{checksum::Checksum, time::Day};
use shared::{
    Timestamp,
    baseline::{self, DataSet, DataSetName, Finding, Manifest, Role, Source},
    event::{EventId, Function},
    registry::{Alias, Version},
};

/// The width of a terminal in columns.
const WIDTH: usize = 80;

/// Asserts that a report is printed as in a snapshot on a terminal with 80 columns, whose width it
/// does not exceed. Only an address may be longer, alone on its line, so that it can be copied.
fn assert_printed(name: &str, report: &impl fmt::Display) {
    let text = wrapped(&report.to_string(), WIDTH);
    for line in text.lines() {
        let is_address = line.contains("://") && !line.trim_start().contains(' ');
        assert!(
            line.chars().count() <= WIDTH || is_address,
            "{name}: {line}"
        );
    }
    insta::assert_snapshot!(name, text);
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn name(text: &str) -> DataSetName {
    text.parse().unwrap()
}

#[test]
fn status() {
    let version = |version, run: &str, aliases: &[Alias], kind: &str, mae| VersionStatus {
        version: Version::new(version),
        aliases: aliases.to_vec(),
        run: run.parse().unwrap(),
        training_type: Some(kind.to_owned()),
        test_mae: mae,
    };
    let function = |(function, dead_letters)| FunctionStatus {
        function,
        last: Some(None),
        dead_letters: Some(dead_letters),
        waiting: Some(dead_letters % 2),
    };
    let mut functions: Vec<_> = Function::ALL.into_iter().zip(0..).map(function).collect();
    functions[2].last = Some(Some(LastEvent {
        at: timestamp("2021-08-02T05:00:01Z"),
        event_id: EventId::of(Function::DriftCheck, "2021-W30"),
        decision: "drift".to_owned(),
        reason: "60 % of the columns drifted".to_owned(),
    }));
    let unfinished = |function, week: &str, state, reason: Option<&str>| UnfinishedStatus {
        function,
        event_id: EventId::of(Function::DriftCheck, week),
        state,
        since: timestamp("2021-08-02T05:00:02Z"),
        reason: reason.map(str::to_owned),
    };
    let status = Status {
        at: timestamp("2021-08-02T05:02:00Z"),
        since: timestamp("2021-07-03T05:02:00Z"),
        registry_lock: None,
        champion_problem: None,
        runs_page: None,
        versions: Some(vec![
            version(
                2,
                "fine-tune-2021-W30",
                &[Alias::Champion, Alias::Challenger],
                "fine_tune",
                Some(14.25),
            ),
            version(
                1,
                "champion-2021-05-15",
                &[Alias::Previous],
                "champion",
                None,
            ),
        ]),
        page: Some("file:///srv/state/local/objects/reports/index.html".to_owned()),
        functions,
        unfinished: Some(vec![
            unfinished(
                Function::FineTune,
                "2021-W29",
                UnfinishedState::Overdue,
                None,
            ),
            unfinished(
                Function::FineTune,
                "2021-W30",
                UnfinishedState::Failed,
                Some("cannot read the object: timeout"),
            ),
            unfinished(
                Function::DriftCheck,
                "2021-W31",
                UnfinishedState::InProgress,
                None,
            ),
        ]),
        unreadable: Vec::new(),
    };
    assert_printed("status", &status);
    let mut finished = Status {
        page: None,
        unfinished: Some(Vec::new()),
        ..status
    };
    for function in &mut finished.functions {
        function.waiting = Some(0);
    }
    assert_printed("status_without_unfinished_events", &finished);
}

#[test]
fn rollback() {
    let report = Rollback {
        from: Some(Version::new(7)),
        to: Version::new(5),
        run: "champion-2021-05-15".parse().unwrap(),
        event_id: EventId::of(Function::Promote, "rollback-2021-08-02T05-00-00Z"),
    };
    assert_printed("rollback", &report);
}

#[test]
fn publication() {
    let report = Publication {
        champion: Version::new(7),
        mae: 14.25,
        previous: Some((Version::new(5), 15.5)),
        from: name("train-2021-05-15-01234567"),
        to: name("train-2021-08-22-89abcdef"),
    };
    assert_printed("publication", &report);
    let without_previous = Publication {
        previous: None,
        ..report.clone()
    };
    assert_printed("publication_without_previous_version", &without_previous);
    let unchanged = Publication {
        from: report.to.clone(),
        ..report
    };
    assert_printed("publication_unchanged", &unchanged);
}

fn manifest(data: DataSet, rows: u64, sources: &[&str], parent: Option<DataSetName>) -> Manifest {
    let source = |name: &&str| Source {
        name: (*name).to_owned(),
        sha256: Checksum::of(name.as_bytes()),
        rows,
    };
    Manifest {
        format: baseline::FORMAT,
        role: data.name.role(),
        object: data.name.object(),
        name: data.name,
        sha256: data.sha256,
        bytes: 1_000,
        rows,
        first_hour: timestamp("2020-08-31T22:00:00Z"),
        last_hour: timestamp("2021-05-15T21:00:00Z"),
        counters: vec!["Pont".to_owned(), "Quai".to_owned()],
        sources: sources.iter().map(source).collect(),
        parent,
    }
}

#[test]
fn data_history() {
    let data = |role, day: &str| DataSet::new(role, day.parse().unwrap(), Checksum::of(b"counts"));
    let first = data(Role::Train, "2021-05-15");
    let files = ["first.csv", "2021-06.csv", "2021-07.csv", "2021-08.csv"];
    let history = History {
        train: vec![
            manifest(
                data(Role::Train, "2021-08-22"),
                136_732,
                &files,
                Some(first.name.clone()),
            ),
            manifest(first, 119_932, &files[..1], None),
        ],
        test: manifest(
            data(Role::Test, "2021-07-18"),
            30_720,
            &["a.csv", "b.csv"],
            None,
        ),
    };
    assert_printed("data_history", &history);
}

#[test]
fn data_verification() {
    let changed = baseline::State::Changed {
        sha256: Checksum::of(b"other"),
        bytes: 12,
    };
    let finding = |(data_set, state): (&str, baseline::State)| Finding {
        object: format!("gs://a-bucket/data/baselines/{data_set}.csv"),
        data_set: data_set.to_owned(),
        state,
    };
    let findings = [
        ("train-2021-05-15-01234567", baseline::State::Valid),
        ("train-2021-08-22-89abcdef", changed),
        ("test-2021-07-18-01234567", baseline::State::Missing),
        (
            "test-2021-07-19-01234567",
            baseline::State::Unreadable("invalid object".to_owned()),
        ),
        ("test-2021-07-20-01234567", baseline::State::Undescribed),
    ];
    let report = Verification {
        findings: findings.map(finding).into(),
    };
    assert_printed("data_verification", &report);
}

#[test]
fn replay() {
    let listed = |function, second, text: &str| Listed {
        function,
        published_at: timestamp(&format!("2021-08-02T05:00:{second:02}.5Z")),
        message_id: format!("message-{second}"),
        text: text.to_owned(),
    };
    let would_deliver = vec![
        listed(
            Function::DriftCheck,
            1,
            r#"{"type":"drift-check-requested"}"#,
        ),
        listed(Function::Ingest, 2, "{}\nfailed after 13 attempts"),
    ];
    assert_printed("replay_dry_run", &ReplayReport::Nothing { would_deliver });
    let delivered = Delivered {
        messages: 3,
        audit_rows: 2,
        dead_letters: 1,
        dead_letters_in: PathBuf::from("state/local/bus"),
    };
    assert_printed(
        "replay_delivered",
        &ReplayReport::Delivered(delivered.clone()),
    );
    let republished = ReplayReport::Republished {
        dead_letters: Republished {
            republished: 4,
            left: 5,
        },
        delivered: Some(delivered),
    };
    assert_printed("replay_republished", &republished);
    let sought = ReplayReport::Sought {
        functions: vec![Function::Ingest, Function::Evaluate],
        to: "2021-08-02T05:00:00Z".to_owned(),
    };
    assert_printed("replay_sought", &sought);
    let published = ReplayReport::Published { messages: 6 };
    assert_printed("replay_published", &published);
}

#[test]
fn backfill() {
    let report = Backfill {
        from: day("2021-07-01"),
        to: day("2021-07-05"),
        days: 5,
        skipped: 3,
        published: 2,
        waiting: Some(3),
        asked: vec![
            RequestedDay {
                day: day("2021-07-02"),
                hours: 0,
                rows: 0,
                counters: 0,
                again: None,
            },
            RequestedDay {
                day: day("2021-07-04"),
                hours: 17,
                rows: 34,
                counters: 2,
                again: Some(timestamp("2021-07-05T04:00:00Z")),
            },
        ],
    };
    assert_printed("ingest", &report);
}

#[test]
fn export() {
    let file = |path: &str, is_new| ExportedFile {
        path: PathBuf::from(path),
        rows: 9,
        bytes: 99,
        is_new,
    };
    let report = ExportReport {
        folder: PathBuf::from("exports"),
        asked: (day("2021-05-01"), day("2021-07-31")),
        exported: Some((day("2021-05-20"), day("2021-07-30"))),
        files: vec![
            file("exports/2021-05.csv", false),
            file("exports/2021-06.csv", true),
            file("exports/2021-07.csv", true),
            file("exports/2021-08.csv", true),
        ],
        rows: 34_560,
        months_written: vec!["2021-07".to_owned()],
        months: 2,
    };
    assert_printed("export", &report);
    let empty = ExportReport {
        exported: None,
        ..report
    };
    assert_printed("export_of_days_without_a_table", &empty);
}

#[test]
fn merge() {
    let source = |file: &str, first: u64, rejected: &[(&'static str, u64)]| SourceReport {
        file: file.to_owned(),
        rows: first,
        new: first + 1,
        replaced: first + 2,
        unchanged: first + 3,
        in_test_period: first + 4,
        duplicates: first + 5,
        rejected: rejected.iter().copied().collect(),
        notes: Vec::new(),
    };
    let report = MergeReport {
        output: "next.csv.gz".to_owned(),
        rows: 136_732,
        counters: 20,
        period: "2020-08-31T22:00:00Z to 2021-08-22T21:00:00Z".to_owned(),
        test_period: Some("2021-05-15T22:00:00Z to 2021-07-18T21:00:00Z".to_owned()),
        test_rejected: 0,
        sources: vec![
            source("baseline.csv", 100, &[]),
            source(
                "export.csv",
                200,
                &[("no count", 6), ("no counter name", 7)],
            ),
        ],
        appeared: vec!["Parc".to_owned(), "Rue".to_owned()],
        vanished: vec!["Pont".to_owned()],
        rejects: Some("rejects.csv".to_owned()),
    };
    assert_printed("merge", &report);
}
