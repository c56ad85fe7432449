//! The way back: from a file that a person changed on a gateway to the file that the repository
//! should have, so that rendering it gives what the person made.
//!
//! Three texts meet: what git has, what rendering makes of it, what the gateway has. What equals the
//! rendered text goes back to what git has: the template or the value that a rule replaced, stamp and
//! signature. What a person changed is taken over, also where a rule will replace it again; such
//! fields are named. The answer is checked by rendering it; what cannot be decided is returned as
//! such, never guessed.

mod fresh;
mod merge;
mod template;

use std::borrow::Cow;

use millwright_model::path::ManagedPath;

use self::{
    merge::{Order, merge},
    template::unexpand,
};
use crate::{
    json_edit::{Document, Json, rewrite},
    render::{Engine, Origin, RenderError, Source},
    resource_json::{MODIFICATION, RESOURCE_JSON},
    signature::SIGNATURE,
    spec::RenderSpec,
};

/// What the repository should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unrendered {
    /// A file, new or changed or as it is.
    File {
        /// Path in the repository.
        origin: String,
        /// Its bytes.
        content: Vec<u8>,
        /// Whether rendering it gives the gateway's bytes. Stamps and signatures, which rendering
        /// writes anew, are not looked at.
        exact: bool,
        /// Fields that a person changed although a rule sets them: the next render does it again.
        overridden: Vec<String>,
    },
    /// No file any more.
    Deleted {
        /// Path in the repository.
        origin: String,
    },
    /// No mapping gives this path.
    Unmapped,
    /// A person must decide.
    Ambiguous(Ambiguity),
}

/// Why nobody but a person can decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// A new file, and more than one mapping could hold it.
    #[error("it could come from {}", .0.join(" or "))]
    Origins(Vec<String>),
    /// The repository's file goes to more than one place.
    #[error("{origin} is also mapped to {}", others.join(", "))]
    Destinations {
        /// Path in the repository.
        origin: String,
        /// The other places.
        others: Vec<String>,
    },
    /// A file is gone, but it lay over another one, which would come in its place.
    #[error("{origin} lies over {}, which would come in its place", beneath.join(", "))]
    Beneath {
        /// Path in the repository.
        origin: String,
        /// What it lies over.
        beneath: Vec<String>,
    },
    /// A new file that no render would take.
    #[error("{origin}: {why}")]
    Refused {
        /// Path in the repository.
        origin: String,
        /// By which rule.
        why: String,
    },
    /// The change touches what a template made.
    #[error("{origin}: the change touches what the template at byte {offset} made")]
    Template {
        /// Path in the repository.
        origin: String,
        /// In the rendered text.
        offset: usize,
    },
    /// Rules apply to the file, but it is no JSON any more, or never was.
    #[error("{origin}: {why}")]
    Unreadable {
        /// Path in the repository.
        origin: String,
        /// What is wrong.
        why: String,
    },
}

impl Engine {
    /// From a gateway's file back to the repository's; `None` stands for a file that is gone.
    pub fn unrender(
        &mut self,
        spec: &RenderSpec,
        source: &dyn Source,
        path: &ManagedPath,
        content: Option<&[u8]>,
    ) -> Result<Unrendered, RenderError> {
        let known = match self.origin(spec, source, path)? {
            Origin::File(known) => known,
            Origin::New(candidates) => {
                let Some(content) = content else { return Ok(Unrendered::Unmapped) };
                return Ok(match candidates.as_slice() {
                    [] => Unrendered::Unmapped,
                    [only] => self.fresh(spec, path, only, content)?,
                    many => {
                        let origins = many.iter().map(|one| one.origin.clone()).collect();
                        Unrendered::Ambiguous(Ambiguity::Origins(origins))
                    }
                });
            }
        };
        let origin = known.origin.clone();
        if !known.others.is_empty() {
            let others = known.others.iter().map(ToString::to_string).collect();
            return Ok(Unrendered::Ambiguous(Ambiguity::Destinations { origin, others }));
        }
        let Some(content) = content else {
            let beneath = known.beneath;
            return Ok(match beneath.is_empty() {
                true => Unrendered::Deleted { origin },
                false => Unrendered::Ambiguous(Ambiguity::Beneath { origin, beneath }),
            });
        };
        let three = Three {
            base: &known.git,
            rendered: &known.rendered,
            gateway: content,
            stamps: path.file_name() == RESOURCE_JSON,
        };
        let made = match three.merge(&known.expanded) {
            Ok(made) => made,
            Err(fault) => return Ok(Unrendered::Ambiguous(fault.at(origin))),
        };
        let mut best = None;
        for candidate in made.candidates {
            let Some(vars) = spec.vars.as_ref().filter(|_| known.template) else {
                let exact = self.gives(spec, path, &candidate, &three)?;
                best = better(best, (candidate, exact));
                continue;
            };
            match unexpand(&known.git, &candidate, vars) {
                Ok(unexpanded) => {
                    let again = millwright_model::template::expand_bytes(&unexpanded, vars);
                    let exact = match again {
                        Ok(again) => self.gives(spec, path, &again, &three)?,
                        Err(_) => false,
                    };
                    best = better(best, (unexpanded, exact));
                }
                Err(offset) if best.is_none() => {
                    let why = Ambiguity::Template { origin: origin.clone(), offset };
                    return Ok(Unrendered::Ambiguous(why));
                }
                Err(_) => {}
            }
        }
        let (content, exact) = best.expect("a merge has a candidate");
        Ok(Unrendered::File { origin, content, exact, overridden: made.overridden })
    }

