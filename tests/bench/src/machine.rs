//! What the figures were measured on: cores, memory, kernel, file system, load, and what one fsync
//! costs; and what `/proc` says of a process.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::stats::{median, percentile, rounded};

/// Writes for the fsync figure.
const FSYNC_ROUNDS: usize = 100;
/// Clock ticks of a second in `/proc/PID/stat`: fixed on Linux since 2.4.
const TICKS: f64 = 100.0;

/// A thousand connections need a thousand descriptors.
pub fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without more, a smaller number of agents still works.
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn line_of(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Load average of the last minute.
pub fn load() -> f64 {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

/// Type of the file system that holds a folder.
fn file_system(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind) = (words.next()?, words.next()?);
            dir.starts_with(at).then_some((at.len(), kind))
        })
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// Milliseconds that appending 4 KiB and `fdatasync` take on the disk of a folder: median and p99.
fn fsync(dir: &Path) -> anyhow::Result<(f64, f64)> {
    let path = dir.join("fsync");
    let mut file = File::create(&path)?;
    let mut took = Vec::with_capacity(FSYNC_ROUNDS);
    for _ in 0..FSYNC_ROUNDS {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(milliseconds(began.elapsed()));
    }
    fs::remove_file(path)?;
    Ok((rounded(median(&took)), rounded(percentile(&took, 99.0))))
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The machine as a JSON object.
pub fn describe(dir: &Path) -> anyhow::Result<Value> {
    let cores = std::thread::available_parallelism()?.get();
    let memory = line_of("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (median, p99) = fsync(dir)?;
    Ok(json!({
        "cores": cores,
        "cpu": line_of("/proc/cpuinfo", "model name").unwrap_or_default(),
        "memoryGiB": memory.unwrap_or(0).div_ceil(1 << 20),
        "kernel": kernel.trim(),
        "fileSystem": file_system(dir),
        "fsyncMs": {"median": median, "p99": p99},
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    }))
}

/// CPU time that a process has used so far, in seconds.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold blanks.
    let rest = text.rsplit_once(')').context("an unknown form of stat")?.1;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok());
    Ok((ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS)
}

/// CPU time that this process has used so far, in milliseconds. On a machine that others load it says
/// more than a clock.
pub fn own_cpu_ms() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).map_or(0.0, milliseconds)
}

/// Bytes of a process in memory.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let line = line_of(&format!("/proc/{pid}/status"), "VmRSS").context("the process is gone")?;
    Ok(kilobytes(&line).context("an unknown form of VmRSS")? * 1024)
}

/// Most bytes that a process ever had in memory.
pub fn peak_bytes(pid: u32) -> anyhow::Result<u64> {
    let line = line_of(&format!("/proc/{pid}/status"), "VmHWM").context("the process is gone")?;
    Ok(kilobytes(&line).context("an unknown form of VmHWM")? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let dir = tempfile::tempdir().unwrap();
        let machine = describe(dir.path()).unwrap();
        assert!(machine["cores"].as_u64().unwrap() >= 1);
        assert!(machine["memoryGiB"].as_u64().unwrap() >= 1);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
