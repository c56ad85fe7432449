//! Findings as SARIF 2.1.0, which forges show beside the lines of a change.

use std::{collections::BTreeSet, path::Path};

use millwright_render::lint::{Finding, Report, Rule, Severity};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What a path in a URI reference may not have as it is; a slash separates.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The log. Files of the mappings are relative to `repo`, resources to where we are; both are told as
/// paths from where we are.
pub(super) fn log(report: &Report, repo: &Path) -> Value {
    let known: BTreeSet<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    let rules: Vec<Value> = known
        .iter()
        .map(|rule| {
            json!({"id": rule.as_str(),
                "defaultConfiguration": {"level": level(rule.severity())}})
        })
        .collect();
    let results: Vec<Value> = report.findings.iter().map(|one| result(one, repo)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "millctl", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(finding: &Finding, repo: &Path) -> Value {
    let mut result = json!({
        "ruleId": finding.rule.as_str(),
        "level": level(finding.rule.severity()),
        "message": {"text": finding.message},
    });
    if let Some(uri) = uri(&finding.file, repo) {
        let mut place = json!({"artifactLocation": {"uri": uri}});
        if let Some((line, column)) = finding.position {
            place["region"] = json!({"startLine": line, "startColumn": column});
        }
        result["locations"] = json!([{"physicalLocation": place}]);
    }
    result
}

/// A file as a URI reference; `None` for standard input and what is in no file.
fn uri(file: &str, repo: &Path) -> Option<String> {
    if file.is_empty() || file == "standard input" {
        return None;
    }
    let below = repo.join(file);
    // A resource's file is named as on the command line.
    let path = if Path::new(file).exists() || !below.exists() { file.into() } else { below };
    let parts = path.components().filter(|part| *part != std::path::Component::CurDir);
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    let text = parts.join("/");
    let absolute = text.starts_with('/');
    let encoded = utf8_percent_encode(text.trim_start_matches('/'), ESCAPED);
    Some(format!("{}{encoded}", if absolute { "file:///" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uri_references() {
        let nowhere = Path::new("/nowhere");
        for (file, wanted) in [
            ("./a b/c#1.json", Some("a%20b/c%231.json")),
            ("/x/ä.yaml", Some("file:///x/%C3%A4.yaml")),
            ("a:b/100%", Some("a%3Ab/100%25")),
            ("standard input", None),
            ("", None),
        ] {
            assert_eq!(uri(file, nowhere).as_deref(), wanted, "{file}");
        }
    }
}
