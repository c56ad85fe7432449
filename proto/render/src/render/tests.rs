//! Small repositories in memory, rendered.

use std::cell::RefCell;

use millwright_model::{
    id::Member,
    resource::{Gateway, Resource, Strings, SyncProfile, parse_documents},
    template::Release,
};

use super::*;
use crate::{
    resource_json::ResourceJson,
    signature::{Form, Verdict, compute, verify},
    spec::{Inputs, ParsedProfile, included, render_spec},
};

/// A commit in memory.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, (Vec<u8>, FileKind)>,
    reads: RefCell<usize>,
}

fn id_of(content: &[u8]) -> GitId {
    GitId::from_slice(&Digest::of(content).as_bytes()[..20]).unwrap()
}

impl Tree {
    pub(crate) fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_owned(), (content.as_ref().to_vec(), FileKind::Plain));
        self
    }

    pub(crate) fn kind(mut self, path: &str, kind: FileKind) -> Self {
        self.files.get_mut(path).unwrap().1 = kind;
        self
    }
}

impl Source for Tree {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        let below = |path: &str| match source {
            "" => Some(path.to_owned()),
            _ if path == source => Some(String::new()),
            _ => path.strip_prefix(source)?.strip_prefix('/').map(str::to_owned),
        };
        let file = |(path, (content, kind)): (&String, &(Vec<u8>, FileKind))| {
            Some(SourceFile {
                relative: below(path)?,
                id: id_of(content),
                kind: *kind,
                digest: Digest::of(content),
                size: content.len() as u64,
            })
        };
        Ok(self.files.iter().filter_map(file).collect())
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        *self.reads.borrow_mut() += 1;
        let found = self.files.values().find(|(content, _)| id_of(content) == id);
        Ok(found.unwrap().0.as_slice().into())
    }

    fn changed_at(&self, _: &str) -> Result<i64, RenderError> {
        Ok(1_767_323_045)
    }
}

pub(crate) fn profile(spec: &str) -> SyncProfile {
    let text = format!(
        "apiVersion: millwright.dev/v1\nkind: SyncProfile\nmetadata: {{name: area}}\nspec:\n{spec}"
    );
    match parse_documents(&text, "p.yaml").map(|mut all| all.remove(0)) {
        Ok(Resource::SyncProfile(profile)) => profile,
        Ok(other) => panic!("{other:?}"),
        Err(errors) => panic!("{errors:?}"),
    }
}

pub(crate) fn gateway(name: &str) -> Gateway {
    let json = serde_json::json!({
        "apiVersion": "millwright.dev/v1", "kind": "Gateway",
        "metadata": {"name": name, "labels": {"area": "packing", "role": "area"}},
        "spec": {"site": "north", "profile": "area", "vars": {"siteNumber": "12"}},
    });
    match Resource::from_json(json.to_string().as_bytes()).unwrap() {
        Resource::Gateway(gateway) => gateway,
        Resource::Repository(_)
        | Resource::SyncProfile(_)
        | Resource::Fleet(_)
        | Resource::Operator(_)
        | Resource::Secret(_) => panic!("it is a gateway"),
    }
}

pub(crate) fn spec_of(
    profile: &SyncProfile,
    gateway: &Gateway,
    others: &[SyncProfile],
) -> RenderSpec {
    let find = |name: &_| others.iter().find(|p| p.metadata.name == *name);
    let others = included(profile, find).unwrap();
    let inputs = Inputs {
        gateway,
        profile: &ParsedProfile::new(profile, &others),
        fleet_vars: &Strings::from([("fleet".to_owned(), "f".to_owned())]),
        repository: &"plant".parse().unwrap(),
        release: &Release::new("branch main", GitId([7; 20])),
        member: Member::Single,
    };
    render_spec(&inputs).unwrap()
}

fn render(tree: &Tree, yaml: &str) -> Result<Rendered, RenderError> {
    let spec = spec_of(&profile(yaml), &gateway("Line-7"), &[]);
    Engine::default().render(&spec, tree)
}

fn paths(rendered: &Rendered) -> Vec<String> {
    rendered.manifest.files().map(|file| file.path.to_string()).collect()
}

const CONFIG: &str = "{\n  \"systemName\": \"x\",\n  \"port\": 8088\n}";

