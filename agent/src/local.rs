//! What is known of the disk beside us, and the look at every file of the tree. Once the kernel tells of
//! changes, a look costs what has changed since the last one; without that, it walks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millwright_model::{
    manifest::Manifest,
    path::{ManagedPath, never_touch},
};

use crate::{
    fs::{
        Done,
        inventory::{Inventory, Known},
        watched::Watched,
    },
    snapshot::Store,
};

/// A look that the kernel does not keep up to date counts no more after this: people may have saved.
const SEEN_FRESH: Duration = Duration::from_secs(2);

/// Every file below some roots, by path. Shared: a look that nothing has changed copies nothing.
pub type Files = Arc<BTreeMap<ManagedPath, Known>>;

/// What is known of the disk; used inside blocking jobs only, never across a wait.
#[derive(Debug)]
pub struct Local {
    /// Digests of files that have not changed.
    pub inventory: Inventory,
    /// Snapshots and pre-images.
    pub store: Store,
    /// The manifest that is applied.
    pub applied: Option<Arc<Manifest>>,
    watched: Option<Watched>,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    roots: Vec<ManagedPath>,
    files: Files,
}

impl Local {
    /// Nothing looked at yet.
    pub fn new(inventory: Inventory, store: Store, applied: Option<Arc<Manifest>>) -> Self {
        Self { inventory, store, applied, watched: None, seen: None }
    }

