//! Reading resources: what is refused, where, and what is suggested.

use super::*;

const GOOD: &str = "\
apiVersion: millwright.dev/v1
kind: Repository
metadata: {name: plant}
spec:
  url: https://git.example/plant.git
  ref: {branch: main}
---
apiVersion: millwright.dev/v1
kind: Fleet
metadata:
  name: all
spec:
  repository: plant
  stages:
    - {name: canary, select: canary=true}
    - {name: rest, maxConcurrent: 4}
";

#[test]
fn documents_read_and_canonical_json_round_trips() {
    let resources = parse_documents(GOOD, "x.yaml").unwrap();
    assert_eq!(resources.len(), 2);
    for resource in resources {
        let json = resource.to_canonical_json();
        assert_eq!(Resource::from_json(&json).unwrap(), resource);
    }
}

#[test]
fn every_error_is_reported_at_once_with_its_place() {
    let bad = GOOD
        .replace("  url:", "  urll:")
        .replace("name: all", "name: ALL_")
        .replace("maxConcurrent: 4", "maxConcurrent: none")
        .replace("kind: Fleet", "kind: Fleet\nsepc: {}");
    let errors = parse_documents(&bad, "x.yaml").unwrap_err();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    for part in [
        "x.yaml:5:3: spec.urll: unknown field, did you mean \"url\"?",
        "the field \"url\" is missing",
        "sepc: unknown field, did you mean \"spec\"?",
        "x.yaml:17:20: spec.stages[1].maxConcurrent:",
        "metadata.name:",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn one_ref_and_no_more() {
    for (spec, fine) in [
        ("repository: plant, ref: {tag: v1}", true),
        ("repository: plant, ref: {}", false),
        ("repository: plant, ref: {tag: v1, branch: main}", false),
    ] {
        let text = format!(
            "{{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {{name: all}}, spec: {{{spec}}}}}"
        );
        let read = parse_documents(&text, "x.yaml");
        assert_eq!(read.is_ok(), fine, "{spec}");
        let errors = read.err().unwrap_or_default();
        let said =
            |error: &SourceError| error.to_string().contains("set exactly one of branch, tag");
        assert!(errors.iter().all(said), "{errors:?}");
    }
}

#[test]
fn hostile_files_end_with_an_error() {
    let deep = "[".repeat(100_000);
    for bad in ["a: &x 1\nb: *x", "kind: 3", "- 1", "kind: Rollout", "a: 1\na: 2", &deep] {
        assert!(parse_documents(bad, "x").is_err(), "{bad:.40}");
    }
}
