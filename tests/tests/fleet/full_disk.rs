//! A disk that is full at each step of a change. The whole plant runs with its gateway and agent on a
//! small file system in memory, in a mount namespace of its own: nothing is mounted outside of it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use gateway_sim::{Command, Kind};
use playground::plant::{Files, Settings, project, resource};
use serde_json::{Value, json};

use super::safe_apply::{Case, VIEW, kinds};

/// Reached only when something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);
/// Names the folder to mount; set for the copy of this test that runs in the namespace.
const MARK: &str = "MILLWRIGHT_TEST_SMALL_DISK";
const SIZE: &str = "size=24m,nr_inodes=4000";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_each_step_leaves_whole_files_and_is_named() -> anyhow::Result<()> {
    if let Some(dir) = std::env::var_os(MARK) {
        mount(Path::new(&dir))?;
        return fill_at_each_step(PathBuf::from(dir)).await;
    }
    playground::process::build_programs()?;
    let dir = tempfile::tempdir()?;
    let in_namespace = || {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command
    };
    let mut probe = in_namespace();
    let able = probe.args(["mount", "-t", "tmpfs", "none"]).arg(dir.path()).output();
    if !able.as_ref().is_ok_and(|done| done.status.success()) {
        println!("skipped: no file system can be mounted in a namespace of our own: {able:?}");
        return Ok(());
    }
    let done = in_namespace()
        .arg(std::env::current_exe()?)
        .args(["full_disk::a_full_disk_at_each_step_leaves_whole_files_and_is_named"])
        .args(["--exact", "--nocapture"])
        .env(MARK, dir.path())
        .output()?;
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

fn mount(dir: &Path) -> anyhow::Result<()> {
    let done = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", SIZE, "none"])
        .arg(dir)
        .status()?;
    anyhow::ensure!(done.success(), "cannot mount");
    Ok(())
}

/// Everything that is free, taken.
struct Filler {
    dir: PathBuf,
}

impl Filler {
    /// Leaves `free` bytes.
    fn bytes(disk: &Path, free: u64) -> anyhow::Result<Self> {
        let dir = disk.join("filler");
        fs::create_dir_all(&dir)?;
        let mut file = File::create(dir.join("bytes"))?;
        let block = vec![0; 4096];
        while file.write_all(&block).is_ok() {}
        let size = file.metadata()?.len();
        file.set_len(size.saturating_sub(free))?;
        Ok(Self { dir })
    }

    /// Leaves no file to be made.
    fn names(disk: &Path) -> anyhow::Result<Self> {
        let dir = disk.join("filler");
        fs::create_dir_all(&dir)?;
        let mut number = 0;
        while File::create(dir.join(number.to_string())).is_ok() {
            number += 1;
        }
        Ok(Self { dir })
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // What stays would be seen as a disk that is still full.
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

/// The project with many more views.
fn many(text: u32, content: impl Fn(u32) -> String) -> Files {
    let mut files = project("line", &[("main", &format!("text {text}"))]);
    for number in 0..200 {
        let folder = format!("projects/line/com.inductiveautomation.perspective/views/v{number}");
        let body = format!("{{\"root\": \"{}\"}}", content(number));
        files.extend(resource(&folder, "view.json", &body));
    }
    files
}

/// Waits until a file is not what it was when this was asked for.
async fn changed(
    case: &Case,
    path: &Path,
    before: Option<std::time::SystemTime>,
) -> anyhow::Result<()> {
    case.plant.sim.until(PATIENCE, |_| (stamp(path) != before).then_some(())).await
}

fn stamp(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn full(attempt: &Value, step: &str) {
    assert_eq!(kinds(attempt), ["disk_full"], "{step}: {attempt:#}");
    let failure = &attempt["failures"][0];
    assert_eq!(failure["step"], step, "{attempt:#}");
    assert_eq!(failure["remedy"], "free space on this file system, then retry");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("cannot ") && message.contains(": "), "{message}");
    let subject = failure["subject"].as_str().unwrap_or_default();
    assert!(subject.starts_with('/') && message.contains(subject), "{attempt:#}");
}

async fn fill_at_each_step(disk: PathBuf) -> anyhow::Result<()> {
    let mut settings = Settings { disk: Some(disk.clone()), ..Settings::default() };
    settings.agent.push_str("lock_wait = \"30s\"\n");
    let mut case = Case::of(settings).await?;
    before_anything_is_written(&mut case, &disk).await?;
    while_people_are_waited_for(&mut case, &disk).await?;
    while_the_lock_is_waited_for(&mut case, &disk).await?;
    over_the_commit(&mut case, &disk).await?;
    over_the_scan(&mut case, &disk).await?;
    case.change("applied").await?;
    case.runs(case.text)
}

async fn before_anything_is_written(case: &mut Case, disk: &Path) -> anyhow::Result<()> {
    let long = "x".repeat(600_000);
    let steps: [(&str, Files); 3] = [
        // More than fits, and it is counted before.
        ("preflight", project("line", &[("main", &long)])),
        // Small files that take a block each, more than their sizes say.
        ("fetch", many(2, |number| format!("view {number}"))),
        // The same content at many places: it comes once and is copied.
        ("stage", many(2, |_| "the same".to_owned())),
    ];
    for (step, files) in steps {
        let commit = case.plant.commit(&files)?;
        let filler = Filler::bytes(disk, 700_000)?;
        full(&case.plant.bring(&commit, "failed").await?, step);
        case.runs(1)?;
        drop(filler);
    }
    Ok(())
}

async fn while_people_are_waited_for(case: &mut Case, disk: &Path) -> anyhow::Result<()> {
    let session = json!({"kind": "designer", "user": "ann", "project": "line"});
    let id = case.plant.sim.open(serde_json::from_value(session)?);
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    let before = stamp(&staged);
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    changed(case, &staged, before).await?;
    let filler = Filler::bytes(disk, 0)?;
    case.sim(json!({"do": "close", "id": id})).await?;
    full(&case.plant.ended(&commit, "failed").await?, "snapshot");
    drop(filler);
    case.runs(1)
}

async fn while_the_lock_is_waited_for(case: &mut Case, disk: &Path) -> anyhow::Result<()> {
    let (commit, taken) = held_at_the_lock(case).await?;
    changed(case, &taken.0, taken.1).await?;
    let filler = Filler::bytes(disk, 0)?;
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    full(&case.plant.ended(&commit, "failed").await?, "lock");
    drop(filler);
    case.runs(1)
}

/// Follows the next text while somebody else holds the lock; also what changes once the agent has
/// taken its snapshot.
async fn held_at_the_lock(
    case: &mut Case,
) -> anyhow::Result<(String, (PathBuf, Option<std::time::SystemTime>))> {
    let lock = Command::Lock { kind: Kind::Projects, actor: "x".into(), hold_ms: 60_000 };
    case.plant.sim.run(lock).await?;
    let snapshots = case.plant.agent_dir.join("state/snapshots/list");
    let before = stamp(&snapshots);
    // New views beside the changed one: their folders must be made.
    case.text += 1;
    let text = format!("text {}", case.text);
    let names: Vec<String> = (0..20).map(|number| format!("other{number}")).collect();
    let mut views = vec![("main", text.as_str())];
    views.extend(names.iter().map(|name| (name.as_str(), text.as_str())));
    let files = project("line", &views);
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    Ok((commit, (snapshots, before)))
}

async fn over_the_commit(case: &mut Case, disk: &Path) -> anyhow::Result<()> {
    let (commit, taken) = held_at_the_lock(case).await?;
    changed(case, &taken.0, taken.1).await?;
    // Between the plan on disk and the first rename the gateway is asked who holds the lock.
    let slow = json!({"path": "/data/api/v1/scan-lock/projects", "method": "GET", "what": {"slow": {"ms": 1_500}}});
    case.sim(json!({"do": "fault", "fault": slow})).await?;
    let plan = case.plant.agent_dir.join("state/plan.pb");
    let before = stamp(&plan);
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    changed(case, &plan, before).await?;
    let filler = Filler::names(disk)?;
    full(&case.plant.ended(&commit, "rolledBack").await?, "commit");
    drop(filler);
    case.sim(json!({"do": "clearFaults"})).await?;
    case.runs(1)?;
    let views = Path::new(VIEW).ancestors().nth(2).expect("a view has a folder of views");
    let left = fs::read_dir(case.plant.data_dir.join(views))?.count();
    assert_eq!(left, 1, "half of the change is there");
    Ok(())
}

/// The new files are complete then: they are verified, remembered and told all the same.
async fn over_the_scan(case: &mut Case, disk: &Path) -> anyhow::Result<()> {
    case.plant.sim.set(|knobs| (knobs.scan.min_ms, knobs.scan.max_ms) = (1_000, 1_000));
    let files = case.next();
    let (view, text) = (case.plant.data_dir.join(VIEW), format!("text {}", case.text));
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    let written = |_: &gateway_sim::Sim| {
        fs::read_to_string(&view).is_ok_and(|live| live.contains(&text)).then_some(())
    };
    case.plant.sim.until(PATIENCE, written).await?;
    let filler = Filler::bytes(disk, 0)?;
    case.plant.ended(&commit, "applied").await?;
    drop(filler);
    case.plant.sim.set(|knobs| (knobs.scan.min_ms, knobs.scan.max_ms) = (50, 200));
    case.runs(case.text)
}
