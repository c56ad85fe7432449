//! Secrets in a gateway's JSON files, hidden from people who may see what changes and not what a
//! secret is. Known by the names of their fields, by the gateway's own shape of an encrypted value, and
//! by passwords in URLs; a secret that somebody wrote into a script is text like any other.
//!
//! Names of secrets that a provider keeps (`"type": "Referenced"`) are no secrets and stay.

mod part;

use std::{borrow::Cow, collections::BTreeMap};

use crate::json_edit::{Document, JsonPath, Kind, Segment};

/// What stands for a secret.
const HIDDEN: &str = "***";
/// What stands for a secret that is another one than before.
const HIDDEN_CHANGED: &str = "*** (changed)";
/// Ends of field names, in small letters without `_` and `-`, that hold a secret.
const FIELDS: [&str; 10] = [
    "password",
    "passwd",
    "passwordhash",
    "passphrase",
    "secret",
    "token",
    "tokenhash",
    "apikey",
    "privatekey",
    "privatekeypem",
];

/// A file that seems to hold secrets, but not in a way that they could be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no valid JSON and may hold secrets")]
pub struct Unmaskable;

/// Two states of a file, as a viewer may see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pair<'t> {
    /// Before.
    pub old: Cow<'t, str>,
    /// After; a secret that is not the same as before says so.
    pub new: Cow<'t, str>,
    /// Paths of the secrets, in order, each once.
    pub hidden: Vec<String>,
}

/// One secret: where it is, and whether it is a part of a string.
struct Secret {
    path: String,
    start: usize,
    end: usize,
    part: bool,
}

/// Paths of the secrets of a file.
pub fn secrets(path: &str, text: &str) -> Result<Vec<String>, Unmaskable> {
    Ok(find(path, text)?.into_iter().map(|secret| secret.path).collect())
}

/// Masks two states of a file; an absent one is empty.
pub fn pair<'t>(path: &str, old: &'t str, new: &'t str) -> Result<Pair<'t>, Unmaskable> {
    let (before, after) = (find(path, old)?, find(path, new)?);
    let known: BTreeMap<&str, &str> =
        before.iter().map(|s| (s.path.as_str(), &old[s.start..s.end])).collect();
    let mut hidden: Vec<String> = before.iter().chain(&after).map(|s| s.path.clone()).collect();
    hidden.sort();
    hidden.dedup();
    let changed = |secret: &Secret| {
        let now = &new[secret.start..secret.end];
        known.get(secret.path.as_str()).is_some_and(|then| *then != now)
    };
    Ok(Pair {
        new: hide(new, &after, |secret| if changed(secret) { HIDDEN_CHANGED } else { HIDDEN }),
        old: hide(old, &before, |_| HIDDEN),
        hidden,
    })
}

