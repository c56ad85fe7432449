//! Every JSON file: an edit changes its own bytes only, undone it gives the file.

use millwright_render::json_edit::{
    Document, Editor, Json, JsonPath, Kind, Missing, Segment, gson,
};

use super::data;

/// Paths of scalars, each with its node.
fn scalars(document: &Document<'_>, node: u32, at: &mut Vec<Segment>, out: &mut Vec<JsonPath>) {
    for (index, child) in document.children(node).enumerate() {
        at.push(match document.key(child) {
            Some(key) => Segment::Key(key.into_owned()),
            None => Segment::Index(i64::try_from(index).expect("a small index")),
        });
        match document.kind(child) {
            Kind::Object | Kind::Array => scalars(document, child, at, out),
            Kind::Null | Kind::Bool | Kind::Number | Kind::String => {
                out.push(JsonPath::of(at.clone()));
            }
        }
        at.pop();
    }
}

#[derive(Default)]
struct Counts {
    files: usize,
    invalid: Vec<String>,
    without_fields: usize,
    fields: usize,
    gateway_style: usize,
}

fn check(text: &str, path: &str, counts: &mut Counts) {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            counts.invalid.push(format!("{path}: {error}"));
            return;
        }
    };
    counts.files += 1;
    if document.value(document.root()).is_ok_and(|value| gson(&value) == text) {
        counts.gateway_style += 1;
    }
    let mut paths = Vec::new();
    scalars(&document, document.root(), &mut Vec::new(), &mut paths);
    if paths.is_empty() {
        counts.without_fields += 1;
    }
    // One in the middle and the last: each edit reads the whole file several times.
    let middle = paths.get(paths.len() / 2);
    for at in middle.into_iter().chain(paths.last()) {
        let mut editor = Editor::new(text).expect("it was read before");
        let raw = match editor.get(at) {
            Ok(raw) => raw.expect("the path is of this file").to_owned(),
            // A key that occurs twice: refused by design.
            Err(_) => continue,
        };
        let value = Document::parse(&raw).and_then(|one| one.value(one.root())).expect("a value");
        let new = Json::String("a=<b>'&\u{e9}".to_owned());
        editor.set(at, &new, Missing::Fail).expect("the path exists");
        let changed = editor.text().to_owned();
        let (start, from_end) = frame(text, &raw, &changed);
        assert!(changed.starts_with(start) && changed.ends_with(from_end), "{path} {at}");
        editor.set(at, &value, Missing::Fail).expect("the path exists");
        assert_eq!(editor.text(), text, "{path} {at}");
        counts.fields += 1;
    }
}

/// What must stay before and after an edited value: everything of the old text but `raw`, at some
/// place where the two texts agree around it.
fn frame<'t>(old: &'t str, raw: &str, new: &str) -> (&'t str, &'t str) {
    old.match_indices(raw)
        .map(|(at, _)| (&old[..at], &old[at + raw.len()..]))
        .find(|(start, end)| {
            new.starts_with(start) && new.ends_with(end) && new.len() >= start.len() + end.len()
        })
        .expect("the edit changed other bytes too")
}

#[test]
fn editing_one_field_keeps_all_other_bytes() {
    for name in data::ALL {
        let Some(set) = data::unpack(name) else { continue };
        let mut counts = Counts::default();
        for (path, file) in set.files() {
            if file.extension().is_some_and(|extension| extension == "json") {
                let bytes = std::fs::read(file).expect("the file is readable");
                let text = String::from_utf8(bytes).unwrap_or_else(|_| panic!("{path}: UTF-8"));
                check(&text, &path, &mut counts);
            }
        }
        println!(
            "{}: {} JSON files, {} fields set and set back, {} in the gateway's own style, {} without a field, {} no JSON {:?}",
            set.name,
            counts.files,
            counts.fields,
            counts.gateway_style,
            counts.without_fields,
            counts.invalid.len(),
            counts.invalid,
        );
        assert!(counts.fields >= counts.files - counts.without_fields);
    }
}