/// A `resource.json` for some files, signed.
pub(crate) fn resource(form: Form, files: &[(&str, &str)]) -> String {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let plain = serde_json::json!({
        "scope": "A", "version": 1, "files": names,
        "attributes": {
            "lastModification": {"actor": "admin", "timestamp": "2025-01-01T00:00:00Z"},
            "lastModificationSignature": "", "uuid": "u",
        },
    })
    .to_string();
    let parsed = ResourceJson::parse(&plain).unwrap();
    let payload = |name: &str| {
        files
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, c)| std::borrow::Cow::Borrowed(c.as_bytes()))
    };
    let signed = compute(&parsed, form, &payload).unwrap();
    plain.replace(
        "\"lastModificationSignature\":\"\"",
        &format!("\"lastModificationSignature\":\"{signed}\""),
    )
}

#[test]
fn mappings_place_filter_and_overlay() {
    let tree = Tree::default()
        .with("shared/a.json", "1")
        .with("shared/b/c.png", "2")
        .with("shared/.git/config", "x")
        .with("site/north/a.json", "3")
        .with("one.txt", "4");
    let rendered = render(
        &tree,
        "  mappings:
    - {source: shared, destination: projects/p}
    - {source: 'site/{{.Site}}', destination: 'projects/p', type: dir}
    - {source: one.txt, destination: 'projects/{{.GatewayName}}/', type: file}
    - {source: none, destination: projects/q, required: false}
    - {source: shared, destination: projects/r, when: 'role=area', include: ['**/*.png']}
    - {source: shared, destination: projects/s, when: 'role!=area'}
    - {source: shared, destination: projects/t, exclude: ['b/**']}
  excludePatterns: ['**/t/x*']
",
    )
    .unwrap();
    assert_eq!(
        paths(&rendered),
        [
            "projects/Line-7/one.txt",
            "projects/p/a.json",
            "projects/p/b/c.png",
            "projects/r/b/c.png",
            "projects/t/a.json"
        ]
    );
    let path = ManagedPath::parse("projects/p/a.json").unwrap();
    assert_eq!(rendered.manifest.get(&path).unwrap().digest, Digest::of(b"3"));
    assert_eq!(
        rendered.warnings,
        [Warning("projects/p/a.json: mappings[1] of area overlays mappings[0] of area".into())]
    );
    assert_eq!(*tree.reads.borrow(), 0, "no content is read without a rule");
}

#[test]
fn what_cannot_be_mapped_is_refused_by_name() {
    let tree = || Tree::default().with("a/x.json", "{}").with("a/big", "12345");
    let all = "  mappings: [{source: a, destination: projects/p}]\n";
    for (tree, yaml, message) in [
        (tree().kind("a/big", FileKind::Link), all, "a/big is a symbolic link: refused"),
        (tree().kind("a/big", FileKind::Submodule), all, "a/big is a submodule: refused"),
        (tree().kind("a/big", FileKind::LfsPointer), all, "a/big is a Git LFS pointer"),
        (
            tree(),
            "  mappings: [{source: b, destination: projects/p}]\n",
            "mappings[0] of area: source \"b\" has no file",
        ),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p, type: file}]\n",
            "source \"a\" is a directory, not a file",
        ),
        (
            tree(),
            "  mappings: [{source: a/big, destination: projects/p, type: dir}]\n",
            "source \"a/big\" is a file, not a directory",
        ),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p, maxSize: 4}]\n",
            "a/big has 5 bytes, more than maxSize 4",
        ),
        (tree(), "  mappings: [{source: a, destination: db/p}]\n", "db/p is never touched"),
        (
            tree(),
            "  mappings: [{source: a, destination: config/resources/external}]\n",
            "is refused unless spec.allow",
        ),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p}]\n  limits: {maxFiles: 1}\n",
            "2 files, more than limits.maxFiles 1",
        ),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p}]\n  limits: {maxTotalSize: 6B}\n",
            "7 bytes in all",
        ),
        (tree().with("a/X.json", ""), all, "differ only in case"),
        (tree().with("a/con", ""), all, "device name on Windows"),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p}]\n  normalize: [{files: '**/x.json', set: {.none: 1}}]\n",
            "projects/p/x.json: normalize[0]: .none does not exist",
        ),
        (
            tree(),
            "  mappings: [{source: a, destination: projects/p}]\n  normalize: [{jq: '.a |'}]\n",
            "normalize[0]: jq expression, line 1, column 5",
        ),
    ] {
        let error = render(&tree, yaml).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
    let bad = |yaml: &str| {
        let gateway = gateway("Line-7");
        let profile = profile(yaml);
        let inputs = Inputs {
            gateway: &gateway,
            profile: &ParsedProfile::new(&profile, &[]),
            fleet_vars: &Strings::new(),
            repository: &"plant".parse().unwrap(),
            release: &Release::new("", GitId([7; 20])),
            member: Member::Single,
        };
        render_spec(&inputs).unwrap_err().to_string()
    };
    for (yaml, message) in [
        (
            "  mappings: [{source: '{{.Sitte}}', destination: a}]\n",
            "profile area, mappings[0].source: line 1, column 3: unknown key .Sitte, did you mean .Site?",
        ),
        (
            "  mappings: [{source: a, destination: ../b}]\n",
            "mappings[0].destination: path \"../b\" is refused",
        ),
        (
            "  mappings: [{source: ../a, destination: b}]\n",
            "\"../a\" is no path below the repository's root",
        ),
        (
            "  mappings: [{source: a, destination: b}]\n  normalize: [{set: {.a: '{{.Vars.no}}'}}]\n",
            "normalize[0]: set .a: line 1, column 8",
        ),
    ] {
        assert!(bad(yaml).contains(message), "{}", bad(yaml));
    }
}

