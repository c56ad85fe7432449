//! Keeps every `resource.json` true to its files: after a change of a resource its stamp and
//! signature are renewed, as the gateway itself would do.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_model::{
    manifest::{Dir, Entry},
    path::ManagedPath,
    resource::Signatures,
};

use super::{Files, Made, RenderError, Warning, key_of, made::Making};
use crate::{
    resource_json::{RESOURCE_JSON, ResourceFault, ResourceJson, restamp, strip},
    signature::{Form, Verdict, verify},
};

/// Contents by name.
type Contents = BTreeMap<String, Arc<[u8]>>;

/// Verdicts kept: resources that rules change, of a few commits.
const VERDICTS_MAX: usize = 65_536;

/// What stamping gives.
pub(super) struct Stamped {
    pub(super) made: Files,
    /// When each directory of a resource was changed.
    pub(super) changed: Vec<(ManagedPath, i64)>,
    pub(super) warnings: Vec<Warning>,
}

impl Making<'_> {
    /// The made files with the `resource.json` of every resource that they belong to.
    pub(super) fn stamped(&mut self, files: Files) -> Result<Stamped, RenderError> {
        let parents = files.keys().filter_map(ManagedPath::parent);
        let dirs: BTreeSet<ManagedPath> = parents.chain(self.layer.mixed.iter().cloned()).collect();
        let (mut all, mut changed, mut warnings) = (files, Vec::new(), Vec::new());
        for dir in dirs {
            let Ok(path) = dir.join(RESOURCE_JSON) else { continue };
            let layer = self.layer;
            let (Some(placed), Some(Entry::Dir(tree))) =
                (layer.files.get(&path), layer.tree.get(dir.as_str()))
            else {
                continue;
            };
            let seconds = self.changed_at(&dir, tree)?;
            changed.push((dir.clone(), seconds));
            let made_here: Vec<_> = names(tree)
                .filter_map(|name| Some((name, all.get(&dir.join(name).ok()?)?.node.digest)))
                .collect();
            let key = key_of(&("stamp", tree.digest(), &made_here, seconds, self.spec.signatures));
            if let Some(known) = self.engine.kept.made(&key) {
                all.extend(known.clone().map(|made| (path, made)));
                continue;
            }
            let verdict = self.verdict(&dir, tree)?;
            let fault = |fault| {
                let fault = Box::new(fault);
                RenderError::Resource { path: path.clone(), fault }
            };
            let now = self.contents(&dir, tree, &all)?;
            match stamp(&now, &verdict, self.spec.signatures, seconds).map_err(fault)? {
                Stamp::Nothing => {}
                Stamp::Text(text) => {
                    let made = Made::of(text.into_bytes(), placed.mode);
                    self.engine.kept.keep(key, Some(Arc::clone(&made)));
                    all.insert(path, made);
                }
                Stamp::Warning(text) => warnings.push(Warning(format!("{path}: {text}"))),
            }
        }
        Ok(Stamped { made: all, changed, warnings })
    }

    /// When a resource was changed in git: the newest of the directories that its files come from.
    pub(super) fn changed_at(&self, dir: &ManagedPath, tree: &Dir) -> Result<i64, RenderError> {
        let mut origins = BTreeSet::new();
        for name in names(tree) {
            if let Some(placed) = dir.join(name).ok().and_then(|p| self.layer.files.get(&p)) {
                origins.insert(placed.origin.rsplit_once('/').map_or("", |(above, _)| above));
            }
        }
        let mut times = origins.into_iter().map(|origin| self.source.changed_at(origin));
        times.try_fold(0, |newest, time| Ok(newest.max(time?)))
    }

    /// What the signature is worth in git.
    fn verdict(&mut self, dir: &ManagedPath, tree: &Dir) -> Result<Verdict, RenderError> {
        if let Some(known) = self.engine.verdicts.get(&tree.digest()) {
            return Ok(known.clone());
        }
        let contents = self.contents(dir, tree, &Files::new())?;
        let fault = |fault| RenderError::Resource {
            path: dir.join(RESOURCE_JSON).expect("it was joined before"),
            fault: Box::new(fault),
        };
        let text = text(&contents).map_err(fault)?;
        let resource = ResourceJson::parse(text).map_err(fault)?;
        let verdict = verify(&resource, &payload(&contents));
        if self.engine.verdicts.len() >= VERDICTS_MAX {
            self.engine.verdicts.clear();
        }
        self.engine.verdicts.insert(tree.digest(), verdict.clone());
        Ok(verdict)
    }

    /// The files of one directory: made ones, else those of git.
    fn contents(
        &mut self,
        dir: &ManagedPath,
        tree: &Dir,
        made: &Files,
    ) -> Result<Contents, RenderError> {
        let mut contents = Contents::new();
        for name in names(tree) {
            let path = dir.join(name)?;
            let content = match (made.get(&path), self.layer.files.get(&path)) {
                (Some(made), _) => Arc::clone(&made.content),
                (None, Some(placed)) => self.engine.kept.blob(self.source, placed.id)?,
                (None, None) => continue,
            };
            contents.insert(name.to_owned(), content);
        }
        Ok(contents)
    }
}

/// Names of the files that are right in a directory.
pub(super) fn names(tree: &Dir) -> impl Iterator<Item = &str> {
    tree.entries().iter().filter_map(|(name, entry)| match entry {
        Entry::File(_) => Some(name.as_ref()),
        Entry::Dir(_) => None,
    })
}

fn text(contents: &Contents) -> Result<&str, ResourceFault> {
    let bytes = contents.get(RESOURCE_JSON).map_or(&b""[..], |content| content);
    std::str::from_utf8(bytes).map_err(|_| ResourceFault::Shape("its text (no UTF-8)"))
}

fn payload<'c>(contents: &'c Contents) -> impl Fn(&str) -> Option<Cow<'c, [u8]>> + 'c {
    move |name| contents.get(name).map(|content| Cow::Borrowed(content.as_ref()))
}

enum Stamp {
    Nothing,
    Text(String),
    Warning(String),
}

/// What becomes of a `resource.json` whose resource is changed; `verdict` is about git's state.
fn stamp(
    contents: &Contents,
    verdict: &Verdict,
    policy: Signatures,
    seconds: i64,
) -> Result<Stamp, ResourceFault> {
    let text = text(contents)?;
    let resource = ResourceJson::parse(text)?;
    let payload = payload(contents);
    if let Verdict::Valid(_) = verify(&resource, &payload) {
        return Ok(Stamp::Nothing);
    }
    let form = match (verdict, policy) {
        (Verdict::Absent, _) => return Ok(Stamp::Nothing),
        (Verdict::Valid(form), _) => *form,
        (Verdict::Stale | Verdict::MissingFile(_), Signatures::Keep) => return Ok(Stamp::Nothing),
        (Verdict::Stale | Verdict::MissingFile(_), Signatures::Strip) => {
            return Ok(match strip(text)? {
                Cow::Owned(stripped) => Stamp::Text(stripped),
                Cow::Borrowed(_) => Stamp::Nothing,
            });
        }
        (Verdict::MissingFile(name), Signatures::Repair) => {
            let message = format!("it lists {name:?}, which is not there; it will not be loaded");
            return Ok(Stamp::Warning(message));
        }
        (Verdict::Stale, Signatures::Repair) => Form::V83,
    };
    match restamp(text, seconds, form, &payload) {
        Ok(stamped) => Ok(Stamp::Text(stamped)),
        Err(ResourceFault::MissingFile(name)) => {
            Ok(Stamp::Warning(format!("it lists {name:?}, which is not there")))
        }
        Err(fault) => Err(fault),
    }
}
