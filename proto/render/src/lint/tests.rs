//! A repository with one mistake of each kind, and a clean one.

use super::*;
use crate::{
    render::{
        FileKind,
        tests::{Tree, resource},
    },
    signature::Form,
};

const CONFIG: &str = "{\n  \"systemName\": \"x\"\n}";

const GOOD: &str = "\
apiVersion: millwright.dev/v1
kind: Repository
metadata: {name: plant}
spec: {url: 'https://git.example/plant.git', ref: {branch: main}}
---
apiVersion: millwright.dev/v1
kind: Fleet
metadata: {name: all}
spec: {repository: plant, vars: {company: acme}}
---
apiVersion: millwright.dev/v1
kind: Gateway
metadata: {name: Line-7, labels: {area: packing}}
spec: {site: north, profile: area}
---
apiVersion: millwright.dev/v1
kind: SyncProfile
metadata: {name: area}
spec:
  mappings:
    - {source: core, destination: config/resources/core}
    - {source: texts, destination: projects/p/texts, template: true, required: false}
  normalize:
    - {set: {.systemName: '{{.GatewayName}}'}, create: false}
";

fn good() -> Tree {
    let json = resource(Form::V83, &[("config.json", CONFIG)]);
    Tree::default()
        .with("core/ignition/database-connection/DB/config.json", CONFIG)
        .with("core/ignition/database-connection/DB/resource.json", json)
        .with("core/ignition/notes/readme.txt", "x")
        .with("texts/a.txt", "{{.Vars.company}}")
}

fn run(yaml: &str, tree: &Tree) -> Vec<String> {
    let report = lint(&[("fleet.yaml".to_owned(), yaml.to_owned())], tree);
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_clean_repository_has_no_findings() {
    let report = lint(&[("fleet.yaml".to_owned(), GOOD.to_owned())], &good());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.resources, report.gateways, report.files), (4, 1, 4));
    assert!(!report.has_errors());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one mistake per line")]
