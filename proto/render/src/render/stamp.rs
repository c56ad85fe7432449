//! Keeps every `resource.json` true to its files: after a change of a resource its stamp and
//! signature are renewed, as the gateway itself would do.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_model::{
    digest::{Digest, GitId},
    manifest::{Dir, Entry},
    path::ManagedPath,
    resource::Signatures,
};

use super::{Files, Made, Placed, RenderError, Warning, key_of, made::Making};
use crate::{
    resource_json::{RESOURCE_JSON, ResourceFault, ResourceJson, restamp, strip},
    signature::{Form, Verdict, verify},
};

/// Contents by name.
type Contents = BTreeMap<String, Arc<[u8]>>;

/// Verdicts kept: resources that rules change, of a few commits.
const VERDICTS_MAX: usize = 65_536;
/// Other resources that are asked for the form of theirs.
const FORMS_ASKED: usize = 100;
/// Forms kept: some mappings of a few commits.
const FORMS_MAX: usize = 256;

/// What stamping gives.
pub(super) struct Stamped {
    pub(super) made: Files,
    /// When each directory of a resource was changed.
    pub(super) changed: Vec<(ManagedPath, i64)>,
    pub(super) warnings: Vec<Warning>,
    /// A signature has the form of other resources: what those are in another commit matters too.
    pub(super) leans: bool,
}

