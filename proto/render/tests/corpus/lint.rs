//! Lint over the real trees: it finds what is truly there.

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::digest::{Digest, GitId};
use millwright_render::{
    lint::lint,
    render::{FileKind, RenderError, Source, SourceFile},
};

use super::data;

/// A folder as a commit.
struct Folder {
    files: BTreeMap<String, Arc<[u8]>>,
    by_id: BTreeMap<GitId, Arc<[u8]>>,
}

fn id_of(content: &[u8]) -> GitId {
    GitId::from_slice(&Digest::of(content).as_bytes()[..20]).expect("20 bytes")
}

impl Folder {
    fn read(set: &data::Set) -> Self {
        let read = |file| Arc::<[u8]>::from(std::fs::read(file).expect("it is readable"));
        let files: BTreeMap<_, _> =
            set.files().into_iter().map(|(path, file)| (path, read(file))).collect();
        let by_id = files.values().map(|bytes| (id_of(bytes), Arc::clone(bytes))).collect();
        Self { files, by_id }
    }
}

impl Source for Folder {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        let below = |path: &str| match source {
            "" => Some(path.to_owned()),
            _ => path.strip_prefix(source)?.strip_prefix('/').map(str::to_owned),
        };
        let file = |(path, bytes): (&String, &Arc<[u8]>)| {
            Some(SourceFile {
                relative: below(path)?,
                id: id_of(bytes),
                kind: FileKind::Plain,
                digest: Digest::of(bytes),
                size: bytes.len() as u64,
            })
        };
        Ok(self.files.iter().filter_map(file).collect())
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        let found = self.by_id.get(&id).cloned();
        found.ok_or_else(|| RenderError::Content(format!("no object {id}")))
    }

    fn changed_at(&self, _: &str) -> Result<i64, RenderError> {
        Ok(0)
    }
}

fn resources(source: &str, destination: &str) -> String {
    format!(
        "apiVersion: millwright.dev/v1
kind: Gateway
metadata: {{name: gw}}
spec: {{site: a, profile: p}}
---
apiVersion: millwright.dev/v1
kind: SyncProfile
metadata: {{name: p}}
spec:
  mappings: [{{source: '{source}', destination: '{destination}'}}]
  allow: [config/resources/core]
"
    )
}

#[test]
fn the_real_trees_have_only_what_is_truly_there() {
    for (name, source, destination) in [
        ("HMS.bundle", ".", "projects/HMS"),
        ("MobileHMS.bundle", ".", "projects/MobileHMS"),
        ("plant-config.tar.gz", "plant-config", "config/resources/core"),
    ] {
        let Some(set) = data::unpack(name) else { continue };
        let folder = Folder::read(&set);
        let text = resources(source, destination);
        let report = lint(&[("fleet.yaml".to_owned(), text)], &folder);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &report.findings {
            *counts.entry(finding.rule.as_str()).or_default() += 1;
        }
        println!("{name}: {} files, findings {counts:?}", report.files);
        for finding in report.findings.iter().filter(|f| f.rule.as_str() != "signature").take(5) {
            println!("  {finding}");
        }
        match name {
            // Sanitised: 22 signatures do not fit, three users.json were taken out.
            "plant-config.tar.gz" => {
                assert_eq!(counts.get("signature"), Some(&22));
                assert_eq!(counts.get("missing-file"), Some(&3));
            }
            _ => assert_eq!(counts.get("signature"), None),
        }
    }
}