fn each_planted_mistake_is_found_and_nothing_else() {
    let db = "core/ignition/database-connection/DB";
    let unsigned = resource(Form::V83, &[("config.json", "{}")]);
    let no_uuid = resource(Form::V83, &[("config.json", CONFIG)]).replace(",\"uuid\":\"u\"", "");
    let listed = "{\"files\":[\"config.json\",\"gone.bin\"],\"attributes\":{\"uuid\":\"u\"}}";
    let cases: Vec<(String, Tree, &str)> = vec![
        (
            GOOD.replace("profile: area}", "profile: area, pause: true}"),
            good(),
            "error[schema]: spec.pause: unknown field, did you mean \"paused\"?",
        ),
        (
            GOOD.replace("profile: area", "profile: aera"),
            good(),
            "fleet.yaml: error[reference]: Gateway Line-7: there is no SyncProfile aera, did you mean area?",
        ),
        (
            GOOD.replace("repository: plant", "repository: plants"),
            good(),
            "fleet.yaml: error[reference]: Fleet all: there is no Repository plants",
        ),
        (
            GOOD.replace("'{{.GatewayName}}'", "'{{.GatewayName'"),
            good(),
            "fleet.yaml: error[template]: for gateway Line-7: profile area, normalize[0]: set .systemName: line 1, column 1",
        ),
        (
            GOOD.replace("{{.GatewayName}}", "{{.Vars.nope}}"),
            good(),
            "fleet.yaml: error[unknown-var]: for gateway Line-7: profile area, normalize[0]",
        ),
        (
            GOOD.to_owned(),
            good().with("texts/b.txt", "a\n{{.Vars.compani}}"),
            "texts/b.txt:2:8: error[unknown-var]: line 2, column 8: unknown key .Vars.compani, did you mean .Vars.company?",
        ),
        (
            GOOD.replace("source: core", "source: cores"),
            good(),
            "fleet.yaml: error[source]: mappings[0] of area: source \"cores\" has no file",
        ),
        (
            GOOD.replace("create: false", "jq: '.a.b.c = (1 / 0 | .x)'"),
            good(),
            "DB/config.json: error[normalize]: normalize[0]: jq expression",
        ),
        (
            GOOD.replace("config/resources/core}", "config/local}"),
            good(),
            "fleet.yaml: error[never-touch]: mappings[0] of area: config/local is never touched",
        ),
        (
            GOOD.to_owned(),
            good().with("core/ignition/x.bak", ""),
            "core/ignition/x.bak: error[never-touch]",
        ),
        (
            GOOD.to_owned(),
            good().with("core/ignition/user-source/u.txt", "{}"),
            "u.txt: error[not-allowed]",
        ),
        (GOOD.to_owned(), good().with("core/aux.txt", ""), "core/aux.txt: error[name]: path"),
        (
            GOOD.to_owned(),
            good().with("core/Ignition/notes/readme.txt", ""),
            "error[collision]: config/resources/core/Ignition and config/resources/core/ignition differ",
        ),
        (
            GOOD.to_owned(),
            good()
                .with("core/ignition/Notes/more.txt", "")
                .with("core/ignition/Notes/other.txt", ""),
            "core/ignition/notes/readme.txt: error[collision]: config/resources/core/ignition/Notes and config/resources/core/ignition/notes differ",
        ),
        (
            GOOD.replace(
                "required: false}",
                "required: false}\n    - {source: over, destination: config/resources/core}",
            ),
            good().with("over/ignition/notes", "y"),
            "readme.txt: error[collision]: config/resources/core/ignition/notes is a file, but config/resources/core/ignition/notes/readme.txt lies below it",
        ),
        (
            GOOD.to_owned(),
            good().with("core/ignition/-notes/readme.txt", ""),
            "core/ignition/-notes/readme.txt: error[name]: config/resources/core/ignition/-notes/readme.txt: no name of Ignition begins with a hyphen",
        ),
        (
            GOOD.replace("set: {.systemName", "files: projects/p/texts/a.txt, set: {.systemName"),
            good().with("texts/a.txt", "{ x"),
            "texts/a.txt: error[normalize]: normalize[0]: no valid JSON",
        ),
        (
            GOOD.to_owned(),
            good().with("core/ignition/notes/config.json", "{\"a\": {{.Site}}}"),
            "notes/config.json: error[normalize]: normalize[0]: no valid JSON",
        ),
        (
            GOOD.replace(
                "destination: config/resources/core}",
                "destination: config/resources/core, maxSize: 1KiB}",
            ),
            good().with("core/big", vec![0; 1025]),
            "core/big: error[oversize]: 1025 bytes, more than maxSize 1024",
        ),
        (
            GOOD.to_owned(),
            good().with("core/link", "x").kind("core/link", FileKind::Link),
            "core/link: error[unmappable]: a symbolic link",
        ),
        (
            GOOD.to_owned(),
            good().with("core/p", "x").kind("core/p", FileKind::LfsPointer),
            "core/p: error[unmappable]: a Git LFS pointer",
        ),
        (
            GOOD.to_owned(),
            good().with("core/v.json", "{\n  \"a\": 1,\n}"),
            "core/v.json:3:1: error[json]: a key in quotes was expected",
        ),
        (
            GOOD.to_owned(),
            good().with("core/m/t/n/resource.json", "{\"files\":1}"),
            "core/m/t/n/resource.json: error[resource-json]",
        ),
        (
            GOOD.to_owned(),
            good().with(
                &format!("{db}/resource.json"),
                no_uuid.replace("lastModificationSignature", "x"),
            ),
            "DB/resource.json: error[uuid]: attributes.uuid is missing",
        ),
        (
            GOOD.to_owned(),
            good().with(&format!("{db}/resource.json"), unsigned),
            "DB/resource.json: warning[signature]",
        ),
        (
            GOOD.to_owned(),
            good().with(&format!("{db}/resource.json"), listed),
            "DB/resource.json: error[missing-file]: it lists \"gone.bin\"",
        ),
        (
            GOOD.to_owned(),
            good().with(&format!("{db}/more.bin"), "x"),
            "DB/more.bin: warning[unlisted-file]",
        ),
        (
            GOOD.replace(
                "required: false}",
                "required: false}\n    - {source: over, destination: config/resources/core}",
            ),
            good().with("over/ignition/notes/readme.txt", "y"),
            "over/ignition/notes/readme.txt: warning[overlap]: config/resources/core/ignition/notes/readme.txt: mappings[2] of area overlays",
        ),
        (
            format!(
                "{GOOD}---\napiVersion: millwright.dev/v1\nkind: SyncProfile\nmetadata: {{name: spare}}\nspec: {{mappings: [{{source: a, destination: b}}]}}\n"
            ),
            good(),
            "fleet.yaml: warning[unused]: SyncProfile spare",
        ),
    ];
    for (yaml, tree, expected) in &cases {
        let found = run(yaml, tree);
        // A gateway whose profile is misspelled leaves that profile unused: one mistake, two traces.
        let rest: Vec<_> = found
            .iter()
            .filter(|line| !line.contains("warning[unused]: SyncProfile area"))
            .collect();
        assert_eq!(rest.len(), 1, "{expected}:\n{}", found.join("\n"));
        assert!(rest[0].contains(expected), "{expected}:\n{}", found.join("\n"));
    }
    let rules: BTreeSet<String> = cases
        .iter()
        .map(|(_, _, expected)| {
            expected
                .split('[')
                .nth(1)
                .unwrap_or_default()
                .split(']')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert!(rules.len() >= 15, "{rules:?}");
}

#[test]
fn one_file_of_a_resource_from_another_mapping_is_no_mistake_of_its_signature() {
    let yaml = GOOD.replace(
        "required: false}",
        "required: false}\n    - {source: over, destination: config/resources/core}",
    );
    let tree = good().with("over/ignition/database-connection/DB/config.json", "{}");
    let found = run(&yaml, &tree);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("warning[overlap]"), "{found:?}");
    // One that fitted nothing before still fits nothing.
    let bad = resource(Form::V83, &[("config.json", "other")]);
    let found = run(&yaml, &tree.with("core/ignition/database-connection/DB/resource.json", bad));
    assert!(found.iter().any(|line| line.contains("warning[signature]")), "{found:?}");
}

#[test]
fn many_mistakes_in_one_repository_are_all_found_and_nothing_else() {
    let yaml = GOOD
        .replace("repository: plant,", "repository: plants,")
        .replace("config/resources/core}", "config/resources/core, maxSize: 1KiB}")
        .replace(
            "required: false}",
            "required: false}\n    - {source: over, destination: config/resources/core}",
        )
        .replace("create: false}", "create: false}\n    - {files: '**/odd.json', set: {.none: 1}}");
    let yaml = format!(
        "{yaml}---\napiVersion: millwright.dev/v1\nkind: SyncProfile\nmetadata: {{name: spare}}\nspec: {{mappings: [{{source: a, destination: b}}]}}\n"
    );
    let db = "core/ignition/database-connection";
    let stale = resource(Form::V83, &[("config.json", "other")]);
    let gone = "{\"files\":[\"gone.bin\"],\"attributes\":{\"uuid\":\"u\"}}";
    let tree = good()
        .with("texts/b.txt", "{{.Vars.compani}}")
        .with("core/ignition/x.bak", "")
        .with("core/ignition/user-source/u.txt", "")
        .with("core/aux.txt", "")
        .with("core/-x.txt", "")
        .with("core/ignition/Notes/more.txt", "")
        .with("core/big", vec![0; 1025])
        .with("core/link", "x")
        .kind("core/link", FileKind::Link)
        .with("core/v.json", "{\n  \"a\": 1,\n}")
        .with("core/m/t/n/resource.json", "{\"files\":1}")
        .with(&format!("{db}/Gone/resource.json"), gone)
        .with(&format!("{db}/Bare/resource.json"), "{\"files\":[],\"attributes\":{}}")
        .with(&format!("{db}/DB/more.bin"), "x")
        .with(&format!("{db}/Stale/config.json"), "{}")
        .with(&format!("{db}/Stale/resource.json"), stale)
        .with("core/ignition/odd.json", "{}")
        .with("over/ignition/odd.txt", "1")
        .with("core/ignition/odd.txt", "2");
    let found = run(&yaml, &tree);
    let expected = [
        "fleet.yaml: error[reference]: Fleet all",
        "fleet.yaml: warning[unused]: SyncProfile spare",
        "texts/b.txt:1:8: error[unknown-var]",
        "x.bak: error[never-touch]",
        "u.txt: error[not-allowed]",
        "core/aux.txt: error[name]",
        "core/-x.txt: error[name]",
        "readme.txt: error[collision]",
        "core/big: error[oversize]",
        "core/link: error[unmappable]",
        "core/v.json:3:1: error[json]",
        "core/m/t/n/resource.json: error[resource-json]",
        "Gone/resource.json: error[missing-file]",
        "Bare/resource.json: error[uuid]",
        "DB/more.bin: warning[unlisted-file]",
        "Stale/resource.json: warning[signature]",
        "core/ignition/odd.json: error[normalize]",
        "over/ignition/odd.txt: warning[overlap]",
    ];
    for line in expected {
        let same = found.iter().filter(|found| found.contains(line)).count();
        assert_eq!(same, 1, "{line}:\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
}

#[test]
fn mistakes_are_found_together() {
    let tree = good()
        .with("core/aux.txt", "")
        .with("core/v.json", "{")
        .with("core/link", "x")
        .kind("core/link", FileKind::Link);
    assert_eq!(run(GOOD, &tree).len(), 3);
}