fn hide<'t>(
    text: &'t str,
    secrets: &[Secret],
    word: impl Fn(&Secret) -> &'static str,
) -> Cow<'t, str> {
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for secret in secrets {
        out.push_str(&text[at..secret.start]);
        let quote = if secret.part { "" } else { "\"" };
        out.push_str(&format!("{quote}{}{quote}", word(secret)));
        at = secret.end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// The secrets in the order of the text.
fn find(path: &str, text: &str) -> Result<Vec<Secret>, Unmaskable> {
    if !path.to_ascii_lowercase().ends_with(".json") || text.is_empty() {
        return Ok(Vec::new());
    }
    let Ok(document) = Document::parse(text) else {
        let small = squeezed(text);
        let words = FIELDS.iter().chain(&part::NAMES).chain(&["ciphertext"]);
        let suspect = words.into_iter().any(|word| small.contains(word))
            || text.lines().any(|line| !part::passwords(line).is_empty());
        return if suspect { Err(Unmaskable) } else { Ok(Vec::new()) };
    };
    let mut search = Search { document: &document, at: Vec::new(), found: Vec::new() };
    search.value(document.root(), false);
    Ok(search.found)
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

struct Search<'d, 't> {
    document: &'d Document<'t>,
    at: Vec<Segment>,
    found: Vec<Secret>,
}

impl Search<'_, '_> {
    fn value(&mut self, id: u32, named: bool) {
        let kind = self.document.kind(id);
        let type_is = |word: &str| {
            let of = self.document.member(id, "type").and_then(|of| self.document.string(of));
            of.is_some_and(|of| of == word)
        };
        match kind {
            Kind::Null | Kind::Bool => {}
            Kind::Number | Kind::String if named => {
                if self.document.raw(id) != "\"\"" {
                    self.secret(id);
                }
            }
            Kind::Number => {}
            Kind::String => self.parts(id),
            Kind::Object if type_is("Referenced") => {}
            Kind::Object if type_is("Embedded") => match self.document.member(id, "data") {
                Some(data) => self.child(id, data, |search| search.secret(data)),
                None => self.below(id, named),
            },
            Kind::Object | Kind::Array => self.below(id, named),
        }
    }

    fn below(&mut self, id: u32, named: bool) {
        let children: Vec<u32> = self.document.children(id).collect();
        for (at, child) in children.into_iter().enumerate() {
            let key = self.document.key(child);
            let own = key.as_deref().is_some_and(|key| {
                let key = squeezed(key);
                FIELDS.iter().any(|field| key.ends_with(field))
            });
            self.at.push(match key {
                Some(key) => Segment::Key(key.into_owned()),
                None => Segment::Index(i64::try_from(at).unwrap_or(i64::MAX)),
            });
            self.value(child, named || own);
            self.at.pop();
        }
    }

    fn child(&mut self, _of: u32, child: u32, each: impl FnOnce(&mut Self)) {
        let key = self.document.key(child).map(Cow::into_owned).unwrap_or_default();
        self.at.push(Segment::Key(key));
        each(self);
        self.at.pop();
    }

    fn secret(&mut self, id: u32) {
        let (start, end) = self.document.span(id);
        self.found.push(Secret { path: self.path(), start, end, part: false });
    }

    fn path(&self) -> String {
        JsonPath::of(self.at.clone()).to_string()
    }

    /// Passwords inside a string.
    fn parts(&mut self, id: u32) {
        let (start, _) = self.document.span(id);
        for (nth, (from, to)) in part::passwords(self.document.raw(id)).into_iter().enumerate() {
            let path = if nth == 0 { self.path() } else { format!("{}#{nth}", self.path()) };
            self.found.push(Secret { path, start: start + from, end: start + to, part: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, hidden: &str, paths: &[&str]) {
        let pair = pair("a/config.json", text, "").unwrap();
        assert_eq!((pair.old.as_ref(), pair.new.as_ref()), (hidden, ""));
        assert_eq!(pair.hidden, paths);
        assert_eq!(secrets("a/config.json", text).unwrap().is_empty(), paths.is_empty());
    }

    #[test]
    fn secrets_are_found_at_every_depth() {
        check("{\"a\": 1.0E10}", "{\"a\": 1.0E10}", &[]);
        check(
            r#"{"user": "sa", "password": "hunter2", "x": [{"pop3Password": 12}]}"#,
            r#"{"user": "sa", "password": "***", "x": [{"pop3Password": "***"}]}"#,
            &[".password", ".x[0].pop3Password"],
        );
        check(
            r#"{"clientSecret": {"type": "Embedded", "data": {"ciphertext": "AA", "tag": "BB"}}}"#,
            r#"{"clientSecret": {"type": "Embedded", "data": "***"}}"#,
            &[".clientSecret.data"],
        );
        // By its shape alone, whatever it is called.
        check(
            r#"{"x": {"type": "Embedded", "data": {"ciphertext": "AA"}}}"#,
            r#"{"x": {"type": "Embedded", "data": "***"}}"#,
            &[".x.data"],
        );
        let other = r#"{"private_key": {"pem": ["AA", "BB"]}, "API-Key": "k"}"#;
        check(
            other,
            r#"{"private_key": {"pem": ["***", "***"]}, "API-Key": "***"}"#,
            &[".\"API-Key\"", ".private_key.pem[0]", ".private_key.pem[1]"],
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            r#"{"password": "", "secret": null, "usePassword": true}"#,
            r#"{"password": {"type": "Referenced", "data": {"secretName": "DB_PASSWORD"}}}"#,
            r#"{"passwordPolicy": "strong", "tokens": 4}"#,
        ] {
            check(text, text, &[]);
        }
        assert!(secrets("code.py", "password = 'x'").unwrap().is_empty());
    }

    #[test]
    fn passwords_in_urls_are_hidden() {
        check(
            r#"{"connectURL": "jdbc:sqlserver://h;user=a;Password=b\u0026c;x=1"}"#,
            r#"{"connectURL": "jdbc:sqlserver://h;user=a;Password=***\u0026c;x=1"}"#,
            &[".connectURL"],
        );
        check(
            r#"{"u": "http://ann:p@ss:w@host:80/a@b?pwd=x&y=2"}"#,
            r#"{"u": "http://ann:***@host:80/a@b?pwd=***&y=2"}"#,
            &[".u", ".u#1"],
        );
    }

    #[test]
    fn passwords_are_found_however_the_string_is_spelled() {
        // As the gateway writes `=`, and with one in the password.
        check(
            r#"{"u": "jdbc:x://h;password\u003dhun\u003dter2;a\u003d1"}"#,
            r#"{"u": "jdbc:x://h;password\u003d***;a\u003d1"}"#,
            &[".u"],
        );
        for (text, hidden) in [
            (
                r#"{"u": "jdbc:x:\/\/a:hunter2\u0040h\/x"}"#,
                r#"{"u": "jdbc:x:\/\/a:***\u0040h\/x"}"#,
            ),
            (
                r#"{"u": "P\u0061ssword=a\\b\"c d,e\u003bx=1"}"#,
                r#"{"u": "P\u0061ssword=***\u003bx=1"}"#,
            ),
            (r#"{"u": "pwd = {a;b}}c};x=1"}"#, r#"{"u": "pwd = ***;x=1"}"#),
            (r#"{"u": "passwd\u003d\u0027a;b\u0027;x"}"#, r#"{"u": "passwd\u003d***;x"}"#),
            (r#"{"u": "password={a;b"}"#, r#"{"u": "password=***"}"#),
            (r#"{"u": "password=\ud800x\nuser=a"}"#, r#"{"u": "password=***\nuser=a"}"#),
            (r#"{"u": "pwd=äöü;x=ä"}"#, r#"{"u": "pwd=***;x=ä"}"#),
        ] {
            check(text, hidden, &[".u"]);
        }
        let none = r#"{"u": "password\u003d;x=1", "v": "http:\/\/a\u0040h", "w": "pwd"}"#;
        check(none, none, &[]);
    }

    #[test]
    fn a_changed_secret_says_so_and_no_more() {
        let of = |secret: &str| format!(r#"{{"password": "{secret}", "n": 1}}"#);
        let (one, two) = (of("one"), of("two"));
        let masked = pair("config.json", &one, &two).unwrap();
        assert_eq!(masked.old, r#"{"password": "***", "n": 1}"#);
        assert_eq!(masked.new, r#"{"password": "*** (changed)", "n": 1}"#);
        let same = pair("config.json", &one, &one).unwrap();
        assert_eq!(same.old, same.new);
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        assert_eq!(secrets("config.json", "{\"password\": \"x\""), Err(Unmaskable));
        assert_eq!(secrets("config.json", "{\"pass_word\": 1"), Err(Unmaskable));
        assert_eq!(secrets("config.json", "{\"u\": \"x;PWD=a\""), Err(Unmaskable));
        assert_eq!(secrets("config.json", "{\"u\": \"http://a:b@c\""), Err(Unmaskable));
        assert_eq!(secrets("config.json", "{\"other\": \"x\""), Ok(vec![]));
    }
}
