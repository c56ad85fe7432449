//! `{{.GatewayName}}`, `{{.Site}}`, `{{.Labels.k}}`, `{{.Vars.k}}` in sources and destinations.
//! Only values are put in; there are no expressions here.

use std::collections::BTreeMap;

/// What a template may name.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    values: BTreeMap<String, String>,
}

impl Vars {
    /// The values of one gateway; `vars` are already merged.
    pub fn new(
        gateway: &str,
        site: &str,
        labels: &BTreeMap<String, String>,
        vars: &BTreeMap<String, String>,
    ) -> Self {
        let mut values = BTreeMap::from([
            ("GatewayName".to_owned(), gateway.to_owned()),
            ("Site".to_owned(), site.to_owned()),
        ]);
        values.extend(labels.iter().map(|(k, v)| (format!("Labels.{k}"), v.clone())));
        values.extend(vars.iter().map(|(k, v)| (format!("Vars.{k}"), v.clone())));
        Self { values }
    }
}

/// A template that cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template, byte {offset}: {message}")]
pub struct TemplateError {
    /// Byte offset of the fault.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// The nearest known key.
    pub hint: Option<String>,
}

/// Text with every `{{.Key}}` replaced; text without `{{` is passed through.
pub fn expand(text: &str, vars: &Vars) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|found| at + found) {
        out.push_str(&text[at..open]);
        let fault = |message: String, hint| TemplateError { offset: open, message, hint };
        let close = text[open..]
            .find("}}")
            .map(|found| open + found)
            .ok_or_else(|| fault("'{{' is never closed".to_owned(), None))?;
        let inner = text[open + 2..close].trim();
        let key = inner
            .strip_prefix('.')
            .ok_or_else(|| fault(format!("expected a key such as .Site, found {inner:?}"), None))?;
        let value = vars.values.get(key).ok_or_else(|| {
            let hint = nearest(key, vars.values.keys().map(String::as_str));
            fault(format!("unknown key .{key}"), hint.map(|near| format!(".{near}")))
        })?;
        out.push_str(value);
        at = close + 2;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// The candidate that a person probably meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let score =
        |candidate: &str| strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
    known
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_replaced_and_unknown_ones_are_errors() {
        let labels = BTreeMap::from([("area".to_owned(), "packing".to_owned())]);
        let vars = Vars::new("gw1", "north", &labels, &BTreeMap::new());
        assert_eq!(expand("a/{{.Site}}/{{ .Labels.area }}", &vars).unwrap(), "a/north/packing");
        assert_eq!(expand("plain", &vars).unwrap(), "plain");
        let error = expand("x/{{.Sitte}}", &vars).unwrap_err();
        assert_eq!((error.offset, error.hint.as_deref()), (2, Some(".Site")));
        assert!(expand("{{.Site", &vars).is_err());
        assert!(expand("{{Site}}", &vars).is_err());
    }
}