#[test]
fn two_gateways_differ_in_their_normalised_fields_only() {
    let nested = "{\n  \"a\": {\n    \"systemName\": \"y\"\n  },\n  \"other\": 1.0E10\n}";
    let tree = Tree::default()
        .with("s/config.json", CONFIG)
        .with("s/deep/er/config.json", nested)
        .with("s/view.json", CONFIG);
    let yaml = "  mappings: [{source: s, destination: config/resources/core/m}]
  normalize:
    - set: {.systemName: '{{.Vars.siteNumber}}-{{.GatewayName}}', .a.systemName: '{{.GatewayName}}'}
      create: false
";
    let profile = profile(yaml);
    let mut engine = Engine::default();
    let mut one =
        |name: &str| engine.render(&spec_of(&profile, &gateway(name), &[]), &tree).unwrap();
    let (a, b) = (one("Line-1"), one("Line-2"));
    let delta = b.manifest.diff(&a.manifest);
    let changed: Vec<_> = delta.upserted.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        changed,
        ["config/resources/core/m/config.json", "config/resources/core/m/deep/er/config.json"]
    );
    let text = |rendered: &Rendered, at: usize| {
        let digest = delta.upserted[at].path.clone();
        let entry = rendered.manifest.get(&digest).unwrap();
        let made = rendered.made.values().find(|made| made.node.digest == entry.digest).unwrap();
        String::from_utf8(made.content.to_vec()).unwrap()
    };
    assert_eq!(text(&a, 0), CONFIG.replace("\"x\"", "\"12-Line-1\""));
    assert_eq!(text(&b, 0), CONFIG.replace("\"x\"", "\"12-Line-2\""));
    assert_eq!(text(&b, 1), nested.replace("\"y\"", "\"Line-2\""));
    assert_eq!(*tree.reads.borrow(), 2, "shared contents are read once");
}

#[test]
fn a_changed_resource_is_signed_in_its_own_form() {
    for form in [Form::V81, Form::V83] {
        let json = resource(form, &[("config.json", CONFIG), ("b.bin", "bin")]);
        let tree = Tree::default()
            .with("s/r/config.json", CONFIG)
            .with("s/r/b.bin", "bin")
            .with("s/r/resource.json", &json)
            .with("s/q/config.json", "{\"systemName\":\"Line-7\"}")
            .with("s/q/resource.json", "not even looked at");
        let rendered = render(
            &tree,
            "  mappings: [{source: s, destination: config/resources/core/m/t}]
  normalize: [{set: {.systemName: '{{.GatewayName}}'}}]
",
        )
        .unwrap();
        assert_eq!(rendered.made.len(), 2);
        let made = |needle: &str| {
            let text = |made: &Arc<Made>| String::from_utf8(made.content.to_vec()).unwrap();
            rendered.made.values().map(text).find(|text| text.contains(needle)).unwrap()
        };
        let (config, stamped) = (made("port"), made("scope"));
        assert!(
            stamped.contains("\"actor\":\"millwright\",\"timestamp\":\"2026-01-02T03:04:05Z\""),
            "{stamped}"
        );
        let resource = ResourceJson::parse(&stamped).unwrap();
        let payload = |name: &str| match name {
            "config.json" => Some(std::borrow::Cow::Owned(config.clone().into_bytes())),
            _ => Some(std::borrow::Cow::Borrowed(&b"bin"[..])),
        };
        assert_eq!(verify(&resource, &payload), Verdict::Valid(form));
    }
}

