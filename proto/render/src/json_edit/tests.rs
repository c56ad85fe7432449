//! Edits keep every byte that they do not mean.

use proptest::prelude::*;

use super::*;

const CONFIG: &str = "{\n  \"a\": {\n    \"b\": [\n      1.0E10,\n      12345678901234567890123\n    ],\n    \"x y\": \"p \\u003d q\"\n  },\n  \"e\": [],\n  \"o\": {},\n  \"last\": null\n}";

fn path(text: &str) -> JsonPath {
    text.parse().unwrap()
}

fn set(text: &str, at: &str, value: &Json, missing: Missing) -> Result<String, EditFault> {
    let mut editor = Editor::new(text)?;
    editor.set(&path(at), value, missing)?;
    Ok(editor.finish().into_owned())
}

fn text(value: &str) -> Json {
    Json::String(value.to_owned())
}

#[test]
fn a_set_changes_its_own_bytes_only() {
    for (at, value, old, new) in [
        (".a.b[0]", Json::Number("2".into()), "1.0E10", "2"),
        (".a.b[-1]", Json::Bool(true), "12345678901234567890123", "true"),
        (".a.\"x y\"", text("it's <b>"), "\"p \\u003d q\"", "\"it\\u0027s \\u003cb\\u003e\""),
        (".a[\"x y\"]", Json::Null, "\"p \\u003d q\"", "null"),
        (".last", text("é\n\u{1}"), "null", "\"é\\n\\u0001\""),
        (".e", Json::Array(vec![Json::Null]), "\"e\": []", "\"e\": [\n    null\n  ]"),
    ] {
        assert_eq!(
            set(CONFIG, at, &value, Missing::Fail).unwrap(),
            CONFIG.replace(old, new),
            "{at}"
        );
    }
}

#[test]
fn nothing_is_made_that_could_not_be_read_again() {
    let deep = |levels: usize| ".a".repeat(levels);
    let made = set("{}", &deep(DEPTH_MAX), &Json::Null, Missing::Create).unwrap();
    assert!(Document::parse(&made).is_ok());
    for (levels, value) in [(DEPTH_MAX + 1, Json::Null), (DEPTH_MAX, Json::Array(vec![Json::Null]))]
    {
        let fault = set("{}", &deep(levels), &value, Missing::Create).unwrap_err();
        assert!(matches!(fault, EditFault::Deep { .. }), "{fault}");
    }
}

#[test]
fn an_equal_value_changes_nothing() {
    let mut editor = Editor::new(CONFIG).unwrap();
    assert!(!editor.set(&path(".a.\"x y\""), &text("p = q"), Missing::Fail).unwrap());
    assert!(matches!(editor.finish(), Cow::Borrowed(_)));
}

#[test]
fn missing_members_are_made_in_the_style_of_the_text() {
    let one = Json::Number("1".into());
    for (before, at, after) in [
        ("{\n  \"a\": 1\n}", ".b", "{\n  \"a\": 1,\n  \"b\": 1\n}"),
        (
            "{\n\t\"a\": {}\n}\n",
            ".a.b.c",
            "{\n\t\"a\": {\n\t\t\"b\": {\n\t\t\t\"c\": 1\n\t\t}\n\t}\n}\n",
        ),
        ("{\"a\":1,\"b\":{}}", ".b.c", "{\"a\":1,\"b\":{\"c\":1}}"),
        ("{\"a\": 1, \"b\": 2}", ".c", "{\"a\": 1, \"b\": 2, \"c\": 1}"),
        ("{}", ".a", "{\n  \"a\": 1\n}"),
        ("{\r\n  \"a\": []\r\n}", ".a[0]", "{\r\n  \"a\": [\r\n    1\r\n  ]\r\n}"),
        ("{\n  \"a\": [\n    5\n  ]\n}", ".a[1]", "{\n  \"a\": [\n    5,\n    1\n  ]\n}"),
        ("{\"a\":[5]}", ".a[1].x", "{\"a\":[5,{\"x\":1}]}"),
    ] {
        assert_eq!(set(before, at, &one, Missing::Create).unwrap(), after, "{before} {at}");
        assert_eq!(set(before, at, &one, Missing::Skip).unwrap(), before, "{before} {at}");
        assert!(set(before, at, &one, Missing::Fail).is_err(), "{before} {at}");
    }
}

