//! Rules over files: what they change, and what they refuse.

use millwright_model::{resource::NormalizeRule, template::Vars};

use super::*;

const CONFIG: &str = "{\n  \"systemName\": \"x\",\n  \"port\": 8088,\n  \"big\": 1.0E10,\n  \"note\": \"a \\u003d b\",\n  \"hosts\": [\n    {\n      \"name\": \"h1\"\n    }\n  ]\n}";

fn vars() -> Vars {
    let map = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
    Vars::new("Line-7", "north", &map("area", "packing"), map("siteNumber", "12"))
}

fn rule(json: serde_json::Value) -> NormalizeRule {
    serde_json::from_value(json).unwrap()
}

fn run(json: serde_json::Value, path: &str, content: &str) -> Result<Option<String>, String> {
    let filled = ParsedRule::new(&rule(json)).fill(&vars()).map_err(|e| e.to_string())?;
    let rules = Rules::compile(&[filled], &mut Programs::default())
        .map_err(|(_, error)| error.to_string())?;
    let done = rules.apply(path, content.as_bytes()).map_err(|(_, error)| error.to_string())?;
    Ok(done.map(|bytes| String::from_utf8(bytes).unwrap()))
}

#[test]
fn rules_change_what_they_mean_and_nothing_else() {
    for (json, old, new) in [
        (
            serde_json::json!({"set": {".systemName": "{{.Vars.siteNumber}}-{{.GatewayName}}"}}),
            "\"x\"",
            "\"12-Line-7\"",
        ),
        (serde_json::json!({"set": {".port": "1"}}), "8088", "\"1\""),
        (serde_json::json!({"set": {".port": 1}}), "8088", "1"),
        (serde_json::json!({"set": {".port": "true"}, "asJson": true}), "8088", "true"),
        (serde_json::json!({"set": {".port": "1.50"}, "asJson": true}), "8088", "1.50"),
        (serde_json::json!({"set": {".hosts[0].name": "{{.Site}}"}}), "\"h1\"", "\"north\""),
        (serde_json::json!({"jq": ".systemName = {{quote .Site}}"}), "\"x\"", "\"north\""),
        (serde_json::json!({"jq": ".hosts |= map(.name += \"!\")"}), "\"h1\"", "\"h1!\""),
        (serde_json::json!({"delete": [".port", ".none.x"]}), "  \"port\": 8088,\n", ""),
        (
            serde_json::json!({"set": {".new": {"a": ["{{.Site}}"]}}, "create": true}),
            "\n}",
            ",\n  \"new\": {\n    \"a\": [\n      \"north\"\n    ]\n  }\n}",
        ),
    ] {
        let expected = match CONFIG.rfind(old) {
            Some(at) => format!("{}{new}{}", &CONFIG[..at], &CONFIG[at + old.len()..]),
            None => panic!("{old}"),
        };
        let made = run(json.clone(), "a/b/config.json", CONFIG).unwrap();
        assert_eq!(made.as_deref(), Some(expected.as_str()), "{json}");
    }
}

#[test]
fn other_files_and_equal_values_are_left_alone() {
    let set = serde_json::json!({"set": {".systemName": "x"}});
    assert_eq!(run(set.clone(), "config.json", CONFIG).unwrap(), None);
    assert_eq!(run(set, "view.json", "no json").unwrap(), None);
    let skip = serde_json::json!({"set": {".none": 1}, "create": false});
    assert_eq!(run(skip, "config.json", CONFIG).unwrap(), None);
    assert_eq!(run(serde_json::json!({"jq": "."}), "config.json", CONFIG).unwrap(), None);
}

#[test]
fn a_path_through_another_kind_of_value_is_one_that_is_not_there() {
    let files = "{\n  \"a\": null,\n  \"b\": \"text\",\n  \"c\": 1,\n  \"d\": [],\n  \"e\": {}\n}";
    for path in [".a.x", ".b.x", ".c.x.y", ".d.x", ".e[0]", ".b[0]"] {
        let skip = serde_json::json!({"set": {path: 1}, "create": false});
        assert_eq!(run(skip, "config.json", files).unwrap(), None, "{path}");
        let delete = serde_json::json!({"delete": [path]});
        assert_eq!(run(delete, "config.json", files).unwrap(), None, "{path}");
        let fail = serde_json::json!({"set": {path: 1}});
        assert!(run(fail, "config.json", files).unwrap_err().contains(", not a"), "{path}");
        let create = serde_json::json!({"set": {path: 1}, "create": true});
        let made = run(create, "config.json", files);
        assert_eq!(made.is_ok(), path == ".a.x", "{path}: {made:?}");
    }
    for (path, made) in
        [(".a.x", "{\n    \"x\": 1\n  }"), (".a[0].y", "[\n    {\n      \"y\": 1\n    }\n  ]")]
    {
        let create = serde_json::json!({"set": {path: 1}, "create": true});
        let expected = files.replace("null", made);
        assert_eq!(run(create, "config.json", files).unwrap(), Some(expected));
    }
}

#[test]
fn a_restructuring_is_written_as_the_gateway_writes() {
    let jq = serde_json::json!({"jq": "{big, note}", "files": "**"});
    let made = run(jq, "x.json", "{\"note\":\"a=b\", \"big\": 1.0E10}").unwrap().unwrap();
    assert_eq!(made, "{\n  \"big\": 1.0E10,\n  \"note\": \"a\\u003db\"\n}");
}

#[test]
fn faults_say_what_and_where() {
    for (json, content, message) in [
        (serde_json::json!({"set": {".none": 1}}), CONFIG, ".none does not exist"),
        (serde_json::json!({"set": {".systemNam": 1}}), CONFIG, "did you mean .systemName?"),
        (serde_json::json!({"set": {"a": 1}}), CONFIG, "a path begins with '.'"),
        (serde_json::json!({"set": {".a": 1, ".a.b": 2}}), CONFIG, ".a and .a.b overlap"),
        (serde_json::json!({"set": {".a": "{{.Sitte}}"}}), CONFIG, "set .a: line 1, column 3"),
        (serde_json::json!({"set": {".a": "{"}, "asJson": true}), CONFIG, "asJson: no valid JSON"),
        (serde_json::json!({"jq": ".a |"}), CONFIG, "line 1, column 5"),
        (serde_json::json!({"jq": ".port.x"}), CONFIG, "cannot index a number"),
        (serde_json::json!({"set": {".a": 1}}), "{", "no valid JSON, line 1, column 2"),
    ] {
        let error = run(json.clone(), "config.json", content).unwrap_err();
        assert!(error.contains(message), "{json}: {error}");
    }
    let rule = rule(serde_json::json!({"set": {".a": 1}}));
    let rules = [ParsedRule::new(&rule).fill(&vars()).unwrap()];
    let rules = Rules::compile(&rules, &mut Programs::default()).unwrap();
    assert_eq!(rules.apply("config.json", b"\xff"), Err((0, NormalizeFault::Binary)));
}
