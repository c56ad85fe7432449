//! A path, a line break, a text: every edit leaves JSON, and undone it leaves the text.

use millwright_render::json_edit::{Document, Editor, Json, JsonPath, Missing, rewrite};

pub(crate) fn run(input: &str) {
    let Some((path, text)) = input.split_once('\n') else { return };
    let (Ok(path), Ok(document)) = (path.parse::<JsonPath>(), Document::parse(text)) else {
        return;
    };
    if let Ok(value) = document.value(document.root()) {
        assert_eq!(rewrite(&document, &value), text);
    }
    let mut editor = Editor::new(text).expect("it was read before");
    let Ok(before) = editor.get(&path).map(|raw| raw.map(str::to_owned)) else { return };
    let new = Json::Object(vec![("a=".to_owned(), Json::Array(vec![Json::Null]))]);
    if editor.set(&path, &new, Missing::Create).is_err() {
        return;
    }
    Document::parse(editor.text()).expect("an edit leaves JSON");
    match before {
        Some(raw) => {
            editor.set_raw(&path, &raw).expect("the path exists");
            assert_eq!(editor.text(), text);
        }
        None => {
            editor.delete(&path, Missing::Skip).expect("it was made");
            Document::parse(editor.text()).expect("an edit leaves JSON");
        }
    }
}
