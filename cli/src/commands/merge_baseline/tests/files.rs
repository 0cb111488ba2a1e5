//! What a merge writes, and what it leaves alone.

use super::*;

/// Two sources of which one has a row that cannot be used.
fn place() -> Place {
    let bad = "1;Quai;many;2021-07-19T01:00:00+02:00;\n".to_owned();
    Place::new(&[
        ("old.csv", &export(&[row("Quai", 1, "00")])),
        ("new.csv", &export(&[row("Quai", 2, "01"), bad])),
        ("test.csv", &export(&[row("Quai", 3, "02")])),
        ("out/next.csv", b"as it was"),
    ])
}

#[test]
fn rejected_rows_are_not_written_over_what_is_read_nor_over_the_output() {
    let place = place();
    let files = ["old.csv", "new.csv", "out/next.csv"];
    let before = files.map(|name| place.read(name));
    // The same files by other paths, too.
    for name in [
        &files[..],
        &["out/../old.csv", "./new.csv", "out/../out/next.csv"],
    ]
    .concat()
    {
        let mut plan = place.plan("old.csv", &["new.csv"]);
        plan.rejects = place.path(name);
        let error = merge(&plan).unwrap_err().to_string();
        assert!(
            error.contains("cannot write to") && error.contains("--rejects"),
            "{name}: {error}"
        );
    }
    assert_eq!(files.map(|name| place.read(name)), before);
    // The output need not be there yet, nor its folder.
    let mut plan = place.plan("old.csv", &["new.csv"]);
    (plan.output, plan.rejects) = (place.path("deep/next.csv"), place.path("deep/./next.csv"));
    assert!(merge(&plan).is_err() && !place.path("deep").exists());
}

#[test]
fn a_file_of_a_folder_of_exports_is_not_written_over_through_a_link() {
    let place = place();
    fs::create_dir(place.path("exports")).unwrap();
    fs::copy(place.path("new.csv"), place.path("exports/new.csv")).unwrap();
    std::os::unix::fs::symlink(place.path("exports/new.csv"), place.path("link.csv")).unwrap();
    let mut plan = place.plan("old.csv", &["exports"]);
    plan.rejects = place.path("link.csv");
    let error = merge(&plan).unwrap_err().to_string();
    assert!(error.contains("an input of the merge"), "{error}");
    assert_eq!(place.read("exports/new.csv"), place.read("new.csv"));
}

#[tokio::test]
async fn the_fixed_test_set_is_not_written_over() {
    let place = place();
    let [old, new, test, next] = ["old.csv", "new.csv", "test.csv", "out/next.csv"]
        .map(|name| place.path(name).display().to_string());
    let before = place.read("test.csv");
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
    // Rows of the test set that cannot be used would go where the baseline is.
    let baseline = format!("{next}.test-rejects.csv");
    fs::copy(place.path("old.csv"), &baseline).unwrap();
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
            place.read("test.csv"),
            fs::read_to_string(&baseline).unwrap()
        ),
        (before, place.read("old.csv"))
    );
}

#[test]
fn the_reject_file_of_a_merge_before_stays_until_the_output_is_in_its_place() {
    let place = place();
    let rejects = "out/next.csv.rejects.csv";
    fs::write(place.path(rejects), "of a merge before").unwrap();
    // A folder in its place, which no file can take.
    fs::remove_file(place.path("out/next.csv")).unwrap();
    fs::create_dir_all(place.path("out/next.csv/deep")).unwrap();
    for export in ["new.csv", "old.csv"] {
        merge(&place.plan("old.csv", &[export])).unwrap_err();
        assert_eq!(place.read(rejects), "of a merge before");
    }
}
