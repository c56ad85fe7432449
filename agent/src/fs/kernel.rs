//! What the kernel tells of folders. Each is watched by itself and known by the folder above it and its
//! own name: whole paths, thousands of which begin alike, are made only when something happens.
//!
//! One thread reads what is told, in order. A folder that is new is watched before it is told of: what
//! came into it earlier is there for whoever looks then, what comes later is told.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::{
    fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

/// Something the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Something at this path.
    At(PathBuf),
    /// Folders may have other names now than they are told of under.
    Muddled,
    /// Something that is not told of.
    LostCount,
}

/// What changes a tree; a file that is written is told of at each write.
const WANTED: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DONT_FOLLOW);
/// Room for some dozen events; one with the longest name has 272 bytes.
const READ_BYTES: usize = 4 << 10;

#[derive(Debug)]
struct Folder {
    /// Nothing for one that was asked for; its name is its path.
    above: Option<i32>,
    name: Box<OsStr>,
}

/// Watched folders, by the numbers that the kernel gave them.
#[derive(Debug)]
pub struct Folders {
    queue: Arc<OwnedFd>,
    known: HashMap<i32, Folder>,
}

/// A thread that tells; it ends when this is dropped.
#[derive(Debug)]
pub struct Telling {
    queue: Arc<OwnedFd>,
    stop: Arc<AtomicBool>,
}

impl Folders {
    /// None yet.
    pub fn new() -> io::Result<Self> {
        let queue = Arc::new(inotify::init(CreateFlags::CLOEXEC)?);
        Ok(Self { queue, known: HashMap::new() })
    }

    /// Watches a folder and all below it, links left out, or a single file.
    pub fn add(&mut self, at: &Path) -> io::Result<()> {
        self.add_below(at.to_owned(), None)
    }

    fn add_below(&mut self, at: PathBuf, above: Option<i32>) -> io::Result<()> {
        let mut open = vec![(at, above)];
        while let Some((at, above)) = open.pop() {
            let watch = match inotify::add_watch(&*self.queue, &at, WANTED) {
                Ok(watch) => watch,
                // Gone again, which is told of.
                Err(Errno::NOENT | Errno::NOTDIR) if above.is_some() => continue,
                Err(error) => return Err(error.into()),
            };
            let name = at.file_name().filter(|_| above.is_some()).unwrap_or(at.as_os_str());
            self.known.insert(watch, Folder { above, name: name.into() });
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => continue,
                    _ => return Err(error),
                },
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push((entry.path(), Some(watch)));
                }
            }
        }
        Ok(())
    }

    /// Tells from now on, also of what has happened since each folder was added.
    pub fn tell(mut self, mut tell: impl FnMut(Happened) + Send + 'static) -> io::Result<Telling> {
        // Its size is the number of folders from here on, for as long as the agent runs.
        self.known.shrink_to_fit();
        let (queue, stop) = (Arc::clone(&self.queue), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let queue = Arc::clone(&self.queue);
            let mut buffer = [MaybeUninit::uninit(); READ_BYTES];
            let mut events = Reader::new(&*queue, &mut buffer);
            while !stopped.load(Ordering::Acquire) {
                match events.next() {
                    Ok(event) => self.pass_on(&event, &mut tell),
                    Err(Errno::INTR) => {}
                    Err(_) => return tell(Happened::LostCount),
                }
            }
        })?;
        Ok(Telling { queue, stop })
    }

    fn pass_on(&mut self, event: &Event<'_>, tell: &mut impl FnMut(Happened)) {
        let (what, watch) = (event.events(), event.wd());
        if what.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::UNMOUNT) {
            tell(Happened::Muddled);
            tell(Happened::LostCount);
        }
        if what.contains(ReadFlags::IGNORED) {
            self.known.remove(&watch);
            return;
        }
        let Some(mut path) = self.path(watch) else { return };
        if let Some(name) = event.file_name() {
            path.push(OsStr::from_bytes(name.to_bytes()));
            let is_folder = what.contains(ReadFlags::ISDIR);
            if is_folder && what.intersects(ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO) {
                tell(Happened::Muddled);
            }
            if is_folder
                && what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
                && self.add_below(path.clone(), Some(watch)).is_err()
            {
                tell(Happened::Muddled);
            }
        }
        tell(Happened::At(path));
    }

    /// Where a folder is; nothing once one above it is gone.
    fn path(&self, mut watch: i32) -> Option<PathBuf> {
        let mut names: Vec<&OsStr> = Vec::new();
        // Names that are out of date could lead round in a circle.
        while names.len() <= self.known.len() {
            let folder = self.known.get(&watch)?;
            names.push(folder.name.as_ref());
            match folder.above {
                Some(above) => watch = above,
                None => return Some(names.into_iter().rev().collect()),
            }
        }
        None
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // The thread waits for an event, and the end of a watch is one. There is always a root.
        if let Ok(watch) = inotify::add_watch(&*self.queue, "/", WatchFlags::DELETE_SELF) {
            let _ended = inotify::remove_watch(&*self.queue, watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, RecvTimeoutError, channel},
        time::Duration,
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// Everything up to what is told of this path.
    fn up_to(told: &Receiver<Happened>, last: &Path) -> Vec<Happened> {
        let mut all = Vec::new();
        loop {
            let happened = told.recv_timeout(SOON).unwrap();
            all.push(happened.clone());
            if happened == Happened::At(last.to_owned()) {
                return all;
            }
        }
    }

    #[test]
    fn it_tells_of_folders_old_and_new_and_ends_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        let mut folders = Folders::new().unwrap();
        folders.add(&root).unwrap();
        assert!(folders.add(&dir.path().join("none")).is_err());
        let (tell, told) = channel();
        let telling = folders.tell(move |happened| tell.send(happened).unwrap_or(())).unwrap();
        let at = |path: &str| root.join(path);
        let named = |all: &[Happened], path: &str| all.contains(&Happened::At(at(path)));

        fs::write(at("a/b/file"), "1").unwrap();
        up_to(&told, &at("a/b/file"));
        fs::create_dir(at("a/new")).unwrap();
        let all = up_to(&told, &at("a/new"));
        assert!(!all.contains(&Happened::Muddled), "{all:?}");
        fs::write(at("a/new/file"), "1").unwrap();
        up_to(&told, &at("a/new/file"));

        fs::rename(at("a/new"), at("moved")).unwrap();
        let all = up_to(&told, &at("moved"));
        assert!(all.contains(&Happened::Muddled) && named(&all, "a/new"), "{all:?}");
        fs::write(at("moved/late"), "1").unwrap();
        up_to(&told, &at("moved/late"));
        fs::remove_dir_all(at("a")).unwrap();
        up_to(&told, &at("a"));
        fs::write(at("last"), "1").unwrap();
        up_to(&told, &at("last"));

        drop(telling);
        // The sender goes with the thread.
        let ended = std::iter::repeat_with(|| told.recv_timeout(SOON)).find_map(Result::err);
        assert_eq!(ended, Some(RecvTimeoutError::Disconnected));
    }
}
