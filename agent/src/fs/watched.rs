//! What the kernel tells of a tree: which paths have changed since the last question, or that it cannot
//! say. It vouches for a tree only on a local Linux file system, while every folder could be watched.
//!
//! Events come late and in order. A file made in a folder of ours, watched by the same queue, comes
//! after everything that happened before it: once it is there, nothing is on its way.
//!
//! A folder that is moved takes its watch along, under a name that may be wrong or soon given up: after
//! such a move a tree is vouched for only when it is watched anew.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use millwright_model::path::ManagedPath;

use super::{
    clear_dir,
    kernel::{Folders, Happened, Telling},
};

/// Paths remembered between two questions; with more, a walk is as good.
const PATHS_MAX: usize = 2_000;
/// How long the kernel may take to tell of a file of ours.
const CATCH_UP: Duration = Duration::from_secs(2);
/// File systems on which every change is made by this kernel, by their numbers in `statfs(2)`: ext2 to
/// ext4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlayfs.
const LOCAL: [u64; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630];

/// Something the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something happened at this path.
    Path(PathBuf),
    /// It lost count.
    LostCount,
}

/// A watched tree.
#[derive(Debug)]
pub struct Watched {
    shared: Arc<Shared>,
    _telling: Telling,
    cookies: PathBuf,
    roots: Vec<Root>,
    /// Whether everything is watched, on a file system where that is enough.
    whole: bool,
}

#[derive(Debug)]
struct Root {
    path: ManagedPath,
    at: PathBuf,
    /// Device and inode when it was watched: another folder under its name is not watched.
    identity: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    changed: BTreeSet<PathBuf>,
    lost: bool,
    /// Whether a folder may have another name than it is told of under.
    muddled: bool,
    /// Number of the newest cookie that came, and of the newest that was made.
    cookie: u64,
    cookies_made: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, told: &Told) {
        let mut state = self.lock();
        match told {
            Told::Path(path) if state.changed.len() < PATHS_MAX => {
                state.changed.insert(path.clone());
            }
            Told::Path(_) | Told::LostCount => state.lost = true,
        }
    }

    fn is_muddled(&self) -> bool {
        self.lock().muddled
    }

    fn came(&self, number: u64) {
        let mut state = self.lock();
        state.cookie = state.cookie.max(number);
        drop(state);
        self.arrived.notify_all();
    }
}

fn identity(at: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(at).ok().filter(fs::Metadata::is_dir).map(|meta| (meta.dev(), meta.ino()))
}

fn is_local(at: &Path) -> bool {
    rustix::fs::statfs(at)
        .is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| LOCAL.contains(&kind)))
}

/// A cookie is for us alone.
fn handle(happened: Happened, shared: &Shared, cookies: &Path, tell: &impl Fn(Told)) {
    let told = match happened {
        Happened::Muddled => {
            shared.lock().muddled = true;
            return;
        }
        Happened::At(path) if path.starts_with(cookies) => {
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            return number.into_iter().for_each(|number| shared.came(number));
        }
        Happened::At(path) => Told::Path(path),
        Happened::LostCount => Told::LostCount,
    };
    shared.note(&told);
    tell(told);
}

impl Watched {
    /// Watches roots of a data directory; `cookies` is a folder of ours. Everything that happens is
    /// told at once, too.
    pub fn start(
        data_dir: &Path,
        roots: &[ManagedPath],
        cookies: &Path,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<Self> {
        // Cookies of a process that was killed would be taken for ours.
        clear_dir(cookies).map_err(io::Error::other)?;
        let mut folders = Folders::new()?;
        folders.add(cookies)?;
        let mut whole = true;
        let mut watched = Vec::with_capacity(roots.len());
        for root in roots {
            let at = data_dir.join(root.as_str());
            let identity = identity(&at);
            whole &= identity.is_some() && is_local(&at);
            if super::exists(&at)
                && let Err(error) = folders.add(&at)
            {
                whole = false;
                tracing::warn!(
                    %error,
                    path = %at.display(),
                    "changes here are noticed by full comparisons only; raise fs.inotify.max_user_watches"
                );
            }
            watched.push(Root { path: root.clone(), at, identity });
        }
        let shared = Arc::new(Shared::default());
        let (for_handler, own) = (Arc::clone(&shared), cookies.to_owned());
        let telling = folders.tell(move |happened| handle(happened, &for_handler, &own, &tell))?;
        let cookies = cookies.to_owned();
        Ok(Self { shared, _telling: telling, cookies, roots: watched, whole })
    }

    /// Whether it watches exactly these, and they and all in them are still where they were.
    pub fn is_of(&self, roots: &BTreeSet<ManagedPath>) -> bool {
        self.roots.iter().map(|root| &root.path).eq(roots.iter())
            && self.roots.iter().all(Root::is_the_same)
            && !self.shared.is_muddled()
    }

    /// From now on is remembered what changes: a walk follows that sees everything before.
    pub fn begin(&mut self) {
        self.catch_up();
        let mut state = self.shared.lock();
        state.changed.clear();
        state.lost = false;
    }

    /// What has changed below these roots, and perhaps elsewhere, since the last question; `None` when
    /// nobody can say.
    pub fn changes(&mut self, roots: &[ManagedPath]) -> Option<BTreeSet<PathBuf>> {
        let watched =
            |root: &ManagedPath| self.roots.iter().any(|own| root.starts_with_dir(&own.path));
        if !self.whole || !roots.iter().all(watched) || !self.catch_up() {
            return None;
        }
        let changed = self.taken()?;
        let vouches = self.roots.iter().all(Root::is_the_same) && !self.shared.is_muddled();
        vouches.then_some(changed)
    }

    fn taken(&self) -> Option<BTreeSet<PathBuf>> {
        let mut state = self.shared.lock();
        (!state.lost).then(|| std::mem::take(&mut state.changed))
    }

    /// Waits until everything that has happened so far has been told; `false` when that takes too long.
    fn catch_up(&self) -> bool {
        let number = {
            let mut state = self.shared.lock();
            state.cookies_made += 1;
            state.cookies_made
        };
        let at = self.cookies.join(number.to_string());
        let made = fs::File::create(&at).is_ok();
        let came = made && {
            let state = self.shared.lock();
            let waited = self
                .shared
                .arrived
                .wait_timeout_while(state, CATCH_UP, |state| state.cookie < number);
            waited.is_ok_and(|(state, _)| state.cookie >= number)
        };
        let _gone = fs::remove_file(at);
        came
    }
}

impl Root {
    fn is_the_same(&self) -> bool {
        self.identity == identity(&self.at)
    }
}
