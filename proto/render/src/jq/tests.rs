//! Results as jq gives them, errors with their place, and an end for everything.

use super::*;
use crate::json_edit::{Document, gson};

fn json(text: &str) -> Json {
    let document = Document::parse(text).unwrap();
    document.value(document.root()).unwrap()
}

fn run(code: &str, input: &str) -> Result<String, JqFault> {
    Program::compile(code)?.run(&json(input)).map(|value| value.compact())
}

#[test]
fn results_are_those_of_jq() {
    for (code, input, expected) in [
        (
            ".",
            "{\"b\":1.0E10,\"a\":12345678901234567890123}",
            "{\"b\":1.0E10,\"a\":12345678901234567890123}",
        ),
        (".a = 1", "{\"b\":1E+2}", "{\"b\":1E+2,\"a\":1}"),
        (".new.deep.path = 1", "{}", "{\"new\":{\"deep\":{\"path\":1}}}"),
        (".a[2] = 1", "{}", "{\"a\":[null,null,1]}"),
        ("del(.a, .c[0,2])", "{\"a\":1,\"b\":2,\"c\":[0,1,2,3]}", "{\"b\":2,\"c\":[1,3]}"),
        ("del(.x.y)", "{\"a\":1}", "{\"a\":1}"),
        ("del(.[] | select(. > 1))", "[1,2,3]", "[1]"),
        (
            "walk(if type == \"string\" then ascii_upcase else . end)",
            "[\"a\",{\"b\":\"c\"}]",
            "[\"A\",{\"b\":\"C\"}]",
        ),
        ("with_entries(.value += 1)", "{\"b\":1,\"a\":2}", "{\"b\":2,\"a\":3}"),
        ("to_entries | map(.key) | join(\"-\")", "{\"b\":1,\"a\":2}", "\"b-a\""),
        ("keys", "{\"b\":1,\"a\":2}", "[\"a\",\"b\"]"),
        (
            "[.[] | tostring]",
            "[1,\"a\",[1,{\"b\":null}]]",
            "[\"1\",\"a\",\"[1,{\\\"b\\\":null}]\"]",
        ),
        ("[paths]", "{\"a\":[1]}", "[[\"a\"],[\"a\",0]]"),
        ("[leaf_paths]", "{\"a\":[1]}", "[[\"a\",0]]"),
        ("gsub(\"l+\"; \"L\")", "\"hello all\"", "\"heLo aL\""),
        ("[match(\"a\"; \"g\").offset]", "\"banana\"", "[1,3,5]"),
        ("test(\"^B\"; \"i\")", "\"banana\"", "true"),
        ("[.[1:3], .[-1:], .[:1]]", "[1,2,3,4]", "[[2,3],[4],[1]]"),
        (".[1:3]", "\"äbcd\"", "\"bc\""),
        ("sort_by(.a) | map(.a)", "[{\"a\":2},{\"a\":1}]", "[1,2]"),
        ("group_by(.a) | map(length)", "[{\"a\":2},{\"a\":1},{\"a\":2}]", "[1,2]"),
        ("unique", "[2,1,2]", "[1,2]"),
        ("flatten", "[1,[2,[3]]]", "[1,2,3]"),
        ("flatten(1)", "[1,[2,[3]]]", "[1,2,[3]]"),
        ("add", "[\"a\",\"b\"]", "\"ab\""),
        ("[limit(3; repeat(. * 2))]", "1", "[1,2,4]"),
        ("[range(0; 10; 3)]", "null", "[0,3,6,9]"),
        ("reduce .[] as $x (0; . + $x)", "[1,2,3]", "6"),
        ("[foreach .[] as $x (0; . + $x)]", "[1,2,3]", "[1,3,6]"),
        ("if .a then 1 elif .b then 2 else 3 end", "{\"b\":true}", "2"),
        (".a // \"d\"", "{}", "\"d\""),
        ("try error(\"x\") catch .", "null", "\"x\""),
        ("[.[]?]", "1", "[]"),
        (". * {\"a\":{\"c\":2}}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1,\"c\":2}}"),
        (
            "[1/4, 7%3, -7%3, 1e1000+0, 3.0, 0.1+0.2]",
            "null",
            "[0.25,1,-1,1.7976931348623157e+308,3.0,0.30000000000000004]",
        ),
        ("[.[] | tonumber]", "[\"1\",2]", "[1,2]"),
        ("tojson", "{\"a\":[1,\"x\"]}", "\"{\\\"a\\\":[1,\\\"x\\\"]}\""),
        ("fromjson", "\"{\\\"a\\\":1.0}\"", "{\"a\":1.0}"),
        ("[has(\"a\"), has(\"b\")]", "{\"a\":1}", "[true,false]"),
        ("contains({a:[\"b\"]})", "{\"a\":[\"abc\",1]}", "true"),
        ("[index(\"b\"), rindex(\"b\"), indices(\"b\")]", "\"abcb\"", "[1,3,[1,3]]"),
        ("def f(x): x * 2; [.[] | f(.)]", "[1,2]", "[2,4]"),
        ("def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; fac", "10", "3628800"),
        ("[splits(\", *\")]", "\"a, b,c\"", "[\"a\",\"b\",\"c\"]"),
        ("@base64 \"x\\(.)\"", "\"hi\"", "\"xaGk=\""),
        ("from_entries", "[{\"name\":\"a\",\"value\":1},{\"key\":2,\"v\":3}]", "{\"a\":1,\"2\":3}"),
        ("transpose", "[[1],[2,3]]", "[[1,2],[null,3]]"),
        ("[combinations]", "[[1,2],[3]]", "[[1,3],[2,3]]"),
        ("ltrimstr(\"a\") | rtrimstr(\"c\")", "\"abc\"", "\"b\""),
        ("[.[] | ltrimstr(\"a\")]", "[1,\"ab\"]", "[1,\"b\"]"),
        ("[min, max]", "[3,1,2]", "[1,3]"),
        ("first(.[] | select(. > 1))", "[1,2,3]", "2"),
        ("[until(. > 100; . * 2)]", "1", "[128]"),
        (
            "(.. | select(type == \"object\" and has(\"systemName\")) | .systemName) |= \"x\"",
            "{\"a\":{\"systemName\":\"y\"},\"systemName\":\"z\"}",
            "{\"a\":{\"systemName\":\"x\"},\"systemName\":\"x\"}",
        ),
        ("[. == 9007199254740993, . == 9007199254740992]", "9007199254740993", "[true,false]"),
    ] {
        match run(code, input) {
            Ok(result) => assert_eq!(result, expected, "{code}"),
            Err(error) => panic!("{code}: {error}"),
        }
    }
}