#[test]
fn signatures_that_were_invalid_follow_the_policy() {
    let json = resource(Form::V83, &[("config.json", "other")]);
    let tree = Tree::default().with("s/r/config.json", CONFIG).with("s/r/resource.json", &json);
    for (policy, made, signed) in [("repair", 2, true), ("strip", 2, false), ("keep", 1, true)] {
        let yaml = format!(
            "  mappings: [{{source: s, destination: config/resources/core/m/t}}]
  normalize: [{{set: {{.systemName: z}}}}]
  signatures: {policy}
"
        );
        let rendered = render(&tree, &yaml).unwrap();
        assert_eq!(rendered.made.len(), made, "{policy}");
        let text =
            rendered.made.values().map(|made| String::from_utf8(made.content.to_vec()).unwrap());
        let stamped = text.into_iter().find(|text| text.contains("scope")).unwrap_or(json.clone());
        assert_eq!(stamped.contains("lastModificationSignature"), signed, "{policy}");
    }
}

/// The one `resource.json` that a render made, and what it is worth with these files.
fn stamped(rendered: &Rendered, files: &[(&str, &str)]) -> Verdict {
    let path = rendered.made.keys().find(|path| path.file_name() == "resource.json").unwrap();
    let text = String::from_utf8(rendered.made[path].content.to_vec()).unwrap();
    let payload = |name: &str| {
        let found = files.iter().find(|(known, _)| *known == name)?;
        Some(std::borrow::Cow::Borrowed(found.1.as_bytes()))
    };
    verify(&ResourceJson::parse(&text).unwrap(), &payload)
}

#[test]
fn an_overlay_of_one_file_of_a_resource_is_signed() {
    for form in [Form::V81, Form::V83] {
        for policy in ["repair", "keep", "strip"] {
            let json = resource(form, &[("config.json", CONFIG), ("b", "b")]);
            let tree = Tree::default()
                .with("s/r/config.json", CONFIG)
                .with("s/r/b", "b")
                .with("s/r/resource.json", &json)
                .with("o/r/config.json", "{}");
            let yaml = format!(
                "  mappings:
    - {{source: s, destination: config/resources/core/m/t}}
    - {{source: o, destination: config/resources/core/m/t}}
  signatures: {policy}
"
            );
            let rendered = render(&tree, &yaml).unwrap();
            assert_eq!(rendered.made.len(), 1);
            let worth = stamped(&rendered, &[("config.json", "{}"), ("b", "b")]);
            assert_eq!(worth, Verdict::Valid(form), "{policy}");
        }
    }
}

#[test]
fn a_signature_over_what_mappings_put_together_is_good_too() {
    let json = resource(Form::V81, &[("config.json", CONFIG), ("b", "b")]);
    let tree = Tree::default()
        .with("s/r/config.json", CONFIG)
        .with("s/r/resource.json", "{}")
        .with("o/r/b", "b")
        .with("o/r/resource.json", &json);
    let yaml = "  mappings:
    - {source: s, destination: projects/p}
    - {source: o, destination: projects/p}
";
    assert!(render(&tree, yaml).unwrap().made.is_empty());
    let ruled = format!("{yaml}  normalize: [{{set: {{.port: 1}}}}]\n");
    let now = CONFIG.replace("8088", "1");
    let worth = stamped(&render(&tree, &ruled).unwrap(), &[("config.json", &now), ("b", "b")]);
    assert_eq!(worth, Verdict::Valid(Form::V81));
}

#[test]
fn a_stale_signature_gets_the_form_of_its_neighbours() {
    let stale = resource(Form::V83, &[("config.json", "other")]);
    let yaml = "  mappings: [{source: s, destination: projects/p}]
  normalize: [{files: 'projects/p/r/config.json', set: {.port: 1}}]
";
    let now = CONFIG.replace("8088", "1");
    let spec = spec_of(&profile(yaml), &gateway("Line-7"), &[]);
    let mut warm = Engine::default();
    for (at, (form, expected)) in
        [(Some(Form::V81), Form::V81), (Some(Form::V83), Form::V83), (None, Form::V83)]
            .into_iter()
            .enumerate()
    {
        let mut tree = Tree::default()
            .with("s/r/config.json", CONFIG)
            .with("s/r/resource.json", &stale)
            .with("s/a/resource.json", "no JSON")
            .with("s/b/resource.json", resource(Form::V83, &[]));
        if let Some(form) = form {
            tree = tree
                .with("s/z/view.json", "{}")
                .with("s/z/resource.json", resource(form, &[("view.json", "{}")]));
        }
        let mut spec = spec.clone();
        spec.commit = GitId([u8::try_from(at).unwrap(); 20]);
        let cold = Engine::default().render(&spec, &tree).unwrap();
        assert_eq!(stamped(&cold, &[("config.json", &now)]), Verdict::Valid(expected));
        let warm = warm.render(&spec, &tree).unwrap();
        assert_eq!(warm.manifest.digest(), cold.manifest.digest());
    }
}

