//! Files that a merge writes, and files that it must not overwrite.

use super::{options::parse, *};

/// Returns two sources, one of them with an invalid row.
fn fixture() -> Fixture {
    let bad = "1;Quai;many;2021-07-19T01:00:00+02:00;\n".to_owned();
    Fixture::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("new.csv", &export(&[row("Quai", 2, "01"), bad])),
        ("test.csv", &export(&[row("Quai", 3, "02")])),
        ("out/next.csv", b"previous output"),
    ])
}

#[test]
fn reject_file_never_overwrites_inputs_or_output() {
    let fixture = fixture();
    let files = ["old.csv", "new.csv", "out/next.csv"];
    let before = files.map(|name| fixture.read(name));
    // The same files under other paths are recognised as well.
    for name in [
        &files[..],
        &["out/../old.csv", "./new.csv", "out/../out/next.csv"],
    ]
    .concat()
    {
        let mut plan = fixture.plan("old.csv", &["new.csv"]);
        plan.rejects = fixture.path(name);
        let error = merge(&plan).unwrap_err().to_string();
        assert!(
            error.contains("cannot write to") && error.contains("--rejects"),
            "{name}: {error}"
        );
    }
    assert_eq!(files.map(|name| fixture.read(name)), before);
    // The check also works before the output and its folder exist.
    let mut plan = fixture.plan("old.csv", &["new.csv"]);
    (plan.output, plan.rejects) = (
        fixture.path("deep/next.csv"),
        fixture.path("deep/./next.csv"),
    );
    assert!(merge(&plan).is_err() && !fixture.path("deep").exists());
}

#[test]
fn reject_file_never_overwrites_an_export_through_a_symlink() {
    let fixture = fixture();
    fs::create_dir(fixture.path("exports")).unwrap();
    fs::copy(fixture.path("new.csv"), fixture.path("exports/new.csv")).unwrap();
    std::os::unix::fs::symlink(fixture.path("exports/new.csv"), fixture.path("link.csv")).unwrap();
    let mut plan = fixture.plan("old.csv", &["exports"]);
    plan.rejects = fixture.path("link.csv");
    let error = merge(&plan).unwrap_err().to_string();
    assert!(error.contains("an input of the merge"), "{error}");
    assert_eq!(fixture.read("exports/new.csv"), fixture.read("new.csv"));
}

#[tokio::test]
async fn fixed_test_set_is_never_overwritten() {
    let fixture = fixture();
    let [old, new, test, next] = ["old.csv", "new.csv", "test.csv", "out/next.csv"]
        .map(|name| fixture.path(name).display().to_string());
    let before = fixture.read("test.csv");
    for (output, rejects) in [(&next, &test), (&test, &next)] {
        let options = [
            "--baseline",
            &old,
            "--bq-export",
            &new,
            "--test-path",
            &test,
        ];
        let options = options
            .into_iter()
            .chain(["--output", output, "--rejects", rejects]);
        let error = super::plan(parse(options).unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("the fixed test set"), "{error}");
    }
    // The reject file of the test set would overwrite the baseline.
    let baseline = format!("{next}.test-rejects.csv");
    fs::copy(fixture.path("old.csv"), &baseline).unwrap();
    let options = [
        "--baseline",
        &baseline,
        "--bq-export",
        &new,
        "--test-path",
        &test,
        "--output",
        &next,
    ];
    let error = super::plan(parse(options).unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("an input of the merge"), "{error}");
    assert_eq!(
        (
            fixture.read("test.csv"),
            fs::read_to_string(&baseline).unwrap()
        ),
        (before, fixture.read("old.csv"))
    );
}

#[test]
fn earlier_reject_file_is_kept_until_the_output_is_written() {
    let fixture = fixture();
    let rejects = "out/next.csv.rejects.csv";
    fs::write(fixture.path(rejects), "from an earlier merge").unwrap();
    // A folder at the output path makes the final rename fail.
    fs::remove_file(fixture.path("out/next.csv")).unwrap();
    fs::create_dir_all(fixture.path("out/next.csv/deep")).unwrap();
    for export in ["new.csv", "old.csv"] {
        merge(&fixture.plan("old.csv", &[export])).unwrap_err();
        assert_eq!(fixture.read(rejects), "from an earlier merge");
    }
}