    /// Whether the rules make the gateway's bytes of a text, stamps aside. A text that they cannot change
    /// gives none: a person took out what a rule asks for.
    fn gives(
        &mut self,
        spec: &RenderSpec,
        path: &ManagedPath,
        text: &[u8],
        three: &Three<'_>,
    ) -> Result<bool, RenderError> {
        let made = match self.apply_rules(spec, path, text) {
            Err(RenderError::Normalize { .. }) => return Ok(false),
            made => made?,
        };
        let made = made.as_deref().unwrap_or(text);
        if three.stamps {
            let plain = |bytes: &[u8]| parsed(bytes).map(|value| unstamped(&value)).ok();
            return Ok(plain(made) == plain(three.gateway));
        }
        Ok(made == three.gateway)
    }
}

fn better(best: Option<(Vec<u8>, bool)>, candidate: (Vec<u8>, bool)) -> Option<(Vec<u8>, bool)> {
    match best {
        Some(best) if best.1 || !candidate.1 => Some(best),
        Some(_) | None => Some(candidate),
    }
}

/// The texts that meet; `expanded` of [`Three::merge`] is git's after its templates.
struct Three<'a> {
    base: &'a [u8],
    rendered: &'a [u8],
    gateway: &'a [u8],
    /// Stamps and signatures are not a person's change.
    stamps: bool,
}

struct Merged {
    /// The preferred one first.
    candidates: Vec<Vec<u8>>,
    overridden: Vec<String>,
}

/// A fault before its origin is known.
struct Unreadable(String);

impl Unreadable {
    fn at(self, origin: String) -> Ambiguity {
        Ambiguity::Unreadable { origin, why: self.0 }
    }
}

fn parsed(bytes: &[u8]) -> Result<Json, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("no UTF-8 text".to_owned()))?;
    let document = Document::parse(text).map_err(|fault| Unreadable(fault.to_string()))?;
    document.value(document.root()).map_err(|fault| Unreadable(fault.to_string()))
}

/// A `resource.json` without its stamp and signature.
fn unstamped(value: &Json) -> Json {
    let Json::Object(members) = value else { return value.clone() };
    let plain = |(key, value): &(String, Json)| match (key.as_str(), value) {
        ("attributes", Json::Object(attributes)) => {
            let kept = attributes.iter().filter(|(k, _)| k != MODIFICATION && k != SIGNATURE);
            (key.clone(), Json::Object(kept.cloned().collect()))
        }
        _ => (key.clone(), value.clone()),
    };
    Json::Object(members.iter().map(plain).collect())
}

/// A `resource.json` with the stamp and signature of another.
fn stamped_as(value: &Json, other: &Json) -> Json {
    let attributes_of = |value: &Json| match value {
        Json::Object(members) => {
            members.iter().find(|(key, _)| key == "attributes").map(|(_, value)| value.clone())
        }
        _ => None,
    };
    let (Json::Object(members), Some(Json::Object(theirs))) = (value, attributes_of(other)) else {
        return value.clone();
    };
    let stamp = |key: &str| theirs.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    let taken = |(key, value): &(String, Json)| match key.as_str() {
        MODIFICATION | SIGNATURE => Some((key.clone(), stamp(key)?)),
        _ => Some((key.clone(), value.clone())),
    };
    let member = |(key, value): &(String, Json)| match (key.as_str(), value) {
        ("attributes", Json::Object(ours)) => {
            (key.clone(), Json::Object(ours.iter().filter_map(taken).collect()))
        }
        _ => (key.clone(), value.clone()),
    };
    Json::Object(members.iter().map(member).collect())
}

impl Three<'_> {
    /// What git's text, its templates filled in, should be.
    fn merge(&self, expanded: &[u8]) -> Result<Merged, Unreadable> {
        let plain =
            |content: &[u8]| Merged { candidates: vec![content.to_vec()], overridden: Vec::new() };
        if self.gateway == self.rendered {
            return Ok(plain(expanded));
        }
        if self.rendered == expanded && !self.stamps {
            return Ok(plain(self.gateway));
        }
        let (base, rendered, gateway) =
            (parsed(expanded)?, parsed(self.rendered)?, parsed(self.gateway)?);
        // Another stamp alone is nobody's change.
        let gateway = match self.stamps {
            true if unstamped(&gateway) == unstamped(&rendered) => return Ok(plain(expanded)),
            // Untouched by rules, the person's own stamp and signature are true.
            true if self.rendered == self.base => return Ok(plain(self.gateway)),
            true => stamped_as(&gateway, &rendered),
            false => gateway,
        };
        let on = |text: &[u8], merged: &Json| -> Result<Vec<u8>, Unreadable> {
            let text = String::from_utf8_lossy(text);
            let document = Document::parse(&text).map_err(|fault| Unreadable(fault.to_string()))?;
            Ok(rewrite(&document, merged).into_bytes())
        };
        let (ours, overridden) = merge(&base, &rendered, &gateway, Order::Git);
        let (theirs, _) = merge(&base, &rendered, &gateway, Order::Gateway);
        let candidates = vec![on(expanded, &ours)?, on(self.gateway, &theirs)?];
        Ok(Merged { candidates, overridden })
    }
}

/// Git's text with its templates filled in.
pub(crate) fn expanded<'g>(
    git: &'g [u8],
    spec: &RenderSpec,
    template: bool,
    origin: &str,
) -> Result<Cow<'g, [u8]>, RenderError> {
    match spec.vars.as_ref().filter(|_| template) {
        None => Ok(Cow::Borrowed(git)),
        Some(vars) => millwright_model::template::expand_bytes(git, vars).map_err(|error| {
            RenderError::Template { file: origin.to_owned(), error: Box::new(error) }
        }),
    }
}

#[cfg(test)]
mod tests;
