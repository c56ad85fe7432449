//! `-o jsonpath=…`: RFC 9535 paths, and the templates with braces that people know from kubectl,
//! without `range`. A list is `items`, as it is there.

use std::str::FromStr;

use serde_json::{Value, json};
use serde_json_path::JsonPath;

use crate::error::{Error, Kind, Result};

/// A path or a template, checked when the command line is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    /// A bare path prints one match a line; a template joins the matches by spaces.
    bare: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path(String),
}

/// `.a.b` and `a.b` mean `$.a.b`.
fn rooted(path: &str) -> String {
    match path.chars().next() {
        Some('$') => path.to_owned(),
        Some('.' | '[') => format!("${path}"),
        Some(_) | None => format!("$.{path}"),
    }
}

fn path(text: &str) -> std::result::Result<Piece, String> {
    let text = text.trim();
    if text.starts_with("range") || text == "end" {
        return Err("range is not supported: [*] yields every item".to_owned());
    }
    let rooted = rooted(text);
    match JsonPath::parse(&rooted) {
        Ok(_) => Ok(Piece::Path(rooted)),
        Err(error) => Err(format!("{text:?} is no JSON path: {error}")),
    }
}

/// A quoted text such as `{"\n"}`.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\""))
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if !text.contains('{') {
            return Ok(Self { pieces: vec![path(text)?], bare: true });
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (inside, tail) =
                after.split_once('}').ok_or_else(|| format!("{text:?}: a brace is not closed"))?;
            pieces.push(match quoted(inside) {
                Some(text) => Piece::Text(text),
                None => path(inside)?,
            });
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces, bare: false })
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the template yields; nothing found is an error only for a bare path.
pub fn evaluate(template: &Template, data: &Value) -> Result<String> {
    let root = match data {
        Value::Array(items) => json!({"kind": "List", "items": items}),
        other => other.clone(),
    };
    let mut out = String::new();
    for piece in &template.pieces {
        let path = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Path(path) => path,
        };
        let parsed = JsonPath::parse(path).expect("it was parsed when the command line was read");
        // `$[*]` reads the list itself, everything else the object around it.
        let subject = if path.starts_with("$[") && data.is_array() { data } else { &root };
        let found: Vec<String> = parsed.query(subject).all().into_iter().map(text).collect();
        if found.is_empty() && template.bare {
            return Err(Error::new(Kind::NotFound, format!("{path} yields nothing"))
                .hint("-o json shows what there is"));
        }
        out.push_str(&found.join(if template.bare { "\n" } else { " " }));
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let data = json!([
            {"metadata": {"name": "a"}, "n": 1, "s": "x"},
            {"metadata": {"name": "b"}, "n": 2, "s": "y"},
        ]);
        let template: Template = template.parse().unwrap();
        assert_eq!(evaluate(&template, &data).unwrap(), expected);
    }

    #[test]
    fn paths_and_templates_yield_what_people_expect() {
        check("{.items[*].metadata.name}", "a b\n");
        check("$.items[*].metadata.name", "a\nb\n");
        check(".items[-1].n", "2\n");
        check("$[0].metadata", "{\"name\":\"a\"}\n");
        check("n={.items[?(@.s == 'y')].n}{\"\\n\"}", "n=2\n");
        check("{.items[*].nothing}", "\n");
    }

    #[test]
    fn mistakes_are_named() {
        for (bad, why) in [
            ("{.a", "not closed"),
            ("{range .items[*]}", "range is not supported"),
            ("{.a[}", "is no JSON path"),
        ] {
            let error = bad.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        let nothing = evaluate(&"$.x".parse().unwrap(), &json!({})).unwrap_err();
        assert_eq!(nothing.kind, Kind::NotFound);
    }
}
