//! Whatever a commit changes: an engine that has rendered the commits before says what a new one says.

use millwright_model::digest::GitId;
use proptest::prelude::*;

use super::*;
use crate::{
    render::{
        FileKind, SourceFile,
        tests::{Tree, gateway, profile, resource, spec_of},
    },
    signature::Form,
};

/// A commit in memory whose directories have ages of their own.
struct Commit {
    tree: Tree,
    ages: [i64; 3],
}

impl Source for Commit {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        self.tree.list(source)
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        self.tree.read(id)
    }

    fn changed_at(&self, path: &str) -> Result<i64, RenderError> {
        Ok(self.ages[path.len() % self.ages.len()])
    }
}

const PROFILES: [&str; 3] = [
    "  mappings: [{source: a, destination: projects/p}]
  normalize: [{files: '**/config.json', set: {.systemName: '{{.GatewayName}}'}, create: true}]
",
    "  mappings:
    - {source: a, destination: projects/p}
    - {source: b, destination: projects/p, required: false}
    - {source: t, destination: projects/t, template: true, required: false}
  normalize: [{files: '**/r/config.json', set: {.systemName: '{{.Site}}'}, create: true}]
",
    "  mappings: [{source: a, destination: projects/p}]
  limits: {maxFiles: 6}
",
];

const FILES: [&str; 10] = [
    "a/project.json",
    "a/r/config.json",
    "a/r/resource.json",
    "a/r/data.bin",
    "a/s/config.json",
    "a/s/resource.json",
    "a/plain.txt",
    "b/r/config.json",
    "b/plain.txt",
    "t/x.txt",
];

fn content(path: &str, version: u8) -> String {
    match path.rsplit('/').next() {
        Some("resource.json") => {
            let config = format!("{{\"n\": {version}}}");
            resource(Form::V83, &[("config.json", config.as_str())])
        }
        Some("x.txt") => format!("{{{{.GatewayName}}}} {version}"),
        Some(_) | None => format!("{{\"n\": {version}}}"),
    }
}

fn commit(files: &[Option<u8>], ages: [i64; 3]) -> Commit {
    let mut tree = Tree::default().with("a/always.txt", "1");
    for (path, version) in FILES.iter().zip(files) {
        if let Some(version) = version {
            tree = tree.with(path, content(path, *version));
        }
    }
    Commit { tree, ages }
}

type History = Vec<(usize, Option<u8>, [i64; 3])>;

fn histories() -> impl Strategy<Value = History> {
    let age = || prop_oneof![9 => Just(5_i64), 1 => 6_i64..8];
    let change = (0..FILES.len(), proptest::option::weighted(0.8, 0_u8..3), [age(), age(), age()]);
    proptest::collection::vec(change, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn it_is_what_a_new_engine_renders(
        begin in proptest::collection::vec(proptest::option::of(0_u8..3), FILES.len()),
        history in histories(),
    ) {
        let mut engine = Engine::default();
        let profiles = PROFILES.map(profile);
        let mut files = begin;
        for (n, (at, version, ages)) in history.into_iter().enumerate() {
            files[at] = version;
            let commit = commit(&files, ages);
            for (profile, name) in profiles.iter().flat_map(|p| [(p, "g1"), (p, "g2")]) {
                let mut spec = spec_of(profile, &gateway(name), &[]);
                spec.commit = GitId([u8::try_from(n).unwrap(); 20]);
                let known = engine.known(&spec, spec.key());
                let after = engine.render(&spec, &commit);
                let anew = Engine::default().render(&spec, &commit);
                let told = |rendered: Rendered| {
                    (rendered.manifest.digest(), rendered.made, rendered.warnings)
                };
                if let Some(known) = known {
                    prop_assert_eq!(told(known), told(after.clone().unwrap()));
                }
                prop_assert_eq!(after.map(told), anew.map(told));
            }
        }
    }
}

#[test]
fn a_commit_that_concerns_nothing_made_is_read_for_one_gateway_only() {
    let plain =
        |text: &str| Tree::default().with("a/r/config.json", "{}").with("a/plain.txt", text);
    let (one, two) = (plain("1"), plain("2"));
    let profile = profile(PROFILES[0]);
    let spec = |name: &str, commit: u8| {
        let mut spec = spec_of(&profile, &gateway(name), &[]);
        spec.commit = GitId([commit; 20]);
        spec
    };
    let mut engine = Engine::default();
    let known = |engine: &mut Engine, spec: &RenderSpec| engine.known(spec, spec.key());
    for name in ["g1", "g2"] {
        assert!(known(&mut engine, &spec(name, 1)).is_none());
        engine.render(&spec(name, 1), &one).unwrap();
    }
    assert!(known(&mut engine, &spec("g1", 2)).is_none(), "nobody has looked at this commit");
    let first = engine.render(&spec("g1", 2), &two).unwrap();
    let second = known(&mut engine, &spec("g2", 2)).unwrap();
    assert_ne!(first.manifest, second.manifest);
    assert_eq!(second.made.len(), 1);
    // Another label is another spec.
    assert!(known(&mut engine, &spec("g3", 2)).is_none());
}

#[test]
fn a_file_kind_that_cannot_be_mapped_is_refused_again() {
    let profile = profile(PROFILES[2]);
    let spec = |commit: u8| {
        let mut spec = spec_of(&profile, &gateway("g"), &[]);
        spec.commit = GitId([commit; 20]);
        spec
    };
    let good = Tree::default().with("a/x", "1");
    let bad = Tree::default().with("a/x", "1").with("a/y", "2").kind("a/y", FileKind::Link);
    let mut engine = Engine::default();
    engine.render(&spec(1), &good).unwrap();
    assert!(engine.render(&spec(2), &bad).is_err());
    assert!(engine.known(&spec(2), spec(2).key()).is_none());
}
