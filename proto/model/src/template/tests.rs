//! A table of templates with their results or the exact place and words of their errors.

use proptest::prelude::*;

use super::*;

fn vars() -> Vars {
    let labels = [("area", "packing"), ("my-label", "dashed"), ("empty", "")];
    let vars = [("port", "8088"), ("db-host", "db1"), ("on", "true"), ("path", "a.b.c")];
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    Vars::new("Line-7", "north", &map(&labels), map(&vars))
        .release(&Release::new(
            "branch main",
            "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        ))
        .member(Member::Master)
}

#[test]
fn templates_give_these_results() {
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("{ {.Site} }", "{ {.Site} }"),
        ("{{.GatewayName}}", "Line-7"),
        ("a/{{.Site}}/{{ .Labels.area }}", "a/north/packing"),
        ("{{.Ref}}", "branch main"),
        ("{{.Commit}}", "0123456789abcdef0123456789abcdef01234567"),
        ("{{.ShortCommit}}", "01234567"),
        ("{{.Member}}", "master"),
        ("{{index .Labels \"my-label\"}}", "dashed"),
        ("{{index .Vars \"db-host\"}}", "db1"),
        ("{{index .Labels (lower \"AREA\")}}", "packing"),
        ("{{\"my-label\" | index .Labels}}", "dashed"),
        ("{{.Vars.none | default \"x\"}}", "x"),
        ("{{default \"x\" .Vars.none}}", "x"),
        ("{{default \"x\" .Vars.port}}", "8088"),
        ("{{default \"x\" .Labels.empty}}", "x"),
        ("{{index .Labels \"none\" | default \"d\"}}", "d"),
        ("{{default (upper .Site) .Vars.none}}", "NORTH"),
        ("{{.Site | upper}}", "NORTH"),
        ("{{upper .Site | lower | upper}}", "NORTH"),
        ("{{lower .GatewayName}}", "line-7"),
        ("{{trim \"  a \"}}", "a"),
        ("{{.Vars.path | replace \".\" \"/\"}}", "a/b/c"),
        ("{{replace \"-\" \"_\" .GatewayName}}", "Line_7"),
        ("{{replace \"\" \"-\" \"ab\"}}", "-a-b-"),
        ("{{quote .Site}}", "\"north\""),
        ("{{quote \"a\\\"b\\\\c\\n\"}}", "\"a\\\"b\\\\c\\n\""),
        ("{{`raw \\n`}}", "raw \\n"),
        ("{{\"\\u00e9\\t\"}}", "\u{e9}\t"),
        ("{{42}}{{-7}}{{true}}", "42-7true"),
        ("{{eq .Site \"north\"}}", "true"),
        ("{{eq .Site \"a\" \"north\"}}", "true"),
        ("{{ne .Site \"north\"}}", "false"),
        ("{{eq .Vars.port 8088}}", "true"),
        ("{{not .Vars.none}}", "true"),
        ("{{and .Site .Vars.port}}", "8088"),
        ("{{and .Labels.empty .Vars.port}}|", "|"),
        ("{{or .Labels.empty .Site}}", "north"),
        ("{{or .Vars.none \"z\"}}", "z"),
        ("{{if .Vars.on}}yes{{end}}", "yes"),
        ("{{if .Vars.none}}yes{{end}}", ""),
        ("{{if .Vars.none}}yes{{else}}no{{end}}", "no"),
        ("{{if .Vars.none}}1{{else if .Vars.on}}2{{else}}3{{end}}", "2"),
        ("{{if .Vars.none}}1{{else if .Labels.empty}}2{{else}}3{{end}}", "3"),
        ("{{if .Vars.on}}1{{else}}{{.Vars.none}}{{end}}", "1"),
        ("{{if and (eq .Site \"north\") (not .Vars.none)}}both{{end}}", "both"),
        ("{{if .Vars.on}}{{if .Site}}deep{{end}}{{end}}", "deep"),
        ("{{if .Labels}}some{{end}}", "some"),
        ("a  {{- .Site -}}  b", "anorthb"),
        ("a\n  {{- /* gone */ -}}\n  b", "ab"),
        ("a {{/* } }} */}} b", "a  b"),
        ("a {{- -7 }}", "a-7"),
        ("{{- .Site }} x", "north x"),
        ("{{if .Site -}}\n x\n{{- end}}", "x"),
        ("é{{.Site}}ü", "énorthü"),
        ("{{.Site}}}}", "north}}"),
        ("{{(.Site)}}", "north"),
        ("{{ .Site\n| upper\n}}", "NORTH"),
    ] {
        match expand(text, &vars()) {
            Ok(got) => assert_eq!(got, expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn faults_name_their_place_and_the_nearest_key() {
    for (text, line, column, message, hint) in [
        ("x/{{.Sitte}}", 1, 5, "unknown key .Sitte", Some(".Site")),
        ("a\nbé {{ .Labels.aera }}", 2, 14, "unknown key .Labels.aera", Some(".Labels.area")),
        ("{{.Vars.prot}}", 1, 8, "unknown key .Vars.prot", Some(".Vars.port")),
        (
            "{{index .Labels \"my-lable\"}}",
            1,
            17,
            "unknown key (index .Labels \"my-lable\")",
            Some("(index .Labels \"my-label\")"),
        ),
        ("{{upper .Vars.zzz}}", 1, 14, "unknown key .Vars.zzz", None),
        ("{{eq .Vars.zzz \"a\"}}", 1, 11, "unknown key .Vars.zzz", None),
        ("{{if eq .Vars.zzz \"a\"}}{{end}}", 1, 14, "unknown key .Vars.zzz", None),
        ("{{.Labels}}", 1, 3, ".Labels holds many values: name one, as in .Labels.key", None),
        ("{{.Site.x}}", 1, 8, ".Site has no keys of its own", None),
        ("{{.Labels.area.x}}", 1, 15, ".Labels.area has no keys of its own", None),
        ("{{.Labels.my-label}}", 1, 13, "a key with '-' is written", None),
        ("a\n{{.Site", 2, 1, "'{{' is never closed", None),
        ("{{", 1, 1, "'{{' is never closed", None),
        ("{{}}", 1, 3, "a key such as .Site or a function was expected", None),
        ("{{.}}", 1, 3, "a key was expected after '.'", None),
        ("{{Site}}", 1, 3, "unknown function Site", Some(".Site")),
        ("{{uper .Site}}", 1, 3, "unknown function uper", Some("upper")),
        ("{{.Site | uper}}", 1, 11, "unknown function uper", Some("upper")),
        ("{{.Site | .Vars.port}}", 1, 11, "only a function can follow '|'", None),
        ("{{.Site |}}", 1, 10, "a key such as .Site or a function was expected", None),
        ("{{.Site .Ref}}", 1, 9, "only a function takes arguments", None),
        ("{{upper}}", 1, 3, "upper takes 1 argument, not 0", None),
        ("{{upper .Site .Ref}}", 1, 3, "upper takes 1 argument, not 2", None),
        ("{{.Site | replace \"a\"}}", 1, 11, "replace takes 3 arguments, not 2", None),
        ("{{eq .Site}}", 1, 3, "eq takes 2 to 16 arguments, not 1", None),
        ("{{index .Site \"a\"}}", 1, 9, "index takes .Labels or .Vars and a key", None),
        ("{{range .Labels}}{{end}}", 1, 3, "'range' is not supported", None),
        ("{{$x := 1}}", 1, 3, "variables are not supported", None),
        ("{{upper lower .Site}}", 1, 9, "put the call of lower in parentheses", None),
        ("a{{if .Site}}b", 1, 2, "this 'if' has no {{end}}", None),
        ("{{if .Site}}{{else}}", 1, 1, "this 'if' has no {{end}}", None),
        ("a{{end}}", 1, 2, "there is no 'if' that this belongs to", None),
        ("{{else}}", 1, 1, "there is no 'if' that this belongs to", None),
        ("{{if .Site}}{{else}}{{else}}{{end}}", 1, 21, "'else' comes last, and once", None),
        ("{{if}}{{end}}", 1, 5, "a key such as .Site or a function was expected", None),
        ("{{.Site if}}", 1, 9, "'if' stands alone in its braces", None),
        ("{{(upper .Site}}", 1, 3, "'(' is never closed", None),
        ("{{.Site)}}", 1, 8, "')' without '('", None),
        ("{{\"abc}}", 1, 3, "the text's quote is never closed", None),
        ("{{\"a\\q\"}}", 1, 5, "unknown escape in the text", None),
        ("{{\"\\u12\"}}", 1, 4, "'\\u' needs four hex digits", None),
        ("{{`abc}}", 1, 3, "'`' is never closed", None),
        ("{{/* abc }}", 1, 1, "the comment is never closed", None),
        ("{{99999999999999999999}}", 1, 3, "not a whole number", None),
        ("{{.Site-}}", 1, 8, "unexpected '-'", None),
        ("{{.Site}", 1, 8, "unexpected '}'", None),
        ("{{upper\"a\"}}", 1, 8, "a space was expected", None),
        ("{{.Site ; .Ref}}", 1, 9, "a key such as .Site or a value was expected", None),
    ] {
        let error = match expand(text, &vars()) {
            Ok(got) => panic!("{text}: gave {got:?}"),
            Err(error) => error,
        };
        let shown = (error.position.line, error.position.column, error.message.as_str());
        assert_eq!((shown.0, shown.1), (line, column), "{text}: {error}");
        assert!(shown.2.starts_with(message), "{text}: {error}");
        assert_eq!(error.hint.as_deref(), hint, "{text}");
    }
}

#[test]
fn text_without_braces_is_not_copied_and_binary_is_refused() {
    assert!(matches!(expand("a } { b", &vars()), Ok(Cow::Borrowed(_))));
    assert!(matches!(expand_bytes(b"plain", &vars()), Ok(Cow::Borrowed(_))));
    assert_eq!(&*expand_bytes(b"{{.Site}}", &vars()).unwrap(), b"north");
    assert!(expand_bytes(b"\x89PNG\r\n\xff", &vars()).unwrap_err().message.contains("byte 0"));
    assert!(expand_bytes(b"a\0b", &vars()).unwrap_err().message.contains("byte 1"));
}

#[test]
fn growth_and_nesting_are_bounded() {
    let grow = "| replace \"a\" \"aaaaaaaaaaaaaaaa\" ".repeat(8);
    let error = expand(&format!("{{{{\"a\" {grow}}}}}"), &vars()).unwrap_err();
    assert!(error.message.contains("larger than 1 MiB"), "{error}");
    // Each call doubles the escapes of the one before.
    let quotes = "| quote ".repeat(36);
    let error = expand(&format!("{{{{\"\" {quotes}}}}}"), &vars()).unwrap_err();
    assert!(error.message.contains("larger than 1 MiB"), "{error}");
    // Values that are not printed count as well.
    let chain =
        format!("{{{{if \"{}\" {}}}}}{{{{end}}}}", "a".repeat(1 << 19), "| upper ".repeat(33));
    let error = expand(&chain, &vars()).unwrap_err();
    assert!(error.message.contains("larger than 16 MiB"), "{error}");
    for text in ["", "a\"b\\\n\u{1}\u{7f}é\u{8}\u{c}"] {
        assert_eq!(super::eval::quoted_len(text), serde_json::Value::from(text).to_string().len());
    }
    let big = format!("{{{{replace \"a\" \"{}\" \"{}\"}}}}", "b".repeat(1000), "a".repeat(1000));
    let error = expand(&big.repeat(18), &vars()).unwrap_err();
    assert!(error.message.contains("larger than 16 MiB"), "{error}");
    // Each of these could be an error, whose line takes a look at all text before it.
    let absent = "{{.Vars.zzz | default \"\"}}".repeat(400_000);
    assert_eq!(expand(&absent, &vars()).unwrap(), "");
    let deep = format!("{}{}", "{{if .Site}}".repeat(40), "{{end}}".repeat(40));
    assert!(expand(&deep, &vars()).unwrap_err().message.contains("32 levels of 'if'"));
    let deep = format!("{{{{{}.Site{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(expand(&deep, &vars()).unwrap_err().message.contains("32 levels of parentheses"));
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[-{}|()./*\"`a-z .A-Z\\\\\n\u{e9}]{0,60}") {
        if let Err(error) = expand(&text, &vars()) {
            prop_assert!(error.position.offset <= text.len());
        }
    }

    #[test]
    fn actions_of_any_shape_end(body in "(if|else|end|upper|\\.Site|\\.Vars\\.a|\"x\"|\\(|\\)|\\||-| ){0,10}") {
        drop(expand(&format!("a{{{{{body}}}}}b{{{{end}}}}"), &vars()));
    }
}
