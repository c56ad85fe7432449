//! Rendering the way back gives what a person made.

use std::{cell::RefCell, sync::LazyLock};

use millwright_model::{
    digest::{Digest, GitId},
    resource::{Gateway, SyncProfile},
    template::{Vars, expand},
};
use proptest::prelude::*;

use super::*;
use crate::{
    json_edit::{JsonPath, gson},
    render::tests::{Tree, gateway, profile, resource, spec_of},
    signature::Form,
};

const CONFIG: &str = "{\n  \"systemName\": \"tmpl\",\n  \"gone\": 1.0E10,\n  \"port\": 8088,\n  \"hosts\": [\n    \"h\"\n  ]\n}";
const RULES: &str = "  mappings: [{source: s, destination: config/resources/core/m}]
  normalize: [{set: {.systemName: '{{.GatewayName}}', .made: 1}, delete: [.gone], create: true}]
";

fn back(tree: &Tree, yaml: &str, path: &str, content: Option<&str>) -> Unrendered {
    let spec = spec_of(&profile(yaml), &gateway("Line-7"), &[]);
    let path = ManagedPath::parse(path).unwrap();
    let mut engine = Engine::default();
    engine.unrender(&spec, tree, &path, content.map(str::as_bytes)).unwrap()
}

fn rendered(tree: &Tree, yaml: &str, path: &str) -> String {
    let spec = spec_of(&profile(yaml), &gateway("Line-7"), &[]);
    let path = ManagedPath::parse(path).unwrap();
    let content = Engine::default().content(&spec, tree, &path).unwrap().unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

fn file(unrendered: Unrendered) -> (String, String, bool, Vec<String>) {
    match unrendered {
        Unrendered::File { origin, content, exact, overridden } => {
            (origin, String::from_utf8(content).unwrap(), exact, overridden)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn edits_outside_the_rules_come_back_and_nothing_else() {
    let tree = Tree::default().with("s/config.json", CONFIG);
    let path = "config/resources/core/m/config.json";
    let on_gateway = rendered(&tree, RULES, path);
    assert!(on_gateway.contains("Line-7") && !on_gateway.contains("gone"), "{on_gateway}");
    let (origin, content, exact, _) = file(back(&tree, RULES, path, Some(&on_gateway)));
    assert_eq!((origin.as_str(), content.as_str(), exact), ("s/config.json", CONFIG, true));
    let edited = on_gateway.replace("8088", "9000");
    let (_, content, exact, overridden) = file(back(&tree, RULES, path, Some(&edited)));
    assert_eq!(content, CONFIG.replace("8088", "9000"));
    assert!(exact && overridden.is_empty());
    let edited = on_gateway.replace("Line-7", "mine");
    let (_, content, exact, overridden) = file(back(&tree, RULES, path, Some(&edited)));
    assert_eq!(content, CONFIG.replace("tmpl", "mine"));
    assert_eq!((exact, overridden), (false, vec![".systemName".to_owned()]));
}

#[test]
fn origins_are_found_or_said_to_be_ambiguous() {
    let tree = Tree::default().with("a/x", "1").with("b/y", "2").with("one", "3");
    let yaml = "  mappings:
    - {source: a, destination: projects/p}
    - {source: b, destination: projects/p, include: ['y*', 'z*']}
    - {source: one, destination: projects/q}
    - {source: one, destination: projects/r}
";
    assert_eq!(
        back(&tree, yaml, "projects/p/new", Some("n")),
        Unrendered::File {
            origin: "a/new".into(),
            content: b"n".to_vec(),
            exact: true,
            overridden: vec![]
        }
    );
    assert_eq!(
        back(&tree, yaml, "projects/p/zzz", Some("n")),
        Unrendered::Ambiguous(Ambiguity::Origins(vec!["a/zzz".into(), "b/zzz".into()]))
    );
    assert_eq!(
        back(&tree, yaml, "projects/p/y", None),
        Unrendered::Deleted { origin: "b/y".into() }
    );
    assert_eq!(back(&tree, yaml, "projects/other", Some("n")), Unrendered::Unmapped);
    let Unrendered::Ambiguous(why) = back(&tree, yaml, "projects/q", Some("n")) else { panic!() };
    assert_eq!(why.to_string(), "one is also mapped to projects/r");
}

#[test]
fn a_new_file_is_what_a_render_would_give_back() {
    let tree = Tree::default().with("a/x", "1").with("t/x", "1").with("one", "3");
    let yaml = "  mappings:
    - {source: a, destination: projects/p/, maxSize: 1KiB}
    - {source: t, destination: projects/t, template: true}
    - {source: one, destination: projects/o/}
    - {source: absent, destination: config/resources/core, required: false}
  normalize: [{set: {.made: 1}, create: true}, {files: '**/odd.json', set: {.none: 1}}]
";
    let new = |path: &str, content: &str| back(&tree, yaml, path, Some(content));
    let (origin, content, exact, _) = file(new("projects/p/new", "n"));
    assert_eq!((origin.as_str(), content.as_str(), exact), ("a/new", "n", true));
    assert_eq!(new("projects/o/new", "n"), Unrendered::Unmapped, "its source is one file");
    let (_, content, exact, _) = file(new("projects/t/new", "a {{ b }}"));
    assert_eq!((content.as_str(), exact), ("a {{`{{`}} b }}", true));
    let (_, _, exact, overridden) = file(new("projects/p/config.json", "{\"made\": 2}"));
    assert_eq!((exact, overridden), (false, vec![".made".to_owned()]));
    let (_, _, exact, _) = file(new("projects/p/config.json", "{\"made\": 1}"));
    assert!(exact);
    for (path, content, why) in [
        ("projects/p/new", "n".repeat(1025), "a/new: it has 1025 bytes, more than maxSize 1024"),
        ("projects/p/x.bak", String::new(), "a/x.bak: projects/p/x.bak is never touched"),
        (
            "config/resources/core/ignition/api-token/x/c",
            String::new(),
            "refused unless spec.allow",
        ),
        ("projects/t/new", "a\0".to_owned(), "a binary file"),
        ("projects/p/config.json", "{".to_owned(), "normalize[0]: no valid JSON"),
        ("projects/p/odd.json", "{}".to_owned(), "normalize[1]: .none does not exist"),
    ] {
        let Unrendered::Ambiguous(found) = new(path, &content) else { panic!("{path}") };
        assert!(found.to_string().contains(why), "{found}");
    }
}

#[test]
fn a_file_that_lies_over_another_is_not_simply_deleted() {
    let tree = Tree::default().with("a/x", "1").with("b/x", "2").with("b/y", "3");
    let yaml = "  mappings: [{source: a, destination: projects/p}, {source: b, destination: projects/p}]\n";
    let Unrendered::Ambiguous(why) = back(&tree, yaml, "projects/p/x", None) else { panic!() };
    assert_eq!(why.to_string(), "b/x lies over a/x, which would come in its place");
    let gone = Unrendered::Deleted { origin: "b/y".into() };
    assert_eq!(back(&tree, yaml, "projects/p/y", None), gone);
    let (origin, content, exact, _) = file(back(&tree, yaml, "projects/p/x", Some("4")));
    assert_eq!((origin.as_str(), content.as_str(), exact), ("b/x", "4", true));
}

#[test]
fn a_field_that_a_rule_asks_for_and_a_person_took_out_is_named() {
    let tree = Tree::default().with("s/config.json", CONFIG);
    let yaml = RULES.replace("create: true", "create: error").replace(", .made: 1", "");
    let path = "config/resources/core/m/config.json";
    let on_gateway = rendered(&tree, &yaml, path);
    let without = on_gateway.replace("\"systemName\": \"Line-7\",\n  ", "");
    assert_ne!(without, on_gateway);
    let (_, content, exact, overridden) = file(back(&tree, &yaml, path, Some(&without)));
    assert_eq!((exact, overridden), (false, vec![".systemName".to_owned()]));
    assert!(!content.contains("systemName") && content.contains("gone"), "{content}");
}

#[test]
fn stamps_are_dropped_unless_the_resource_is_the_persons_own() {
    let json = resource(Form::V83, &[("config.json", CONFIG)]);
    let tree = Tree::default().with("s/t/n/config.json", CONFIG).with("s/t/n/resource.json", &json);
    let path = "config/resources/core/m/t/n/resource.json";
    let on_gateway = rendered(&tree, RULES, path);
    assert!(on_gateway.contains("millwright"));
    // The gateway stamped it again.
    let restamped = on_gateway.replace("millwright", "external");
    assert_eq!(file(back(&tree, RULES, path, Some(&restamped))).1, json);
    // A person described it.
    let described = restamped.replace("\"version\"", "\"description\":\"d\",\"version\"");
    let (_, content, exact, _) = file(back(&tree, RULES, path, Some(&described)));
    assert_eq!(content, json.replace("\"version\"", "\"description\":\"d\",\"version\""));
    assert!(exact);
    // Without rules the person's stamp is the true one.
    let plain = "  mappings: [{source: s, destination: config/resources/core/m}]\n";
    let described =
        json.replace("admin", "alice").replace("\"version\"", "\"description\":\"d\",\"version\"");
    assert_eq!(file(back(&tree, plain, path, Some(&described))).1, described);
}

#[test]
fn templates_keep_their_actions() {
    let template = "host={{.Site}}\nport=1\n{{if .Vars.x}}x{{else}}y{{end}}\n";
    let tree = Tree::default().with("s/a.txt", template);
    let yaml = "  mappings: [{source: s, destination: projects/p, template: true}]\n";
    let path = "projects/p/a.txt";
    assert_eq!(rendered(&tree, yaml, path), "host=north\nport=1\ny\n");
    let edited = "# {{ new }}\nhost=north!\nport=22\ny\nend\n";
    let (_, content, exact, _) = file(back(&tree, yaml, path, Some(edited)));
    assert_eq!(
        content,
        "# {{`{{`}} new }}\nhost={{.Site}}!\nport=22\n{{if .Vars.x}}x{{else}}y{{end}}\nend\n"
    );
    assert!(exact);
    let Unrendered::Ambiguous(why) = back(&tree, yaml, path, Some("host=south\nport=1\ny\n"))
    else {
        panic!()
    };
    assert_eq!(why.to_string(), "s/a.txt: the change touches what the template at byte 7 made");
    let broken = "  mappings: [{source: s, destination: projects/p}]\n  normalize: [{files: '**', set: {.a: 1}, create: false}]\n";
    let tree = Tree::default().with("s/a.txt", "{\"a\":0}");
    let Unrendered::Ambiguous(why) = back(&tree, broken, path, Some("{")) else { panic!() };
    assert!(why.to_string().starts_with("s/a.txt: no valid JSON"), "{why}");
}

static FLAT: LazyLock<SyncProfile> = LazyLock::new(|| {
    profile(
        "  mappings: [{source: s, destination: projects/p}]
  normalize: [{files: '**', set: {.n1: '{{.Site}}', .n2: [1]}, delete: [.d]}]
",
    )
});
static NESTED: LazyLock<SyncProfile> = LazyLock::new(|| {
    profile(
        "  mappings: [{source: s, destination: projects/p}]
  normalize: [{files: '**', jq: '.n.n1 = {{quote .Site}} | .n.n2 = [1]', delete: [.n.d]}]
",
    )
});
static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| gateway("Line-7"));

thread_local! {
    /// One for all cases: compiled expressions are kept, layers told apart by their commit.
    static ENGINE: RefCell<Engine> = RefCell::default();
}

/// The gateway's bytes of a repository of one file, and what comes back for some bytes.
fn through<T>(
    yaml: &SyncProfile,
    file: &str,
    work: impl FnOnce(&mut Engine, &RenderSpec, &Tree, &ManagedPath) -> T,
) -> T {
    let tree = Tree::default().with("s/x.json", file);
    let mut spec = spec_of(yaml, &GATEWAY, &[]);
    spec.commit = GitId::from_slice(&Digest::of(file.as_bytes()).as_bytes()[..20]).unwrap();
    let path = ManagedPath::parse("projects/p/x.json").unwrap();
    ENGINE.with_borrow_mut(|engine| work(engine, &spec, &tree, &path))
}

fn text_of(engine: &mut Engine, spec: &RenderSpec, tree: &Tree, path: &ManagedPath) -> String {
    let content = engine.content(spec, tree, path).unwrap().unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "[1-9][0-9]{0,20}|1\\.0E10".prop_map(Json::Number),
        "[a-z<=' é]{0,5}".prop_map(Json::String),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            proptest::collection::btree_map("[p-s]", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// An object whose members `n1`, `n2` and `d` are the rules', and the others a person's.
fn members(prefix: &'static str) -> impl Strategy<Value = Vec<(String, Json)>> {
    proptest::collection::btree_map("[a-c]", value(), 0..4).prop_map(move |map| {
        map.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn rendering_the_way_back_gives_the_gateways_bytes(
        ours in members("f"), edited in members("f"), one in leaf(), two in value(), gone in value(),
        at in 0_usize..4, nested in any::<bool>(),
    ) {
        let place = |mut all: Vec<(String, Json)>, new: Vec<(&str, Json)>| {
            for (key, value) in new {
                all.insert(at.min(all.len()), (key.to_owned(), value));
            }
            if nested { Json::Object(vec![("n".to_owned(), Json::Object(all))]) } else { Json::Object(all) }
        };
        let base = gson(&place(ours.clone(), vec![("n1", one), ("d", gone), ("n2", two)]));
        let yaml: &SyncProfile = if nested { &NESTED } else { &FLAT };
        let on_gateway = through(yaml, &base, text_of);
        // The person's edit: other members of theirs, the rules' fields as rendered.
        let document = Document::parse(&on_gateway).unwrap();
        let keep = |value: &Json| match value {
            Json::Object(all) => Json::Object({
                let theirs: Vec<_> = all.iter().filter(|(key, _)| key.starts_with('n')).cloned().collect();
                let mut made = edited.clone();
                made.splice(0..0, theirs);
                made
            }),
            other => other.clone(),
        };
        let whole = document.value(document.root()).unwrap();
        let new = match (&whole, nested) {
            (Json::Object(outer), true) => Json::Object(vec![("n".to_owned(), keep(&outer[0].1))]),
            (whole, _) => keep(whole),
        };
        // Written by the gateway, so in its order of members where it kept them.
        let x = rewrite(&document, &new);
        let unrendered = through(yaml, &base, |engine, spec, tree, path| {
            engine.unrender(spec, tree, path, Some(x.as_bytes())).unwrap()
        });
        let (_, content, exact, overridden) = file(unrendered);
        prop_assert!(exact && overridden.is_empty(), "{overridden:?}\n{base}\n{x}\n{content}");
        prop_assert_eq!(through(yaml, &content, text_of), x);
    }

    #[test]
    fn literal_edits_of_a_template_come_back(
        lines in proptest::collection::vec("(a|b|\\{\\{\\.Site\\}\\}|c \\{\\{upper \\.Site\\}\\} d){1,2}", 1..6),
        inserted in "[x-z{} ]{0,6}", line in any::<prop::sample::Index>(),
    ) {
        let template = lines.join("\n");
        let labels = std::collections::BTreeMap::new();
        let vars = Vars::new("g", "north", &labels, labels.clone());
        let old = expand(&template, &vars).unwrap();
        let mut new: Vec<String> = old.split('\n').map(str::to_owned).collect();
        let at = line.index(new.len() + 1);
        new.insert(at, inserted);
        let new = new.join("\n");
        if let Ok(back) = unexpand(template.as_bytes(), new.as_bytes(), &vars) {
            let back = String::from_utf8(back).unwrap();
            prop_assert_eq!(&*expand(&back, &vars).unwrap(), new.as_str());
        }
    }
}

#[test]
fn paths_of_overridden_fields_are_jq_paths() {
    let at = |text: &str| text.parse::<JsonPath>().unwrap().to_string();
    let json = |text: &str| parsed(text.as_bytes()).ok().unwrap();
    let (base, rendered) = (json("{\"a b\":[{\"x\":1}]}"), json("{\"a b\":[{\"x\":2}]}"));
    let gateway = json("{\"a b\":[{\"x\":3}]}");
    let (_, overridden) = merge(&base, &rendered, &gateway, Order::Git);
    assert_eq!(overridden, [at(".\"a b\"[0].x")]);
}
