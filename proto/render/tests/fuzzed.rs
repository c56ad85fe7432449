//! What holds for any text at all, over the texts in `fuzz/corpus`. The targets in `fuzz` try the same
//! properties over texts that libFuzzer makes; here they are only known to build and to hold for what
//! was once found.

#[path = "fuzzed/json_edit.rs"]
mod json_edit;
#[path = "fuzzed/path.rs"]
mod path;
#[path = "fuzzed/profile.rs"]
mod profile;
#[path = "fuzzed/resource_json.rs"]
mod resource_json;
#[path = "fuzzed/template.rs"]
mod template;

use std::{collections::BTreeSet, fs, path::Path};

/// Every property by the name of its corpus, which is also the name of its fuzz target.
const PROPERTIES: [(&str, fn(&str)); 5] = [
    ("json_edit", json_edit::run),
    ("path", path::run),
    ("profile", profile::run),
    ("resource_json", resource_json::run),
    ("template", template::run),
];

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"))
}

#[test]
fn every_text_of_the_corpora_holds() {
    for (name, run) in PROPERTIES {
        let texts = fs::read_dir(corpus().join(name)).unwrap();
        let mut count = 0;
        for text in texts {
            let path = text.unwrap().path();
            let text = fs::read(&path).unwrap();
            // libFuzzer's texts end where they stop to be UTF-8.
            let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let outcome = std::panic::catch_unwind(|| run(valid));
            assert!(outcome.is_ok(), "{name} does not hold for {}", path.display());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn every_target_has_its_property_here() {
    let names = |dir: &Path| -> BTreeSet<String> {
        let stem = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()
        };
        fs::read_dir(dir).unwrap().map(stem).collect()
    };
    let here: BTreeSet<String> = PROPERTIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(corpus()), here);
    assert_eq!(names(&corpus().join("../fuzz_targets")), here);
}
