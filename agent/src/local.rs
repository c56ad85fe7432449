//! What is known of the disk beside us, and the look at every file of the tree. Once the kernel tells of
//! changes, a look costs what has changed since the last one; without that, it walks.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millwright_model::{
    manifest::Manifest,
    path::{ManagedPath, never_touch},
};

use crate::{
    fs::{Done, inventory::Inventory, watched::Watched},
    snapshot::Store,
};

/// A look that the kernel does not keep up to date counts no more after this: people may have saved.
const SEEN_FRESH: Duration = Duration::from_secs(2);

/// What is known of the disk; used inside blocking jobs only, never across a wait.
#[derive(Debug)]
pub struct Local {
    /// The files of the tree as they were last seen.
    pub inventory: Inventory,
    /// Snapshots and pre-images.
    pub store: Store,
    /// The manifest that is applied.
    pub applied: Option<Arc<Manifest>>,
    watched: Option<Watched>,
    seen: Option<Seen>,
}

/// A look: below these roots the inventory was complete then.
#[derive(Debug)]
struct Seen {
    at: Instant,
    roots: Vec<ManagedPath>,
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

    /// Forgets what was read: the next look reads every file.
    pub fn forget(&mut self) {
        self.seen = None;
        self.inventory.clear();
    }

    /// Looks at every file below these roots: the inventory has them then as they are now.
    pub fn look(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<()> {
        match self.keep_up_to_date(data_dir, roots) {
            true => Ok(()),
            false => self.look_anew(data_dir, roots),
        }
    }

    /// The same; a look of a moment ago is enough where the kernel does not tell.
    pub fn look_lately(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<()> {
        let is_fresh = |seen: &Seen| seen.roots == roots && seen.at.elapsed() < SEEN_FRESH;
        let fresh = self.seen.as_ref().is_some_and(is_fresh);
        match self.keep_up_to_date(data_dir, roots) || fresh {
            true => Ok(()),
            false => self.look_anew(data_dir, roots),
        }
    }

    /// Walks the whole tree, whatever the kernel has told.
    pub fn look_anew(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> Done<()> {
        self.seen = None;
        if let Some(watched) = &mut self.watched {
            watched.begin();
        }
        self.inventory.walk_all(data_dir, roots)?;
        self.seen = Some(Seen { at: Instant::now(), roots: roots.to_vec() });
        Ok(())
    }

    /// Looks at what has changed since the last look. `false` when the kernel cannot vouch for it, or
    /// when what changed cannot be looked at: a walk says then what is the matter.
    fn keep_up_to_date(&mut self, data_dir: &Path, roots: &[ManagedPath]) -> bool {
        let Some(seen) = self.seen.take().filter(|seen| seen.roots == roots) else { return false };
        let Some(changed) = self.watched.as_mut().and_then(|watched| watched.changes(roots)) else {
            return false;
        };
        let mut last: Option<&Path> = None;
        for path in &changed {
            // What lies below the last one has been looked at with it, and may be gone.
            if last.is_none_or(|last| !path.starts_with(last)) {
                if refresh(&mut self.inventory, data_dir, path).is_err() {
                    return false;
                }
                last = Some(path);
            }
        }
        self.seen = Some(Seen { at: Instant::now(), ..seen });
        true
    }
}

/// Looks again at one path and at all that lies below it.
fn refresh(inventory: &mut Inventory, data_dir: &Path, path: &Path) -> Done<()> {
    let relative = path.strip_prefix(data_dir).ok().and_then(Path::to_str);
    // A name that is no managed path is nobody's: a walk leaves it out too.
    let Some(path) = relative.and_then(|relative| ManagedPath::parse(relative).ok()) else {
        return Ok(());
    };
    match never_touch(&path) {
        Some(_) => Ok(()),
        None => inventory.walk(data_dir, &path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use millwright_model::digest::Digest;
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

    fn digests(inventory: &Inventory) -> Vec<(ManagedPath, Digest)> {
        let roots = [path("projects/p")];
        let files = inventory.below(&roots);
        files.map(|(path, known)| (path, known.digest)).collect()
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

    /// Tells whether something was moved.
    fn carry_out(root: &Path, deed: &Deed) -> bool {
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
                return fs::rename(root.join(from), root.join(to)).is_ok();
            }
        }
        false
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
                let moves = deeds.iter().filter(|deed| carry_out(&root, deed)).count();
                if !local.keep_up_to_date(&data, &roots) {
                    prop_assert!(moves > 0, "the tree is watched");
                    prop_assert!(!local.watches(&BTreeSet::from(roots.clone())));
                    watch(&mut local, dir.path(), &roots);
                    local.look(&data, &roots).unwrap();
                }
                let mut walked = Inventory::default();
                walked.walk_all(&data, &roots).unwrap();
                prop_assert_eq!(digests(&local.inventory), digests(&walked));
            }
        }
    }

    #[test]
    fn a_look_that_nothing_changed_walks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects/p")).unwrap();
        fs::write(data.join("projects/p/a"), "1").unwrap();
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        local.look(&data, &roots).unwrap();
        assert!(!local.keep_up_to_date(&data, &roots), "nothing is watched");
        watch(&mut local, dir.path(), &roots);
        local.look_anew(&data, &roots).unwrap();
        assert!(local.keep_up_to_date(&data, &roots));
        let more = [path("projects/p"), path("projects/q")];
        assert!(!local.keep_up_to_date(&data, &more), "other roots");
        local.look_anew(&data, &roots).unwrap();
        local.forget();
        assert!(!local.keep_up_to_date(&data, &roots), "forgotten");
    }

    #[test]
    fn what_was_seen_before_the_watch_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects/p")).unwrap();
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        local.look(&data, &roots).unwrap();
        assert!(digests(&local.inventory).is_empty());
        fs::write(data.join("projects/p/a"), "1").unwrap();
        watch(&mut local, dir.path(), &roots);
        local.look_lately(&data, &roots).unwrap();
        assert_eq!(digests(&local.inventory).len(), 1);
    }

    #[test]
    fn a_tree_is_vouched_for_until_a_folder_is_moved_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let folder = data.join("projects/p");
        fs::create_dir_all(folder.join("one")).unwrap();
        let roots = [path("projects/p")];
        let mut local = local(dir.path());
        watch(&mut local, dir.path(), &roots);
        local.look_anew(&data, &roots).unwrap();
        // As programs do that never leave half a file.
        fs::write(folder.join("one/a.new"), "1").unwrap();
        fs::rename(folder.join("one/a.new"), folder.join("one/a")).unwrap();
        assert!(local.keep_up_to_date(&data, &roots));
        assert_eq!(digests(&local.inventory), [(path("projects/p/one/a"), Digest::of(b"1"))]);
        fs::rename(folder.join("one"), folder.join("two")).unwrap();
        assert!(!local.keep_up_to_date(&data, &roots));
        assert!(!local.watches(&BTreeSet::from(roots.clone())));
        watch(&mut local, dir.path(), &roots);
        local.look(&data, &roots).unwrap();
        fs::write(folder.join("two/b"), "2").unwrap();
        assert!(local.keep_up_to_date(&data, &roots));
        assert_eq!(digests(&local.inventory).len(), 2);
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
        assert!(!local.keep_up_to_date(&data, &roots));
        local.look(&data, &roots).unwrap();
        assert_eq!(digests(&local.inventory), [(path("projects/p/a"), Digest::of(b"new"))]);
    }
}
