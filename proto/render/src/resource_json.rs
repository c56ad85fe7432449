//! `resource.json`: what it says about a resource, and how it is stamped after a change, with every
//! other byte kept. Which resources need an `attributes.uuid` to load is decided here too.

use std::borrow::Cow;

use millwright_model::path::ManagedPath;

use crate::{
    json_edit::{Document, EditFault, Editor, Json, JsonFault, JsonPath, Kind, Missing, Segment},
    signature::{self, Form, Payload, SIGNATURE},
};

/// The name of the file.
pub const RESOURCE_JSON: &str = "resource.json";
/// Who a stamp of ours names.
pub const ACTOR: &str = "millwright";
/// The member of `attributes` that says who changed a resource, and when.
pub const MODIFICATION: &str = "lastModification";

/// Why a text is no `resource.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceFault {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// It is JSON of another shape.
    #[error("{0} is not what a resource.json has there")]
    Shape(&'static str),
    /// It cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditFault),
    /// A file that it lists is missing.
    #[error("the file {0:?} is listed, but it is not there")]
    MissingFile(String),
}

/// A parsed `resource.json`.
#[derive(Debug)]
pub struct ResourceJson<'t> {
    document: Document<'t>,
}

impl<'t> ResourceJson<'t> {
    /// Reads and checks the shape of the members that have a meaning here; all are optional.
    pub fn parse(text: &'t str) -> Result<Self, ResourceFault> {
        let document = Document::parse(text)?;
        let root = document.root();
        if document.kind(root) != Kind::Object {
            return Err(ResourceFault::Shape("the outermost value"));
        }
        for (name, kind) in [
            ("scope", Kind::String),
            ("documentation", Kind::String),
            ("description", Kind::String),
            ("version", Kind::Number),
            ("locked", Kind::Bool),
            ("restricted", Kind::Bool),
            ("overridable", Kind::Bool),
            ("files", Kind::Array),
            ("attributes", Kind::Object),
        ] {
            if document.member(root, name).is_some_and(|node| document.kind(node) != kind) {
                return Err(ResourceFault::Shape(name));
            }
        }
        let resource = Self { document };
        if let Some(files) = resource.document.member(root, "files") {
            for file in resource.document.children(files) {
                let name = resource.document.string(file);
                let plain = |name: &str| {
                    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
                };
                if !name.is_some_and(|name| plain(&name)) {
                    return Err(ResourceFault::Shape("files"));
                }
            }
        }
        Ok(resource)
    }

