//! The breakdown compared with numpy.

use forecasting::{
    counts::Counter,
    metrics::{Breakdown, Cell, ComparedRow, ForecastRow, Group, GroupScores},
    time::Hour,
};
use serde::Deserialize;

use super::assert_close;

#[test]
fn breakdown_agrees_with_numpy() {
    let (counters, expected, rows) = breakdown_case();

    let breakdown = Breakdown::of(&rows, &counters);

    assert_breakdown(&breakdown, &expected);
}

/// The champion's forecasts alone have the champion's errors.
#[test]
fn breakdown_of_one_model_has_no_challenger() {
    let (counters, mut expected, rows) = breakdown_case();
    let groups = [
        &mut expected.counters,
        &mut expected.bands,
        &mut expected.days,
        &mut expected.levels,
        &mut expected.hours,
    ];
    for group in groups.into_iter().flatten() {
        group.challenger = None;
        let GroupScores { mae, bias, .. } = group.champion;
        group.champion = GroupScores {
            mae,
            bias,
            ..GroupScores::default()
        };
    }
    for cell in &mut expected.cells {
        cell.challenger = None;
    }
    let forecast = |row: &ComparedRow| ForecastRow {
        counter: row.counter,
        hour: row.hour,
        count: row.count,
        forecast: row.champion,
        seasonal_naive: row.seasonal_naive,
        is_living: row.is_living,
    };
    let rows: Vec<_> = rows.iter().map(forecast).collect();

    let breakdown = Breakdown::of_forecasts(&rows, &counters);

    assert_breakdown(&breakdown, &expected);
    assert!(breakdown.counters[0].worsening().is_infinite());
}

#[test]
fn breakdown_of_an_earlier_version_has_no_hours() {
    let text = r#"{"counters":[{"name":"Quai","rows":24,"mean_count":5.0,"share_of_counts":1.0,"champion":{"mae":2.0,"bias":0.5},"challenger":{"mae":1.0,"bias":0.25},"seasonal_naive_mae":null}],"bands":[],"days":[],"levels":[]}"#;
    let breakdown: Breakdown = serde_json::from_str(text).unwrap();
    assert!(breakdown.hours.is_empty() && breakdown.cells.is_empty());
    assert_eq!(breakdown.counters[0].silent_hours, None);
    assert_eq!(breakdown.counters[0].worsening(), -0.5);
    assert_eq!(serde_json::to_string(&breakdown).unwrap(), text);
}

/// Returns the counters, the expected groups and the rows that numpy computed.
fn breakdown_case() -> (Vec<Counter>, Breakdown, Vec<ComparedRow>) {
    let BreakdownCase {
        counters,
        expected,
        rows,
    } = serde_json::from_str(include_str!("../../fixtures/metrics/breakdown.json")).unwrap();
    let counters = counters
        .into_iter()
        .map(|name| Counter {
            id: None,
            name,
            coordinates: None,
        })
        .collect();
    let row =
        |(counter, hour, count, champion, challenger, seasonal_naive, is_living)| ComparedRow {
            counter,
            hour: Hour::from_number(hour),
            count,
            champion,
            challenger,
            seasonal_naive,
            is_living,
        };
    (counters, expected, rows.into_iter().map(row).collect())
}

fn assert_breakdown(breakdown: &Breakdown, expected: &Breakdown) {
    let names =
        |groups: &[Group]| -> Vec<_> { groups.iter().map(|group| group.name.clone()).collect() };
    for (found, expected) in [
        (&breakdown.counters, &expected.counters),
        (&breakdown.bands, &expected.bands),
        (&breakdown.days, &expected.days),
        (&breakdown.levels, &expected.levels),
        (&breakdown.hours, &expected.hours),
    ] {
        assert_eq!(names(found), names(expected));
        found
            .iter()
            .zip(expected)
            .for_each(|(found, expected)| assert_group(found, expected));
    }
    assert_eq!(breakdown.cells.len(), expected.cells.len());
    for (found, expected) in breakdown.cells.iter().zip(&expected.cells) {
        assert_cell(found, expected);
    }
}

fn assert_cell(found: &Cell, expected: &Cell) {
    let name = format!("weekday {} at {}", expected.weekday, expected.hour);
    assert_eq!(
        (found.weekday, found.hour),
        (expected.weekday, expected.hour)
    );
    assert_eq!(found.rows, expected.rows, "{name}");
    assert_eq!(found.challenger.is_some(), expected.challenger.is_some());
    let values = |cell: &Cell| {
        let challenger = cell.challenger.unwrap_or_default();
        [
            cell.mean_count,
            cell.champion.mae,
            cell.champion.bias,
            challenger.mae,
            challenger.bias,
            cell.seasonal_naive_mae.unwrap(),
        ]
    };
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        assert_close(found, expected, &name);
    }
}

fn assert_group(found: &Group, expected: &Group) {
    let name = &expected.name;
    assert_eq!(found.rows, expected.rows, "{name}");
    assert_eq!(found.silent_hours, expected.silent_hours, "{name}");
    assert_eq!(found.challenger.is_some(), expected.challenger.is_some());
    let values = |group: &Group| {
        [
            group.mean_count,
            group.share_of_counts,
            group.seasonal_naive_mae.unwrap(),
        ]
    };
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        assert_close(found, expected, name);
    }
    assert_scores(found.champion, expected.champion, name);
    let challengers = found.challenger.zip(expected.challenger);
    if let Some((found, expected)) = challengers {
        assert_scores(found, expected, name);
    }
}

fn assert_scores(found: GroupScores, expected: GroupScores, name: &str) {
    let values = |scores: GroupScores| {
        let GroupScores {
            mae,
            bias,
            rmse,
            r2,
            share,
        } = scores;
        [Some(mae), Some(bias), rmse, r2, share]
    };
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        assert_eq!(found.is_some(), expected.is_some(), "{name}");
        if let Some((found, expected)) = found.zip(expected) {
            assert_close(found, expected, name);
        }
    }
}

#[test]
fn breakdown_without_rows_or_bicycles_has_finite_values() {
    assert_eq!(Breakdown::of(&[], &[]), Breakdown::default());

    let counter = Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    };
    let row = ComparedRow {
        counter: 0,
        hour: Hour::from_number(0),
        count: 0.0,
        champion: 0.0,
        challenger: 2.0,
        seasonal_naive: None,
        is_living: false,
    };
    let breakdown = Breakdown::of(&[row], &[counter]);
    let group = &breakdown.counters[0];
    assert_eq!(
        (group.share_of_counts, group.seasonal_naive_mae),
        (0.0, None)
    );
    assert_eq!(group.worsening(), f64::INFINITY);
    let challenger = group.challenger.unwrap();
    assert_eq!((challenger.rmse, challenger.r2), (Some(2.0), Some(0.0)));
    assert_eq!((group.champion.r2, challenger.share), (Some(1.0), None));
}

#[derive(Deserialize)]
struct BreakdownCase {
    counters: Vec<String>,
    expected: Breakdown,
    rows: Vec<CaseRow>,
}

/// The counter, hour, count, both forecasts and the seasonal naive forecast of a row, and `false`
/// in a run of zeros.
type CaseRow = (usize, i32, f64, f64, f64, Option<f64>, bool);