    /// Whether exactly these roots are watched, where they are now.
    pub fn watches(&self, roots: &BTreeSet<ManagedPath>) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.is_of(roots))
    }

    /// Watches from now on what `start` gives. What was seen before is worth nothing then: nobody has
    /// told what happened in between.
    pub fn watch<E>(&mut self, start: impl FnOnce() -> Result<Watched, E>) -> Result<(), E> {
        self.seen = None;
        // The old one ends first: both would use the same folder.
        self.watched = None;
        self.watched = Some(start()?);
        Ok(())
    }

    /// Every file below these roots as it is now.
    pub fn look(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<Files> {
        match self.kept_up_to_date(data_dir, roots) {
            Some(files) => Ok(files),
            None => self.look_anew(data_dir, roots),
        }
    }

    /// The same; a look of a moment ago is enough where the kernel does not tell.
    pub fn just_seen(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<Files> {
        let last = self.seen.as_ref().filter(|s| s.roots == roots && s.at.elapsed() < SEEN_FRESH);
        let last = last.map(|seen| Arc::clone(&seen.files));
        match self.kept_up_to_date(data_dir, roots).or(last) {
            Some(files) => Ok(files),
            None => self.look_anew(data_dir, roots),
        }
    }

    /// Walks the whole tree, whatever the kernel has told.
    pub fn look_anew(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<Files> {
        self.seen = None;
        if let Some(watched) = &mut self.watched {
            watched.begin();
        }
        let files = Arc::new(self.inventory.walk_all(data_dir, roots)?);
        self.seen =
            Some(Seen { at: Instant::now(), roots: roots.to_vec(), files: Arc::clone(&files) });
        Ok(files)
    }

    /// The last look with what has changed since. `None` when the kernel cannot vouch for it, or when
    /// what changed cannot be looked at: a walk says then what is the matter.
    fn kept_up_to_date(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Option<Files> {
        let mut seen = self.seen.take().filter(|seen| seen.roots == roots)?;
        let changed = self.watched.as_mut()?.changes(roots)?;
        if !changed.is_empty() {
            let files = Arc::make_mut(&mut seen.files);
            let mut last: Option<&Path> = None;
            for path in &changed {
                // What lies below the last one has been looked at with it, and may be gone.
                if last.is_none_or(|last| !path.starts_with(last)) {
                    refresh(&mut self.inventory, data_dir, files, path).ok()?;
                    last = Some(path);
                }
            }
        }
        seen.at = Instant::now();
        let files = Arc::clone(&seen.files);
        self.seen = Some(seen);
        Some(files)
    }
}

/// Looks again at one path and at all that lies below it.
fn refresh(
    inventory: &mut Inventory,
    data_dir: &Path,
    files: &mut BTreeMap<ManagedPath, Known>,
    path: &Path,
) -> Done<()> {
    let relative = path.strip_prefix(data_dir).ok().and_then(Path::to_str);
    // A name that is no managed path is nobody's: a walk leaves it out too.
    let Some(path) = relative.and_then(|relative| ManagedPath::parse(relative).ok()) else {
        return Ok(());
    };
    if never_touch(&path).is_some() {
        return Ok(());
    }
    let gone: Vec<ManagedPath> = files
        .range(path.clone()..)
        .map(|(known, _)| known)
        .take_while(|known| known.as_str().starts_with(path.as_str()))
        .filter(|known| known.starts_with_dir(&path))
        .cloned()
        .collect();
    for known in &gone {
        files.remove(known);
    }
    files.extend(inventory.walk(data_dir, &path)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
    }

    fn local(dir: &Path) -> Local {
        Local::new(Inventory::default(), Store::open(&dir.join("snapshots")).unwrap(), None)
    }

    fn watch(local: &mut Local, dir: &Path, roots: &[ManagedPath]) {
        let cookies = dir.join("cookies");
        local.watch(|| Watched::start(&dir.join("data"), roots, &cookies, |_| ())).unwrap();
    }

    /// One thing that somebody does to a tree.
    #[derive(Debug, Clone)]
    enum Deed {
        Write(String, u8),
        Remove(String),
        Rename(String, String),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let name = || "[abc]{1}(/[abc]{1}){0,2}";
        let deed = prop_oneof![
            4 => (name(), any::<u8>()).prop_map(|(at, byte)| Deed::Write(at, byte)),
            1 => name().prop_map(Deed::Remove),
            1 => (name(), name()).prop_map(|(from, to)| Deed::Rename(from, to)),
        ];
        proptest::collection::vec(deed, 1..12)
    }

    fn carry_out(root: &Path, deed: &Deed) {
        // What cannot be done, since a file is in the way, is not done.
        match deed {
            Deed::Write(at, byte) => {
                let at = root.join(at);
                let _made = fs::create_dir_all(at.parent().unwrap());
                let _written = fs::write(at, [*byte]);
            }
            Deed::Remove(at) => {
                let _removed = fs::remove_file(root.join(at));
                let _removed = fs::remove_dir_all(root.join(at));
            }
            Deed::Rename(from, to) => {
                let _renamed = fs::rename(root.join(from), root.join(to));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]
        #[test]
        fn what_the_kernel_tells_is_what_a_walk_finds(
            before in deeds(),
            rounds in proptest::collection::vec(deeds(), 1..6),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("data/projects/p");
            fs::create_dir_all(&root).unwrap();
            for deed in &before {
                carry_out(&root, deed);
            }
            let data = dir.path().join("data");
            let roots = [path("projects/p")];
            let mut local = local(dir.path());
            watch(&mut local, dir.path(), &roots);
            local.look_anew(&data, &roots).unwrap();
            for deeds in rounds {
                for deed in &deeds {
                    carry_out(&root, deed);
                }
                let told = local.kept_up_to_date(&data, &roots);
                let walked = Inventory::default().walk_all(&data, &roots).unwrap();
                let told = told.expect("the tree is watched");
                let digests = |files: &BTreeMap<ManagedPath, Known>| {
                    files.iter().map(|(path, known)| (path.clone(), known.digest)).collect::<Vec<_>>()
                };
                prop_assert_eq!(digests(&told), digests(&walked));
            }
        }
    }

    #[test]
    fn a_look_that_nothing_changed_is_the_same_one() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects/p")).unwrap();
        fs::write(data.join("projects/p/a"), "1").unwrap();
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        let first = local.look(&data, &roots).unwrap();
        assert!(!Arc::ptr_eq(&first, &local.look(&data, &roots).unwrap()), "nothing is watched");
        watch(&mut local, dir.path(), &roots);
        let first = local.look_anew(&data, &roots).unwrap();
        assert!(Arc::ptr_eq(&first, &local.look(&data, &roots).unwrap()));
        assert!(Arc::ptr_eq(&first, &local.just_seen(&data, &roots).unwrap()));
        let more = [path("projects/p"), path("projects/q")];
        assert!(!Arc::ptr_eq(&first, &local.look(&data, &more).unwrap()), "other roots");
    }

    #[test]
    fn what_was_seen_before_the_watch_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects/p")).unwrap();
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        assert!(local.look(&data, &roots).unwrap().is_empty());
        fs::write(data.join("projects/p/a"), "1").unwrap();
        watch(&mut local, dir.path(), &roots);
        assert_eq!(local.look(&data, &roots).unwrap().len(), 1);
        assert_eq!(local.just_seen(&data, &roots).unwrap().len(), 1);
    }

    #[test]
    fn a_root_that_was_replaced_is_walked() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        for (above, content) in [("projects", "old"), ("aside", "new")] {
            fs::create_dir_all(data.join(above).join("p")).unwrap();
            fs::write(data.join(above).join("p/a"), content).unwrap();
        }
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        watch(&mut local, dir.path(), &roots);
        local.look_anew(&data, &roots).unwrap();
        // Neither the root nor anything in it is told of.
        fs::rename(data.join("projects"), data.join("before")).unwrap();
        fs::rename(data.join("aside"), data.join("projects")).unwrap();
        assert!(local.kept_up_to_date(&data, &roots).is_none());
        let files = local.look(&data, &roots).unwrap();
        let digest = millwright_model::digest::Digest::of(b"new");
        assert_eq!(files[&path("projects/p/a")].digest, digest);
    }
}