    pub(crate) fn document(&self) -> &Document<'t> {
        &self.document
    }

    fn text(&self, name: &str) -> Option<Cow<'t, str>> {
        self.document.string(self.document.member(self.document.root(), name)?)
    }

    /// Letters of the scope; none by default.
    pub fn scope(&self) -> Cow<'t, str> {
        self.text("scope").unwrap_or_default()
    }

    /// `documentation` of a project resource or `description` of a configuration resource.
    pub fn description(&self) -> Option<Cow<'t, str>> {
        self.text("documentation").or_else(|| self.text("description"))
    }

    /// Counter of the type's format; 1 by default.
    pub fn version(&self) -> i32 {
        let node = self.document.member(self.document.root(), "version");
        node.and_then(|node| self.document.raw(node).parse().ok()).unwrap_or(1)
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        let node = self.document.member(self.document.root(), name);
        node.map_or(default, |node| self.document.raw(node) == "true")
    }

    /// Names of the resource's files, in the order of the text.
    pub fn files(&self) -> Vec<Cow<'t, str>> {
        let files = self.document.member(self.document.root(), "files");
        files
            .into_iter()
            .flat_map(|node| self.document.children(node))
            .filter_map(|file| self.document.string(file))
            .collect()
    }

    pub(crate) fn attributes(&self) -> Option<u32> {
        self.document.member(self.document.root(), "attributes")
    }

    fn attribute(&self, name: &str) -> Option<u32> {
        self.document.member(self.attributes()?, name)
    }

    /// The carried signature.
    pub fn signature(&self) -> Option<Cow<'t, str>> {
        self.document.string(self.attribute(SIGNATURE)?)
    }

    /// `attributes.uuid`.
    pub fn uuid(&self) -> Option<Cow<'t, str>> {
        self.document.string(self.attribute("uuid")?)
    }

    /// What its list of files says against what is there; `present` has no `resource.json`.
    pub fn check_files<'p>(&self, present: impl Iterator<Item = &'p str>) -> FilesCheck {
        let listed = self.files();
        let present: std::collections::BTreeSet<&str> = present.collect();
        FilesCheck {
            missing: listed
                .iter()
                .filter(|name| !present.contains(name.as_ref()))
                .map(ToString::to_string)
                .collect(),
            unlisted: present
                .into_iter()
                .filter(|name| !listed.iter().any(|known| known == name))
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Differences between `files` and the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesCheck {
    /// Listed, but not there: the gateway does not load the resource.
    pub missing: Vec<String>,
    /// There, but not listed: the gateway ignores the file.
    pub unlisted: Vec<String>,
}

fn attribute_path(names: &[&str]) -> JsonPath {
    let all = std::iter::once(&"attributes").chain(names);
    JsonPath::of(all.map(|name| Segment::Key((*name).to_owned())).collect())
}

/// `yyyy-MM-ddTHH:mm:ssZ` of seconds since 1970, as the gateway writes it. Years beyond 9999 are cut
/// to its last second: a commit's time is whatever its author's clock said.
pub fn timestamp(seconds: i64) -> String {
    let seconds = seconds.clamp(0, 253_402_300_799);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1970 that are not negative.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The text with a new stamp and the signature that fits it and the files.
pub fn restamp(
    text: &str,
    seconds: i64,
    form: Form,
    payload: &Payload<'_>,
) -> Result<String, ResourceFault> {
    let mut editor = Editor::new(text)?;
    let when = Json::String(timestamp(seconds));
    let actor = Json::String(ACTOR.to_owned());
    let stamp = attribute_path(&[MODIFICATION]);
    match editor.get(&stamp)? {
        Some(object) if object.starts_with('{') => {
            editor.set(&attribute_path(&[MODIFICATION, "actor"]), &actor, Missing::Create)?;
            editor.set(&attribute_path(&[MODIFICATION, "timestamp"]), &when, Missing::Create)?;
        }
        Some(_) | None => {
            let members = vec![("actor".to_owned(), actor), ("timestamp".to_owned(), when)];
            editor.set(&stamp, &Json::Object(members), Missing::Create)?;
        }
    }
    let resource = ResourceJson::parse(editor.text())?;
    let signed =
        signature::compute(&resource, form, payload).map_err(ResourceFault::MissingFile)?;
    editor.set(&attribute_path(&[SIGNATURE]), &Json::String(signed), Missing::Create)?;
    Ok(editor.finish().into_owned())
}

/// The text without a signature; everything else stays.
pub fn strip(text: &str) -> Result<Cow<'_, str>, ResourceFault> {
    let mut editor = Editor::new(text)?;
    editor.delete(&attribute_path(&[SIGNATURE]), Missing::Skip)?;
    Ok(editor.finish())
}

/// Whether the resource of this `resource.json` is not loaded without `attributes.uuid`: named
/// configuration resources, apart from the types that were seen to load without.
pub fn needs_uuid(path: &ManagedPath) -> bool {
    let segments: Vec<&str> = path.as_str().split('/').collect();
    match segments.as_slice() {
        ["config", "resources", _, module, kind, _, .., RESOURCE_JSON] => !matches!(
            (*module, *kind),
            (_, "store-and-forward-engine")
                | ("com.inductiveautomation.perspective", "themes")
                | ("ignition", "tag-group" | "api-token")
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"scope\": \"A\",\n  \"files\": [\n    \"b\",\n    \"a\"\n  ],\n  \"attributes\": {\n    \"lastModificationSignature\": \"00\",\n    \"uuid\": \"u\",\n    \"lastModification\": {\n      \"actor\": \"admin\",\n      \"timestamp\": \"2026-01-02T03:04:05Z\"\n    },\n    \"big\": 12345678901234567890\n  }\n}";

    fn payload(name: &str) -> Option<Cow<'static, [u8]>> {
        matches!(name, "a" | "b").then_some(Cow::Borrowed(b"x".as_slice()))
    }

    #[test]
    fn a_stamp_changes_three_values_and_verifies() {
        for form in [Form::V81, Form::V83] {
            let stamped = restamp(TEXT, 1_767_323_046, form, &payload).unwrap();
            let resource = ResourceJson::parse(&stamped).unwrap();
            assert_eq!(signature::verify(&resource, &payload), signature::Verdict::Valid(form));
            let signed = resource.signature().unwrap().into_owned();
            let expected = TEXT
                .replace("\"00\"", &format!("\"{signed}\""))
                .replace("admin", ACTOR)
                .replace("03:04:05", "03:04:06");
            assert_eq!(stamped, expected);
            assert_eq!(restamp(&stamped, 1_767_323_046, form, &payload).unwrap(), stamped);
        }
    }

    #[test]
    fn a_resource_without_attributes_gets_them() {
        let stamped = restamp("{\n  \"files\": []\n}", 0, Form::V83, &payload).unwrap();
        let resource = ResourceJson::parse(&stamped).unwrap();
        assert_eq!(signature::verify(&resource, &payload), signature::Verdict::Valid(Form::V83));
        assert!(stamped.contains("\n      \"timestamp\": \"1970-01-01T00:00:00Z\"\n    },\n"));
        assert_eq!(
            strip(TEXT).unwrap(),
            TEXT.replace("    \"lastModificationSignature\": \"00\",\n", "")
        );
        assert!(matches!(strip("{}").unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn times_are_written_as_the_gateway_does() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-5, "1970-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }

    #[test]
    fn the_list_of_files_is_checked() {
        let resource = ResourceJson::parse(TEXT).unwrap();
        let check = resource.check_files(["a", "c"].into_iter());
        assert_eq!(check.missing, ["b"]);
        assert_eq!(check.unlisted, ["c"]);
        for bad in ["[]", "{\"files\":[\"../x\"]}", "{\"files\":[1]}", "{\"version\":\"1\"}", "{"] {
            assert!(ResourceJson::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn named_configuration_needs_a_uuid() {
        for (path, needed) in [
            ("config/resources/core/ignition/database-connection/X/resource.json", true),
            ("config/resources/prod/com.inductiveautomation.opcua/device/P 1/resource.json", true),
            ("config/resources/core/ignition/system-properties/resource.json", false),
            ("config/resources/core/ignition/store-and-forward-engine/X/resource.json", false),
            (
                "config/resources/core/com.inductiveautomation.perspective/themes/t/resource.json",
                false,
            ),
            ("config/resources/core/ignition/tag-group/P/G/resource.json", false),
            ("projects/p/ignition/script-python/a/resource.json", false),
            ("config/resources/core/ignition/database-connection/X/config.json", false),
        ] {
            assert_eq!(needs_uuid(&ManagedPath::parse(path).unwrap()), needed, "{path}");
        }
    }
}
