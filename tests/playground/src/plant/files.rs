//! Resources and projects as a gateway would have written them.

use super::Files;

/// The bytes of a resource folder: one data file and a `resource.json` with a valid signature.
pub fn resource(folder: &str, name: &str, content: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = content.as_bytes().to_vec();
    let json = signed(name, &bytes, "");
    vec![(format!("{folder}/{name}"), bytes), (format!("{folder}/resource.json"), json)]
}

/// The same of a gateway's configuration, which needs an id.
pub fn configuration(folder: &str, content: &str) -> Vec<(String, Vec<u8>)> {
    let (name, bytes) = ("config.json", content.as_bytes().to_vec());
    let id = ",\n    \"uuid\": \"3f2c6f0e-58a4-4a0e-9b52-6f1d2b7c9e10\"";
    let json = signed(name, &bytes, id);
    vec![(format!("{folder}/{name}"), bytes), (format!("{folder}/resource.json"), json)]
}

/// `resource.json` of one data file, as a gateway would have written it.
fn signed(name: &str, content: &[u8], attributes: &str) -> Vec<u8> {
    use gateway_sim::signature::{Form, Resource};
    let text = |signature: &str| {
        format!(
            "{{\n  \"scope\": \"G\",\n  \"version\": 1,\n  \"restricted\": false,\n  \"overridable\": true,\n  \"files\": [\n    \"{name}\"\n  ],\n  \"attributes\": {{\n    \"lastModification\": {{\n      \"actor\": \"admin\",\n      \"timestamp\": \"2026-01-02T03:04:05Z\"\n    }}{attributes}{signature}\n  }}\n}}"
        )
    };
    let plain = Resource::parse(text("").as_bytes()).expect("valid JSON");
    let give = |file: &str| (file == name).then(|| content.to_vec());
    let signature = plain.sign(Form::V83, &give).expect("every file is given");
    text(&format!(",\n    \"lastModificationSignature\": \"{signature}\"")).into_bytes()
}

/// A small project: its `project.json` and views by name and content.
pub fn project(name: &str, views: &[(&str, &str)]) -> Files {
    let mut files = Files::new();
    let json = "{\n  \"title\": \"\",\n  \"description\": \"\",\n  \"enabled\": true,\n  \"inheritable\": false,\n  \"parent\": \"\"\n}";
    files.insert(format!("projects/{name}/project.json"), json.as_bytes().to_vec());
    for (view, content) in views {
        let folder = format!("projects/{name}/com.inductiveautomation.perspective/views/{view}");
        let body = format!("{{\n  \"root\": {{\n    \"text\": \"{content}\"\n  }}\n}}");
        files.extend(resource(&folder, "view.json", &body));
    }
    files
}