impl Making<'_> {
    /// The made files with the `resource.json` of every resource that they belong to.
    pub(super) fn stamped(&mut self, files: Files) -> Result<Stamped, RenderError> {
        let parents = files.keys().filter_map(ManagedPath::parent);
        let dirs: BTreeSet<ManagedPath> = parents.chain(self.layer.mixed.iter().cloned()).collect();
        let (mut all, mut changed, mut warnings) = (files, Vec::new(), Vec::new());
        let mut leans = false;
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
            let fault = |fault| {
                let fault = Box::new(fault);
                RenderError::Resource { path: path.clone(), fault }
            };
            let (git, verdict) = self.verdict(&dir, tree, placed)?;
            let policy = self.spec.signatures;
            let form = match (&verdict, policy) {
                (Verdict::Valid(form), _) => *form,
                (Verdict::Stale, Signatures::Repair) => {
                    leans = true;
                    self.form_of(placed.mapping)?
                }
                (_, _) => Form::V83,
            };
            let key = key_of(&("stamp", git, &made_here, seconds, policy, form.as_str()));
            if let Some(known) = self.engine.kept.made(&key) {
                all.extend(known.clone().map(|made| (path, made)));
                continue;
            }
            let now = self.contents(&dir, tree, &all)?;
            match stamp(&now, &verdict, policy, form, seconds).map_err(fault)? {
                Stamp::Nothing => {}
                Stamp::Text(text) => {
                    let made = Made::of(text.into_bytes(), placed.mode);
                    self.engine.kept.keep(key, Some(Arc::clone(&made)));
                    all.insert(path, made);
                }
                Stamp::Warning(text) => warnings.push(Warning(format!("{path}: {text}"))),
            }
        }
        Ok(Stamped { made: all, changed, warnings, leans })
    }

    /// When a resource was changed in git: the newest of the directories that its files come from.
    pub(super) fn changed_at(&self, dir: &ManagedPath, tree: &Dir) -> Result<i64, RenderError> {
        let mut origins = BTreeSet::new();
        for name in names(tree) {
            if let Some(placed) = dir.join(name).ok().and_then(|p| self.layer.files.get(&p)) {
                origins.insert(placed.folder());
            }
        }
        let mut times = origins.into_iter().map(|origin| self.source.changed_at(origin));
        times.try_fold(0, |newest, time| Ok(newest.max(time?)))
    }

    /// What the signature is worth in git: over the files beside it there, or over those that it gets
    /// here, for whoever signs what mappings put together. With what decides it.
    fn verdict(
        &mut self,
        dir: &ManagedPath,
        tree: &Dir,
        resource: &Placed,
    ) -> Result<(Digest, Verdict), RenderError> {
        let mixed = self.layer.mixed.binary_search(dir).is_ok();
        let key = if mixed {
            key_of(&(tree.digest(), self.beside(dir, tree, resource)))
        } else {
            tree.digest()
        };
        if let Some(known) = self.engine.verdicts.get(&key) {
            return Ok((key, known.clone()));
        }
        let here = self.contents(dir, tree, &Files::new())?;
        let fault = |fault| RenderError::Resource {
            path: dir.join(RESOURCE_JSON).expect("it was joined before"),
            fault: Box::new(fault),
        };
        let text = text(&here).map_err(fault)?;
        let parsed = ResourceJson::parse(text).map_err(fault)?;
        let mut verdict = verify(&parsed, &payload(&here));
        if mixed && !matches!(verdict, Verdict::Valid(_)) {
            let mut beside = Contents::new();
            for (name, id) in self.beside(dir, tree, resource) {
                beside.insert(name.to_owned(), self.engine.kept.blob(self.source, id)?);
            }
            verdict = verify(&parsed, &payload(&beside));
        }
        if self.engine.verdicts.len() >= VERDICTS_MAX {
            self.engine.verdicts.clear();
        }
        self.engine.verdicts.insert(key, verdict.clone());
        Ok((key, verdict))
    }

    /// Git's files of one directory as its `resource.json` knows them.
    fn beside<'t>(
        &self,
        dir: &ManagedPath,
        tree: &'t Dir,
        resource: &Placed,
    ) -> Vec<(&'t str, GitId)> {
        let one = |name| Some((name, self.layer.beside(&dir.join(name).ok()?, resource)?.id));
        names(tree).filter_map(one).collect()
    }

    /// The form of the first valid signatures of a mapping: a resource whose own fits neither goes to
    /// the same gateway. The newer one when there is none.
    fn form_of(&mut self, mapping: usize) -> Result<Form, RenderError> {
        let layer = self.layer;
        let key = (layer.key, mapping);
        if let Some(known) = self.engine.forms.get(&key) {
            return Ok(*known);
        }
        let own = |(path, placed): &(&ManagedPath, &Placed)| {
            placed.mapping == mapping && path.file_name() == RESOURCE_JSON
        };
        let mut form = Form::V83;
        for (path, placed) in layer.files.iter().filter(own).take(FORMS_ASKED) {
            let Some(dir) = path.parent() else { continue };
            let Some(Entry::Dir(tree)) = layer.tree.get(dir.as_str()) else { continue };
            match self.verdict(&dir, tree, placed) {
                // Without files both forms are equal.
                Ok((_, Verdict::Valid(found))) if names(tree).nth(1).is_some() => {
                    form = found;
                    break;
                }
                Ok(_) | Err(RenderError::Resource { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if self.engine.forms.len() >= FORMS_MAX {
            self.engine.forms.clear();
        }
        self.engine.forms.insert(key, form);
        Ok(form)
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

/// What becomes of a `resource.json` whose resource is changed; `verdict` is about git's state, `form`
/// that of a new signature.
fn stamp(
    contents: &Contents,
    verdict: &Verdict,
    policy: Signatures,
    form: Form,
    seconds: i64,
) -> Result<Stamp, ResourceFault> {
    let text = text(contents)?;
    let resource = ResourceJson::parse(text)?;
    let payload = payload(contents);
    if let Verdict::Valid(_) = verify(&resource, &payload) {
        return Ok(Stamp::Nothing);
    }
    match (verdict, policy) {
        (Verdict::Absent, _) => return Ok(Stamp::Nothing),
        (Verdict::Valid(_), _) | (Verdict::Stale, Signatures::Repair) => {}
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
    }
    match restamp(text, seconds, form, &payload) {
        Ok(stamped) => Ok(Stamp::Text(stamped)),
        Err(ResourceFault::MissingFile(name)) => {
            Ok(Stamp::Warning(format!("it lists {name:?}, which is not there")))
        }
        Err(fault) => Err(fault),
    }
}
