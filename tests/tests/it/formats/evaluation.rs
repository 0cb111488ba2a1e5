//! The evaluation of a challenger.

use forecasting::{
    coverage::Coverage,
    metrics::{Breakdown, Cell, DifferenceBound, Group, GroupScores},
    policy::{Comparison, FreshComparison, Policy, ScorePair},
};
use shared::{evaluation::Evaluation, program::Program, registry::Version};

use super::{assert_snapshot, scores, timestamp, written};

/// Returns a breakdown with one group of each kind, with or without a challenger.
pub(super) fn breakdown(rows: usize, challenger: Option<GroupScores>) -> Breakdown {
    // Only the groups of two models have all scores.
    let of_two = |value: f64| challenger.map(|_| value);
    let champion = GroupScores {
        mae: 18.0,
        bias: -0.5,
        rmse: of_two(36.0),
        r2: of_two(0.75),
        share: of_two(0.25),
    };
    let of_cell = |GroupScores { mae, bias, .. }| GroupScores {
        mae,
        bias,
        ..GroupScores::default()
    };
    let group = |name: &str| Group {
        name: name.to_owned(),
        rows,
        mean_count: 62.5,
        share_of_counts: 1.0,
        champion,
        challenger,
        seasonal_naive_mae: Some(20.5),
        silent_hours: Some(24),
    };
    let cell = Cell {
        weekday: 0,
        hour: 7,
        rows,
        mean_count: 62.5,
        champion: of_cell(champion),
        challenger: challenger.map(of_cell),
        seasonal_naive_mae: Some(20.5),
    };
    Breakdown {
        counters: vec![group("Pont")],
        bands: vec![group("0-5 h")],
        days: vec![group("workday")],
        levels: vec![group("25 to 75")],
        hours: vec![group("7 h")],
        cells: vec![cell],
    }
}

#[tokio::test]
async fn evaluation() {
    let challenger = Some(GroupScores {
        mae: 16.5,
        bias: 0.25,
        rmse: Some(33.0),
        r2: Some(0.75),
        share: Some(0.25),
    });
    let pair = |champion, challenger, rows| ScorePair {
        champion: scores(champion, rows),
        challenger: scores(challenger, rows),
        seasonal_naive: Some(scores(20.5, rows)),
    };
    let comparison = Comparison {
        fixed_test: pair(15.5, 14.25, 30_720),
        fixed_test_living: Some(pair(16.0, 14.75, 29_800)),
        fixed_test_breakdown: Some(breakdown(30_720, challenger)),
        fresh: Some(FreshComparison {
            scores: pair(18.0, 16.5, 3_360),
            living: Some(pair(18.5, 17.0, 3_264)),
            model_alone: Some(pair(19.0, 17.5, 3_360)),
            bootstrap_lower_bound: 0.125,
            bootstrap: Some(DifferenceBound {
                difference: 1.5,
                probability: 0.9375,
                lower_bound_90: 0.25,
                lower_bound: 0.125,
                upper_bound: 2.75,
                days: 7,
            }),
            breakdown: Some(breakdown(3_360, challenger)),
        }),
    };
    let evaluation = Evaluation {
        week: "2021-W30".parse().unwrap(),
        champion: Version::new(1),
        challenger: Version::new(2),
        champion_changes: Some(3),
        verdicts: Policy::default().judge_challenger(&comparison),
        comparison,
        fresh_coverage: Some(Coverage {
            days: 7,
            expected_days: 7,
            hours: 3_360,
            expected_hours: 3_360,
            counters: 20,
            expected_counters: 20,
            ..Coverage::default()
        }),
        fixed_test_set: Some("test-2021-07-18-0123abcd".parse().unwrap()),
        fixed_test_uses: Some(4),
        started_at: Some(timestamp("2021-08-02T05:00:00Z")),
        program: Some(Program {
            version: "0.1.0".to_owned(),
            commit: Some("06a065b56fb02ae80e0253a49f6af53e0bbe1c8e".to_owned()),
        }),
    };
    assert_snapshot("evaluation", &written(&evaluation).await);
}
