//! Any text as a jq path or a managed path: what is read is spelled so that it reads the same.

use millwright_model::path::ManagedPath;
use millwright_render::json_edit::JsonPath;

pub(crate) fn run(text: &str) {
    if let Ok(path) = text.parse::<JsonPath>() {
        assert_eq!(path.to_string().parse::<JsonPath>().as_ref(), Ok(&path));
    }
    if let Ok(path) = ManagedPath::parse(text) {
        assert!(!path.as_str().split('/').any(|segment| segment == ".." || segment.is_empty()));
    }
}