#[test]
fn a_pattern_must_not_leave_out_what_a_resource_lists() {
    let view = resource(Form::V83, &[("view.json", "{}"), ("thumbnail.png", "p")]);
    let tree = Tree::default()
        .with("p/v/view.json", "{}")
        .with("p/v/thumbnail.png", "p")
        .with("p/v/notes.md", "n")
        .with("p/v/resource.json", &view)
        .with("o/thumbnail.png", "q");
    let map = "  mappings:\n    - {source: p, destination: projects/p";
    for (rest, refused) in [
        (", exclude: ['**/thumbnail.png']}", true),
        (", include: ['**/*.json']}", true),
        ("}\n  excludePatterns: ['**/thumbnail.png']", true),
        (", exclude: ['**/notes.md']}", false),
        (", exclude: ['v/**']}", false),
        (", exclude: ['**/*.png', '**/resource.json']}", false),
        (", exclude: ['**/*.png']}\n    - {source: o, destination: projects/p/v}", false),
    ] {
        let done = render(&tree, &format!("{map}{rest}\n"));
        match done {
            Err(RenderError::Needed { file, resource }) if refused => {
                assert_eq!(file, "p/v/thumbnail.png");
                assert_eq!(resource.as_str(), "projects/p/v/resource.json");
            }
            other => assert!(!refused && other.is_ok() || rest.contains("v/**"), "{rest}"),
        }
    }
}

#[test]
fn contents_are_templates_where_asked() {
    let tree = Tree::default()
        .with("s/a.txt", "host={{.Vars.host | default \"h\"}} {{.Vars.fleet}} {{.ShortCommit}}")
        .with("s/b.txt", "plain")
        .with("t/c.txt", "{{.Nope}}")
        .with("t/d.png", "\0");
    let yaml = |source: &str| {
        format!("  mappings: [{{source: {source}, destination: projects/p, template: true}}]\n")
    };
    let rendered = render(&tree, &yaml("s")).unwrap();
    assert_eq!(rendered.made.len(), 1);
    assert_eq!(&*rendered.made.values().next().unwrap().content, b"host=h f 07070707");
    assert_eq!(
        render(&tree, &yaml("t/c.txt")).unwrap_err().to_string(),
        "t/c.txt: line 1, column 3: unknown key .Nope"
    );
    assert!(
        render(&tree, &yaml("t/d.png"))
            .unwrap_err()
            .to_string()
            .contains("t/d.png: line 1, column 1: a binary file")
    );
}

#[test]
fn profiles_are_included_and_the_mode_overlays_last() {
    let base = {
        let mut base = profile(
            "  mappings: [{source: a, destination: projects/p}]\n  vars: {who: base, only: base}\n",
        );
        base.metadata.name = "base".parse().unwrap();
        base
    };
    let top = profile(
        "  includeFrom: [base]
  mappings: [{source: b, destination: 'projects/{{.Vars.who}}-{{.Vars.only}}'}]
  deploymentMode: {name: '{{.Labels.area}}', source: m}
  vars: {who: top}
",
    );
    let tree =
        Tree::default().with("a/x", "1").with("b/y", "2").with("m/ignition/z/config.json", "{}");
    let spec = spec_of(&top, &gateway("g"), &[base]);
    let rendered = Engine::default().render(&spec, &tree).unwrap();
    assert_eq!(
        paths(&rendered),
        ["config/resources/packing/ignition/z/config.json", "projects/p/x", "projects/top-base/y"]
    );
    // A spec survives its way through the log.
    let stored = serde_json::to_vec(&spec).unwrap();
    assert_eq!(serde_json::from_slice::<RenderSpec>(&stored).unwrap(), spec);
}

#[test]
fn deletions_beyond_both_bounds_ask() {
    let manifest = |count: usize| {
        let file = |at: usize| millwright_model::manifest::FileEntry {
            path: ManagedPath::parse(&format!("projects/p/{at}")).unwrap(),
            digest: Digest::of(b"x"),
            size: 1,
            mode: 0o644,
        };
        Manifest::new(Vec::new(), (0..count).map(file).collect()).unwrap()
    };
    let policy = MaxDelete::default();
    for (has, shall, asks) in
        [(100, 49, true), (100, 50, false), (1000, 750, false), (1000, 690, true), (10, 0, false)]
    {
        assert_eq!(
            excess(&policy, &manifest(has), &manifest(shall)).is_some(),
            asks,
            "{has} {shall}"
        );
    }
    let shown = excess(&policy, &manifest(100), &manifest(20)).unwrap().to_string();
    assert_eq!(shown, "80 of 100 files (80 %) would be deleted");
}