#[test]
fn faults_are_clear_and_carry_no_values() {
    for (code, input, message) in [
        ("{", "null", "line 1, column 2: the expression ends too early"),
        (".a |", "null", "line 1, column 5: the expression ends too early"),
        (".a =\n )", "null", "line 2, column 2: unexpected \")\""),
        ("frobnicate", "null", "column 1: the filter \"frobnicate\" does not exist here"),
        (". | env", "null", "column 5: the filter \"env\" does not exist here"),
        ("$ENV", "null", "the variable \"$ENV\" does not exist here"),
        ("now", "null", "the filter \"now\" does not exist here"),
        ("input", "null", "the filter \"input\" does not exist here"),
        ("halt", "null", "the filter \"halt\" does not exist here"),
        ("\"x\" | debug", "null", "the filter \"debug\" does not exist here"),
        ("import \"a\" as a; .", "null", "modules and imports do not exist here"),
        ("error(\"own words\")", "null", "jq expression: own words"),
        (".a.b", "{\"a\":\"secret\"}", "cannot index a string with a string"),
        (". + 1", "{\"password\":\"secret\"}", "cannot calculate an object + a number"),
        ("error({a:\"secret\"})", "null", "it ended with an object"),
        ("empty", "null", "it gave no result"),
        (".[]", "[1,2]", "more than one result"),
        ("break $x", "null", "the label"),
        ("def f(x): [f(x + 1)]; f(1)", "null", "\"f\" calls itself with filters as arguments"),
        ("1 as $y | def g(x): def h: g(x | x); h; g(1)", "null", "\"g\" calls itself with filters"),
    ] {
        let error = run(code, input).unwrap_err().to_string();
        assert!(error.contains(message), "{code}: {error}");
        assert!(!error.contains("secret"), "{code}: {error}");
    }
    assert_eq!(Program::compile(&" ".repeat(9000)).unwrap_err(), JqFault::TooLong);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one expression per line")]
fn hostile_expressions_end() {
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    let parens = format!("{}1{}", "(".repeat(4000), ")".repeat(4000));
    let minus = format!("{}1", "-".repeat(8000));
    let tries = "try ".repeat(2000) + ".";
    let ifs = "if ".repeat(2600);
    let defs = "def f:".repeat(1300);
    let binds = ". as $x|".repeat(1000) + ".";
    let pipes = format!(".{}", "|.".repeat(4000));
    for (code, stops) in [
        ("def f: f; f", &[JqFault::Steps][..]),
        ("def f: 1 + f; f", &[JqFault::Stack, JqFault::Steps]),
        ("def f: [f]; f", &[JqFault::Stack, JqFault::Steps]),
        ("def f: f, f; f", &[JqFault::Stack, JqFault::Steps]),
        ("def f: .[0] |= f; f", &[JqFault::Stack, JqFault::Steps, JqFault::Depth]),
        ("def f: try f catch f; f", &[JqFault::Stack, JqFault::Steps]),
        ("def f($x): f($x + 1); f(1)", &[JqFault::Stack, JqFault::Steps]),
        ("def f: path(f); f", &[JqFault::Stack, JqFault::Steps, JqFault::Failed(String::new())]),
        ("[repeat(1)]", &[JqFault::Steps, JqFault::Size]),
        ("last(repeat(empty, 1))", &[JqFault::Steps, JqFault::Stack]),
        ("first(repeat(.) | select(false))", &[JqFault::Steps]),
        ("[range(infinite)] | length", &[JqFault::Steps, JqFault::Size]),
        ("reduce range(1e15) as $i (0; 0)", &[JqFault::Steps]),
        ("last(range(0; 1; 0))", &[JqFault::Steps]),
        ("until(false; .)", &[JqFault::Steps]),
        ("[recurse([.])] | length", &[JqFault::Depth, JqFault::Steps]),
        ("last(recurse(.))", &[JqFault::Steps]),
        ("reduce range(100000) as $i (1; [.])", &[JqFault::Depth]),
        ("reduce range(100000) as $i (1; {a: .})", &[JqFault::Depth]),
        ("reduce range(60) as $i (1; [., .])", &[JqFault::Size]),
        ("reduce range(60) as $i (\"ab\"; . + .)", &[JqFault::Size, JqFault::Steps]),
        ("reduce range(60) as $i ({}; {a: ., b: .})", &[JqFault::Size]),
        ("\"x\" * 1e12", &[JqFault::Size]),
        ("\"x\" * infinite", &[JqFault::Size]),
        (".[1e9] = 1", &[JqFault::Failed(String::new())]),
        (".[7000000] = 1", &[JqFault::Size, JqFault::Steps]),
        ("[limit(1e12; repeat(\"abc\"))] | add", &[JqFault::Steps, JqFault::Size]),
        (
            "[range(100000)] | map([., 1]) | combinations | empty",
            &[JqFault::Steps, JqFault::Stack, JqFault::Size],
        ),
        ("[range(3000000)] | sort_by(-.) | group_by(.) | length", &[JqFault::Steps]),
        ("(\"a\" * 30000000) | test(\"(a*)*(a*)*b\")", &[JqFault::Steps]),
        (
            "\"a\" | test(\"((a{1000}){1000}){1000}\")",
            &[JqFault::Failed("the regular expression is too large".into())],
        ),
        (
            "[range(100000) | tostring] | [.[] as $x | .[] | select(. == $x)] | length",
            &[JqFault::Steps],
        ),
        (
            "[limit(300; repeat(0))] | until(false; [walk([.])])",
            &[JqFault::Depth, JqFault::Steps, JqFault::Size],
        ),
        ("def w: [[.]] | w; w", &[JqFault::Depth]),
        ("label $l | def f: f; f", &[JqFault::Steps]),
        (
            "[splits(\"\"; \"g\")] | until(false; . + .)",
            &[JqFault::Size, JqFault::Steps, JqFault::Failed(String::new())],
        ),
        ("foreach repeat(1) as $x (0; .; empty)", &[JqFault::Steps]),
        ("isempty(repeat(.) | select(false))", &[JqFault::Steps]),
        ("any(repeat(false); .)", &[JqFault::Steps]),
        ("getpath([range(1e9)])", &[JqFault::Steps, JqFault::Size]),
        (
            "@base64 \"\\(\"x\" * 30000000)\" | @base64 \"\\(.)\" | length",
            &[JqFault::Size, JqFault::Steps],
        ),
        (
            "(\"a\" * 30000000) | indices(\"a\" * 15000000) | length",
            &[JqFault::Steps, JqFault::Size],
        ),
        ("(\"a\" * 30000000) | rindex(\"a\" * 15000000)", &[JqFault::Steps, JqFault::Size]),
        (
            "(\"1\" * 30000000 | tonumber) as $n | [range(100000) | $n] | sort",
            &[JqFault::Steps, JqFault::Size],
        ),
        (
            "(\"1\" * 3000000 | tonumber) as $n | [range(8) | $n] | sort | map(. + 1)",
            &[JqFault::Steps],
        ),
        (
            "(\"1\" * 100000 | tonumber) as $n | reduce range(100000) as $i (0; $n + 1)",
            &[JqFault::Steps],
        ),
        (
            "[range(200000)] | reduce range(100000) as $i (.; del(.[0]))",
            &[JqFault::Steps, JqFault::Size],
        ),
        (
            "[range(200000)] | reduce range(100000) as $i (.; .[0] |= empty)",
            &[JqFault::Steps, JqFault::Size],
        ),
    ] {
        let bounded = Program::compile(code).and_then(|mut program| {
            // A tenth, for the sake of the test's own time.
            program.steps = STEPS_MAX / 10;
            program.run(&Json::Null)
        });
        match bounded {
            Ok(result) => panic!("{code}: gave {:.100}", result.compact()),
            Err(error) => {
                let same =
                    |stop: &JqFault| std::mem::discriminant(stop) == std::mem::discriminant(&error);
                assert!(stops.iter().any(same), "{code}: {error}");
            }
        }
    }
    for code in [deep.as_str(), &parens, &minus, &pipes, &tries, &ifs, &defs, &binds] {
        // Any answer will do, as long as there is one.
        drop(run(code, "null"));
    }
}

#[test]
fn long_work_within_the_budget_is_done() {
    let many: Vec<String> = (0..100_000).map(|at| format!("{{\"a\":{at}}}")).collect();
    let input = format!("[{}]", many.join(","));
    assert_eq!(run("map(.a) | add", &input).unwrap(), "4999950000");
    assert_eq!(run("[.[] | select(.a % 2 == 0)] | length", &input).unwrap(), "50000");
    assert_eq!(
        run("[recurse(if . < 100000 then . + 1 else empty end)] | length", "1").unwrap(),
        "100000"
    );
    // All at once, not one after the other.
    assert_eq!(run("del(.[range(50000)]) | length", &input).unwrap(), "50000");
    assert_eq!(run("del(.[] | select(.a % 2 == 0)) | length", &input).unwrap(), "50000");
    let keys = "[range(50000) | {key: tostring, value: .}] | from_entries";
    assert_eq!(run(&format!("{keys} | del(.[] | select(. > 9)) | length"), "1").unwrap(), "10");
    let walked = Program::compile("walk(if type == \"number\" then 0 else . end)").unwrap();
    assert!(gson(&walked.run(&json(&input)).unwrap()).len() > 1_000_000);
}

#[test]
fn texts_are_found_where_they_begin() {
    for (code, expected) in [
        (r#""aaaa" | indices("aa")"#, "[0,1,2]"),
        (r#""abcabcabd" | indices("abcabd")"#, "[3]"),
        (r#""äöäöä" | indices("äö")"#, "[0,2]"),
        (r#""äöäöä" | indices("öä")"#, "[1,3]"),
        (r#""aabaaab" | indices("aab")"#, "[0,4]"),
        (r#""a" | indices("")"#, "[]"),
        (r#""" | indices("a")"#, "[]"),
        (r#""abab" | index("b"), rindex("b")"#, "1"),
    ] {
        let code = if code.contains("rindex") { format!("first({code})") } else { code.to_owned() };
        assert_eq!(run(&code, "null").unwrap(), expected, "{code}");
    }
    let long = "1".repeat(3000);
    assert_eq!(run(&format!("{long} | ."), "null").unwrap(), long);
}

#[test]
fn what_is_deleted_is_meant_as_it_was() {
    for (code, expected) in [
        ("[1,2,3] | del(.[0], .[-1])", "[2]"),
        ("[1,2,3] | del(.[2], .[-3])", "[2]"),
        ("[[1,2],[3,4]] | del(.[0][0], .[0][1], .[1][0])", "[[],[4]]"),
        ("{\"a\":{\"b\":1,\"c\":2,\"d\":3}} | del(.a.b, .a.d, .a.x)", "{\"a\":{\"c\":2}}"),
        ("[1,2,3,4] | del(.[0:2], .[3])", "[3]"),
        ("null | del(.a, .b)", "null"),
        ("{} | del(.a[0], .a[1])", "{}"),
    ] {
        assert_eq!(run(code, "null").unwrap(), expected, "{code}");
    }
    assert!(run("\"text\" | del(.a, .b)", "null").is_err());
}

#[test]
fn floats_are_spelled_as_jq_does() {
    for (code, expected) in [
        ("1e16 * 10", "1e+17"),
        ("123456789 * 10000000000", "1234567890000000000"),
        ("1e-5 * 1", "1e-05"),
        ("0.00001 * 10", "0.0001"),
        ("1e300 * 10", "1e+301"),
        ("-0.5 * 1", "-0.5"),
        ("3 / 2", "1.5"),
        ("nan", "null"),
        ("123456789 * 1000000000", "123456789000000000"),
        ("1 / 3", "0.3333333333333333"),
    ] {
        assert_eq!(run(code, "null").unwrap(), expected, "{code}");
    }
}
