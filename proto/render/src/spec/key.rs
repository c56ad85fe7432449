//! What a spec is known by: a digest over every field. Made for each gateway at each commit, so the
//! fields are written one after the other, each with its length, and not as text.

use millwright_model::{
    digest::{Digest, GitId},
    path::ManagedPath,
    resource::{Create, Limits, MaxDelete, Signatures, SourceKind},
};

use super::{RenderMapping, RenderSpec};
use crate::normalize::Rule;

/// What a spec is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecKey {
    /// Covers everything.
    pub whole: Digest,
    /// Covers everything but the commit itself.
    pub without_commit: Digest,
}

impl RenderSpec {
    /// Covers everything that decides a manifest.
    pub fn key(&self) -> SpecKey {
        let mut fields = Fields(Vec::with_capacity(1024));
        fields.spec(self);
        let without_commit = Digest::of(&fields.0);
        SpecKey { whole: at_commit(without_commit, self.commit), without_commit }
    }
}

/// A digest of something, at a commit.
pub(crate) fn at_commit(what: Digest, commit: GitId) -> Digest {
    let mut bytes = [0; 52];
    bytes[..32].copy_from_slice(&what.0);
    bytes[32..].copy_from_slice(&commit.0);
    Digest::of(&bytes)
}

/// Fields in their order; everything of variable length begins with it, so that no two specs have the
/// same bytes.
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn option(&mut self, number: Option<u64>) {
        self.0.push(u8::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) {
        self.number(texts.len() as u64);
        texts.for_each(|text| self.text(text));
    }

    fn spec(&mut self, spec: &RenderSpec) {
        let RenderSpec {
            repository,
            commit: _,
            profile,
            mappings,
            exclude_patterns,
            allow,
            normalize,
            signatures,
            limits: Limits { max_files, max_total_size },
            max_delete: MaxDelete { percent, files },
            vars,
        } = spec;
        self.text(repository.as_str());
        self.text(profile.as_str());
        self.number(mappings.len() as u64);
        for mapping in mappings {
            self.mapping(mapping);
        }
        self.texts(exclude_patterns.iter().map(String::as_str));
        self.texts(allow.iter().map(ManagedPath::as_str));
        self.number(normalize.len() as u64);
        for rule in normalize {
            self.rule(rule);
        }
        self.0.push(match signatures {
            Signatures::Repair => 0,
            Signatures::Strip => 1,
            Signatures::Keep => 2,
        });
        self.option(max_files.map(u64::from));
        self.option(max_total_size.map(|size| size.0));
        self.number(u64::from(*percent));
        self.number(u64::from(*files));
        // Rare: only for contents that are templates.
        if let Some(vars) = vars {
            self.text(&serde_json::to_string(vars).expect("vars have text keys only"));
        }
    }

    fn mapping(&mut self, mapping: &RenderMapping) {
        let RenderMapping {
            source,
            destination,
            keep_name,
            kind,
            include,
            exclude,
            required,
            template,
            max_size,
            label,
        } = mapping;
        self.text(source);
        self.text(destination.as_str());
        self.0.extend([*keep_name, *required, *template].map(u8::from));
        self.0.push(match kind {
            None => 0,
            Some(SourceKind::Dir) => 1,
            Some(SourceKind::File) => 2,
        });
        self.texts(include.iter().map(String::as_str));
        self.texts(exclude.iter().map(String::as_str));
        self.option(*max_size);
        self.text(label);
    }

    fn rule(&mut self, rule: &Rule) {
        let Rule { files, set, jq, delete, create } = rule;
        self.text(files);
        self.number(set.len() as u64);
        for (path, value) in set {
            self.text(path);
            self.text(value);
        }
        self.texts(jq.iter().map(String::as_str));
        self.texts(delete.iter().map(String::as_str));
        self.0.push(match create {
            Create::Yes => 0,
            Create::No => 1,
            Create::Error => 2,
        });
    }
}
