//! Tells the C library's allocator to give back what is freed. It keeps an arena for each thread and
//! whatever lies between two live blocks, which after the first apply of a large tree is more than the
//! agent needs for itself; and it listens only when a program starts. So the agent starts once more.

use std::{env, io, os::unix::process::CommandExt, process::Command};

/// See `mallopt(3)`. Blocks from 128 KiB on are mapped by themselves and unmapped when they are freed.
const SETTINGS: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "32768"),
    ("MALLOC_TOP_PAD_", "4096"),
];

/// Replaces this process by itself with the settings, unless it has some: those of an operator stay.
/// Returns only when there is nothing to do, or with the reason why it cannot be done.
pub fn settle() -> io::Result<()> {
    let is_set = SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some());
    if is_set || !cfg!(target_env = "gnu") {
        return Ok(());
    }
    let mut again = Command::new(env::current_exe()?);
    let mut args = env::args_os();
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    Err(again.args(args).envs(SETTINGS).exec())
}
