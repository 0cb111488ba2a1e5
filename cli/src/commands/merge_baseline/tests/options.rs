//! Command-line options, and the plan that they describe.

use clap::{Args, FromArgMatches};

use super::*;

/// Parses the options of `merge-baseline` and ignores `TEST_DATA_PATH` in the environment.
pub(super) fn parse<'a>(
    options: impl IntoIterator<Item = &'a str>,
) -> Result<MergeArguments, clap::Error> {
    let command =
        MergeArguments::augment_args(clap::Command::new("merge-baseline").no_binary_name(true));
    let without_environment = command.mut_arg("test_path", |argument| {
        argument.env(clap::builder::Resettable::Reset)
    });
    MergeArguments::from_arg_matches(&without_environment.try_get_matches_from(options)?)
}

#[test]
fn test_path_or_no_test_set_is_required() {
    let start = [
        "--baseline",
        "a",
        "--bq-export",
        "b",
        "c",
        "--output",
        "d.csv",
    ];
    let parse_with = |more: &[&'static str]| parse(start.into_iter().chain(more.iter().copied()));
    assert!(parse_with(&[]).is_err());
    assert!(parse_with(&["--test-path", "t.csv", "--no-test-set"]).is_err());
    assert_eq!(
        parse_with(&["--test-path", "t.csv"])
            .unwrap()
            .test_path
            .as_deref(),
        Some("t.csv")
    );
    assert_eq!(
        parse_with(&["--no-test-set"]).unwrap().bq_export,
        [PathBuf::from("b"), PathBuf::from("c")]
    );
}

#[tokio::test]
async fn test_period_spans_first_to_last_hour_of_the_file() {
    let fixture = Fixture::new(&[(
        "test.csv",
        &export(&[
            row("Pont", 1, "07"),
            row("Quai", 1, "02"),
            row("Quai", 1, "05"),
        ]),
    )]);
    let [test, output] =
        ["test.csv", "out/next.csv"].map(|name| fixture.path(name).display().to_string());
    let options = [
        "--baseline",
        "a",
        "--bq-export",
        "b",
        "--output",
        &output,
        "--test-path",
        &test,
    ];
    let plan = plan(parse(options).unwrap()).await.unwrap();
    assert_eq!(
        plan.test_period,
        Some((
            hour("2021-07-19T02:00:00+02:00"),
            hour("2021-07-19T07:00:00+02:00")
        ))
    );
    assert_eq!(plan.rejects, fixture.path("out/next.csv.rejects.csv"));
}
