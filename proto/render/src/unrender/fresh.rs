//! A file that a person made on the gateway: where the repository should have it, and whether a render
//! would give it back.

use std::borrow::Cow;

use millwright_model::{path::ManagedPath, template::expand_bytes};

use super::{
    Ambiguity, Unrendered,
    merge::{Order, merge},
    parsed,
    template::escaped,
};
use crate::{
    render::{Candidate, Engine, RenderError, allowed},
    spec::RenderSpec,
};

impl Engine {
    /// The file that the one mapping that could hold it should have.
    pub(super) fn fresh(
        &mut self,
        spec: &RenderSpec,
        path: &ManagedPath,
        candidate: &Candidate,
        content: &[u8],
    ) -> Result<Unrendered, RenderError> {
        let Candidate { origin, mapping } = candidate;
        let refused = |why: String| {
            Ok(Unrendered::Ambiguous(Ambiguity::Refused { origin: origin.clone(), why }))
        };
        if let Err(error) = allowed(path, &spec.allow) {
            return refused(error.to_string());
        }
        if let Some(max) = mapping.max_size.filter(|max| content.len() as u64 > *max) {
            let label = &mapping.label;
            return refused(format!(
                "it has {} bytes, more than maxSize {max} of {label}",
                content.len()
            ));
        }
        let mut text = Cow::Borrowed(content);
        if let (true, Some(vars)) = (mapping.template, &spec.vars) {
            let escaped = std::str::from_utf8(content).map(escaped).map(String::into_bytes);
            let escaped = escaped.unwrap_or_else(|_| content.to_vec());
            match expand_bytes(&escaped, vars) {
                Ok(again) if *again == *content => {}
                Ok(_) => return refused("it cannot be written as a template".to_owned()),
                Err(error) => return refused(error.to_string()),
            }
            text = Cow::Owned(escaped);
        }
        let made = match self.apply_rules(spec, path, content) {
            Ok(made) => made,
            Err(RenderError::Normalize { rule, fault, .. }) => {
                return refused(format!("normalize[{rule}]: {fault}"));
            }
            Err(error) => return Err(error),
        };
        let overridden = match made.as_deref().map(|made| (parsed(content), parsed(made))) {
            // What the rules would change is what the person wrote otherwise.
            Some((Ok(theirs), Ok(made))) => merge(&theirs, &made, &theirs, Order::Git).1,
            Some(_) | None => Vec::new(),
        };
        let exact = made.is_none_or(|made| made == content);
        Ok(Unrendered::File {
            origin: origin.clone(),
            content: text.into_owned(),
            exact,
            overridden,
        })
    }
}
