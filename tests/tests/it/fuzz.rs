//! The fuzz targets in the folder `fuzz`, and their seeds. `make fuzz` runs the targets.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use tests::fuzz::TARGETS;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
const FEWEST_SEEDS: usize = 3;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn seeds_pass_the_checks_of_their_target() {
    for (name, check) in TARGETS {
        let seeds = entries(&Path::new(FOLDER).join("seeds").join(name));
        assert!(
            seeds.len() >= FEWEST_SEEDS,
            "{name} has {} seeds",
            seeds.len()
        );
        for seed in seeds {
            // The test runner shows the last line if the check panics.
            println!("{}", seed.display());
            check(&fs::read(&seed).unwrap());
        }
    }
}

/// The workspace of the targets is not compiled with this one.
#[test]
fn each_check_has_its_target() {
    let manifest = fs::read_to_string(Path::new(FOLDER).join("Cargo.toml")).unwrap();
    let mut expected = BTreeSet::new();
    for (name, _) in TARGETS {
        let file = Path::new(FOLDER).join(format!("fuzz_targets/{name}.rs"));
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            format!(
                "#![no_main]\n\nlibfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::{name}(data));\n"
            )
        );
        let entry = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&entry), "{name} is not in the manifest");
        expected.insert(file);
    }
    let found: BTreeSet<_> = entries(&Path::new(FOLDER).join("fuzz_targets"))
        .into_iter()
        .collect();
    assert_eq!(found, expected);
}