#[test]
fn a_deletion_takes_the_member_and_its_separator() {
    for (at, after) in [
        (".a", "{\n  \"e\": [],\n  \"o\": {},\n  \"last\": null\n}"),
        (
            ".last",
            "{\n  \"a\": {\n    \"b\": [\n      1.0E10,\n      12345678901234567890123\n    ],\n    \"x y\": \"p \\u003d q\"\n  },\n  \"e\": [],\n  \"o\": {}\n}",
        ),
    ] {
        let mut editor = Editor::new(CONFIG).unwrap();
        assert!(editor.delete(&path(at), Missing::Fail).unwrap());
        assert_eq!(editor.finish(), after, "{at}");
    }
    let mut editor = Editor::new("[ 1 ]").unwrap();
    editor.delete(&path(".[0]"), Missing::Fail).unwrap();
    assert_eq!(editor.text(), "[]");
    assert!(!editor.delete(&path(".[0]"), Missing::Skip).unwrap());
    assert!(editor.delete(&path(".[0]"), Missing::Fail).is_err());
}

#[test]
fn faults_name_the_path() {
    for (at, message) in [
        (".lasst", ".lasst does not exist, did you mean .last?"),
        (".a.\"x z\"", ".a.\"x z\" does not exist, did you mean .a.\"x y\"?"),
        (".last.x", ".last is null, not an object"),
        (".a[0]", ".a is an object, not an array"),
        (".a.b[7]", ".a.b[7] is beyond the end: the array has 2 items"),
    ] {
        let error = set(CONFIG, at, &Json::Null, Missing::Fail).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let twice = set("{\"a\":1,\"a\":2}", ".a", &Json::Null, Missing::Fail).unwrap_err();
    assert_eq!(twice.to_string(), ".a occurs twice");
    let gap = set("{\"a\":[]}", ".a[2]", &Json::Null, Missing::Create).unwrap_err();
    assert_eq!(gap.to_string(), ".a[2] is beyond the end: the array has 0 items");
}

#[test]
fn paths_are_read_and_spelled_as_jq_does() {
    for (given, spelled) in [
        (".a", ".a"),
        (".a.b[0].\"x y\"", ".a.b[0].\"x y\""),
        (".[\"a\"][\"b c\"]", ".a.\"b c\""),
        (".[0]", ".[0]"),
        (".\"a\\\"b\"", ".\"a\\\"b\""),
        (".a.[1]", ".a[1]"),
        (".\"\"", ".\"\""),
    ] {
        assert_eq!(path(given).to_string(), spelled);
        assert_eq!(path(spelled), path(given));
    }
    for (bad, column) in [
        ("a", 1),
        ("", 1),
        (".", 2),
        (".a.", 4),
        (".a..b", 4),
        (".a[]", 4),
        (".a[x]", 4),
        (".my-key", 4),
        (".a[1", 4),
        (".\"a", 2),
        (".[99999999999999999999]", 3),
        (".a b", 3),
    ] {
        let error = bad.parse::<JsonPath>().unwrap_err();
        assert_eq!(error.column, column, "{bad}: {error}");
    }
}

#[test]
fn only_json_is_read_and_faults_have_a_place() {
    for (bad, line, column) in [
        ("", 1, 1),
        ("{", 1, 2),
        ("{\"a\":1,}", 1, 8),
        ("[1,]", 1, 4),
        ("{\"a\" 1}", 1, 6),
        ("01", 1, 2),
        ("1.", 1, 3),
        ("-", 1, 2),
        ("1e", 1, 3),
        ("tru", 1, 1),
        ("\"a", 1, 1),
        ("\"\\x\"", 1, 2),
        ("\"\\u12g4\"", 1, 2),
        ("[1]\n x", 2, 2),
        ("\"a\nb\"", 1, 3),
        ("\u{feff}{}", 1, 1),
        ("{a:1}", 1, 2),
        ("NaN", 1, 1),
        ("// x\n1", 1, 1),
        ("'a'", 1, 1),
    ] {
        let error = Document::parse(bad).unwrap_err();
        assert_eq!(
            (error.position.line, error.position.column),
            (line, column),
            "{bad:?}: {error}"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(Document::parse(&deep).unwrap_err().message.contains("256 levels"));
    let fits = format!("{}{}", "[".repeat(256), "]".repeat(256));
    assert!(Document::parse(&fits).is_ok());
}

#[test]
fn strings_are_decoded() {
    let document = Document::parse("[\"\\ud83d\\ude00\\/\\b\\f\\t\", \"\\ud800\"]").unwrap();
    let items: Vec<u32> = document.children(document.root()).collect();
    assert_eq!(document.string(items[0]).unwrap(), "\u{1f600}/\u{8}\u{c}\t");
    assert_eq!(document.string(items[1]), None);
    assert!(document.value(document.root()).is_err());
}

#[test]
fn the_gateways_own_style() {
    let document =
        Document::parse("{\"a\":[],\"b\":{},\"c\":[1.0E10,\"<>&='\u{2028}\u{7f}\"]}").unwrap();
    let value = document.value(document.root()).unwrap();
    assert_eq!(
        gson(&value),
        "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1.0E10,\n    \"\\u003c\\u003e\\u0026\\u003d\\u0027\\u2028\u{7f}\"\n  ]\n}"
    );
    assert_eq!(value.compact(), "{\"a\":[],\"b\":{},\"c\":[1.0E10,\"<>&='\u{2028}\u{7f}\"]}");
}

#[test]
fn a_rewrite_keeps_what_it_does_not_mean() {
    for (old, new, expected) in [
        (
            "{ \"a\" : 1.0, \"b\" : [ 1, 2, 3 ] }",
            "{\"a\":1.0,\"b\":[1,3]}",
            "{ \"a\" : 1.0, \"b\" : [ 1, 3 ] }",
        ),
        ("{ \"a\" : 1.0, \"b\" : 2 }", "{\"b\":3}", "{ \"b\" : 3 }"),
        ("{ \"a\" : 1.0, \"b\" : 2 }", "{\"a\":1.0,\"c\":4}", "{ \"a\" : 1.0, \"c\" : 4 }"),
        ("[1, 2]", "[1,5,6]", "[1, 5, 6]"),
        (
            "{\"x\": {\"b\": 1, \"a\": \"\\u003c\"}}",
            "{\"x\":{\"a\":\"<\"}}",
            "{\"x\": {\"a\": \"\\u003c\"}}",
        ),
        ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "{\n  \"b\": 2,\n  \"a\": 1\n}"),
        ("{\"a\":1}", "[]", "[]"),
    ] {
        let read = Document::parse(new).unwrap();
        let new = read.value(read.root()).unwrap();
        assert_eq!(rewrite(&Document::parse(old).unwrap(), &new), expected, "{old}");
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "(-?[1-9][0-9]{0,25}|0|[0-9]\\.[0-9]{1,4}E[0-9])".prop_map(Json::Number),
        "[ -~é\n<='✓]{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn leaves(document: &Document<'_>, node: u32, at: &[Segment], out: &mut Vec<JsonPath>) {
    if !at.is_empty() {
        out.push(JsonPath::of(at.to_vec()));
    }
    for (index, child) in document.children(node).enumerate() {
        let segment = match document.key(child) {
            Some(key) => Segment::Key(key.into_owned()),
            None => Segment::Index(i64::try_from(index).unwrap()),
        };
        leaves(document, child, &[at, &[segment]].concat(), out);
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in json()) {
        for text in [gson(&value), value.compact()] {
            let document = Document::parse(&text).unwrap();
            prop_assert_eq!(document.value(document.root()).unwrap(), value.clone());
        }
    }

    #[test]
    fn set_and_set_back_gives_the_same_bytes(value in json(), new in json(), pick in any::<prop::sample::Index>(), pretty in any::<bool>()) {
        let text = if pretty { gson(&value) } else { value.compact() };
        let document = Document::parse(&text).unwrap();
        let mut paths = Vec::new();
        leaves(&document, document.root(), &[], &mut paths);
        prop_assume!(!paths.is_empty());
        let at = &paths[pick.index(paths.len())];
        let mut editor = Editor::new(&text).unwrap();
        let raw = editor.get(at).unwrap().unwrap().to_owned();
        editor.set(at, &new, Missing::Fail).unwrap();
        let now = editor.get(at).unwrap().unwrap().to_owned();
        let read = Document::parse(&now).unwrap();
        prop_assert_eq!(read.value(read.root()).unwrap(), new);
        editor.set_raw(at, &raw).unwrap();
        prop_assert_eq!(editor.text(), text.as_str());
    }

    #[test]
    fn create_and_delete_gives_the_same_bytes(value in json(), new in json(), pretty in any::<bool>()) {
        let value = Json::Object(vec![("a".into(), value)]);
        let text = if pretty { gson(&value) } else { value.compact() };
        let mut editor = Editor::new(&text).unwrap();
        editor.set(&path(".zz"), &new, Missing::Create).unwrap();
        prop_assert!(Document::parse(editor.text()).is_ok());
        editor.delete(&path(".zz"), Missing::Fail).unwrap();
        prop_assert_eq!(editor.text(), text.as_str());
    }

    #[test]
    fn a_rewrite_gives_the_value(old in json(), new in json(), pretty in any::<bool>()) {
        let text = if pretty { gson(&old) } else { old.compact() };
        let document = Document::parse(&text).unwrap();
        let made = rewrite(&document, &new);
        let read = Document::parse(&made).unwrap();
        prop_assert_eq!(read.value(read.root()).unwrap(), new.clone());
        if pretty {
            prop_assert_eq!(made, gson(&new));
        }
        prop_assert_eq!(rewrite(&document, &old), text);
    }

    #[test]
    fn no_text_breaks_the_readers(text in "[-{}\\[\\]\",:.0-9a-e\\\\u \n]{0,40}") {
        drop(Document::parse(&text));
        drop(text.parse::<JsonPath>());
        drop(format!(".{text}").parse::<JsonPath>());
    }
}

#[test]
fn a_first_member_follows_no_comma_however_commas_are_written() {
    for (text, made) in [
        (r#"{"a": "c" ,"z":{}}"#, r#"{"a": "c" ,"z":{"y": 1}}"#),
        (r#"{"a":1 , "z":{}}"#, r#"{"a":1 , "z":{"y":1}}"#),
        ("{\"a\":1\n,\"z\":{}}", r#"{"a":1N,"z":{"y":1}}"#),
    ] {
        let mut editor = Editor::new(text).unwrap();
        let value = Document::parse("1").unwrap().value(0).unwrap();
        editor.set(&".z.y".parse().unwrap(), &value, Missing::Create).unwrap();
        assert_eq!(editor.text(), made.replace('N', "\n"));
    }
}

#[test]
fn many_changes_cost_what_one_costs() {
    // On one line, so that what is before a change is long.
    let old: String = (0..40_000).map(|at| format!("\"k{at}\":{at},")).collect();
    let old = format!("{{{}}}", old.trim_end_matches(','));
    let new: Vec<(String, Json)> = (0..40_000)
        .flat_map(|at| {
            let value = Json::Number((at + 1).to_string());
            [(format!("k{at}"), value.clone()), (format!("n{at}"), value)]
        })
        .collect();
    let document = Document::parse(&old).unwrap();
    let made = rewrite(&document, &Json::Object(new.clone()));
    assert!(made.starts_with("{\"k0\":1,\"n0\":1,\"k1\":2,"), "{made:.60}");
    let again = Document::parse(&made).unwrap();
    assert_eq!(again.value(again.root()).unwrap(), Json::Object(new));
}
