//! The agent is killed at every fault point of every kind of change. Afterwards the files are exactly
//! the old or exactly the new ones, no scan has ever run over anything else, and what the cluster
//! calls applied is what is on disk.

use std::path::Path;

use gateway_sim::Command;
use playground::{
    plant::{Files, Plant, Settings, configuration, project},
    process::{build_faulty_agent, build_programs},
    verify::tree,
};

/// More points than any scenario has; reached only if the agent never survives.
const POINTS_MAX: u64 = 300;

fn settings() -> Settings {
    Settings { program: "millwright-agent-faults", ..Settings::default() }
}

fn views(a: &str, b: &str) -> Files {
    project("line", &[("main", a), ("detail", b)])
}

/// The same with a database connection: its files are locked and scanned by themselves.
fn connected(a: &str, speed: u32) -> Files {
    let mut files = views(a, "same");
    files.extend(configuration("config/db", &format!("{{\"poolMaxActive\": {speed}}}")));
    files
}

/// Where the test's files are in the data directory, and in the repository.
const PLACES: [(&str, &str); 2] = [
    ("projects/line", "projects/line"),
    ("config/resources/core/ignition/database-connection/db", "config/db"),
];

/// The test's files in the data directory, as the repository names them.
fn files(data_dir: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for (there, name) in PLACES {
        let below = tree(&data_dir.join(there))?.into_iter();
        files.extend(below.map(|(path, content)| (format!("{name}/{path}"), content)));
    }
    Ok(files)
}

/// Kills the agent at one point after another while `change` is applied and `back` undoes it in
/// between; returns how many points there were.
struct Sweep {
    plant: Plant,
    whole: Vec<String>,
}

impl Sweep {
    async fn new(dir: &Path, start: &Files) -> anyhow::Result<(Self, String)> {
        let mut plant = Plant::start(dir, settings()).await?;
        let mut whole = vec![plant.sim.tree_digest()?];
        let commit = plant.commit(start)?;
        plant.start_agent(None, None)?;
        plant.bring(&commit, "applied").await?;
        whole.push(plant.sim.tree_digest()?);
        Ok((Self { plant, whole }, commit))
    }

    /// The gateway is at `from`; kills at point `n` on the way to `to`, lets the agent come back, and
    /// compares. `false` when the agent passed no such point.
    async fn kill_at(
        &mut self,
        n: u64,
        to: &str,
        result: &str,
        expected: &Files,
    ) -> anyhow::Result<bool> {
        let plant = &mut self.plant;
        plant.kill_agent().await?;
        plant.start_agent(Some(n), None)?;
        plant.follow(to).await?;
        let killed = plant.killed_or_ended(to).await?;
        // It may have been killed after its report was acknowledged.
        plant.kill_agent().await?;
        plant.start_agent(None, None)?;
        plant.ended(to, result).await?;
        let digest = plant.sim.tree_digest()?;
        if !self.whole.contains(&digest) {
            self.whole.push(digest);
        }
        assert_eq!(&files(&plant.data_dir)?, expected, "point {n}: the files are neither");
        let half = plant.sim.scans_of_other_trees(&self.whole);
        assert!(half.is_empty(), "point {n}: a scan ran over a half-written tree: {half:?}");
        Ok(killed)
    }

    async fn quietly(&mut self, to: &str) -> anyhow::Result<()> {
        self.plant.bring(to, "applied").await?;
        Ok(())
    }
}

/// One scenario from a start: the last point at which the agent was killed, of every `SHARDS`th
/// beginning with `first`.
async fn there_and_back(first: u64, old: &Files, new: &Files) -> anyhow::Result<u64> {
    let dir = tempfile::tempdir()?;
    let (mut sweep, start) = Sweep::new(dir.path(), old).await?;
    let end = sweep.plant.commit(new)?;
    // The way there and the way back are the same kind of change.
    let mut ways = [(&end, new), (&start, old)].into_iter().cycle();
    let mut points = 0;
    for n in (first..POINTS_MAX).step_by(SHARDS) {
        let (to, files) = ways.next().expect("endless");
        if !sweep.kill_at(n, to, "applied", files).await? {
            break;
        }
        points = n;
    }
    Ok(points)
}

/// How many plants share the points of a scenario: most of a round is waiting.
const SHARDS: usize = 3;

/// Runs the shards of a scenario at once, says how many points there were, and checks that they are
/// no fewer than a job has.
async fn sweep<F>(what: &str, least: u64, shard: impl Fn(u64) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<u64>>,
{
    build_programs()?;
    build_faulty_agent()?;
    let (a, b, c) = tokio::try_join!(shard(1), shard(2), shard(3))?;
    let points = a.max(b).max(c);
    println!("{what}: killed at {points} points");
    assert!(points > least, "only {points} points");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_whole_whenever_the_agent_is_killed() -> anyhow::Result<()> {
    let (old, new) = (&connected("one", 8), &connected("two", 9));
    sweep("modify", 20, |first| there_and_back(first, old, new)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_and_deleting_is_whole_whenever_the_agent_is_killed() -> anyhow::Result<()> {
    let old = &project("line", &[("main", "one"), ("old", "x")]);
    let new = &project("line", &[("main", "one"), ("new", "y")]);
    sweep("add and delete", 20, |first| there_and_back(first, old, new)).await
}

async fn restoring(first: u64) -> anyhow::Result<u64> {
    let dir = tempfile::tempdir()?;
    let old = views("one", "same");
    let (mut sweep, start) = Sweep::new(dir.path(), &old).await?;
    let mut bad = views("bad", "same");
    bad.extend(project("line", &[("refused", "z")]));
    let end = sweep.plant.commit(&bad)?;
    let view = "projects/line/com.inductiveautomation.perspective/views/refused".to_owned();
    sweep.plant.sim.set(|knobs| (knobs.notice_min_ms, knobs.notice_max_ms) = (0, 0));
    sweep.plant.sim.run(Command::Refuse { resource: view }).await?;
    // The new files are read once before they are refused.
    sweep.plant.bring(&end, "rolledBack").await?;
    let seen = sweep.plant.sim.scans().into_iter().filter_map(|scan| scan.digest);
    let known: std::collections::BTreeSet<String> = seen.collect();
    assert!(known.len() <= 3, "an unknown tree was scanned: {known:?}");
    sweep.whole.extend(known);
    let mut points = 0;
    for n in (first..POINTS_MAX).step_by(SHARDS) {
        sweep.quietly(&start).await?;
        if !sweep.kill_at(n, &end, "rolledBack", &old).await? {
            break;
        }
        points = n;
    }
    Ok(points)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_whole_whenever_the_agent_is_killed() -> anyhow::Result<()> {
    sweep("restore", 25, restoring).await
}

async fn syncing_first(first: u64) -> anyhow::Result<u64> {
    let dir = tempfile::tempdir()?;
    let wanted = views("one", "two");
    let mut plant = Plant::start(dir.path(), settings()).await?;
    let empty = plant.sim.tree_digest()?;
    let commit = plant.commit(&wanted)?;
    plant.start_agent(None, None)?;
    plant.bring(&commit, "applied").await?;
    let whole = vec![empty, plant.sim.tree_digest()?];
    let mut points = 0;
    for n in (first..POINTS_MAX).step_by(SHARDS) {
        plant.kill_agent().await?;
        // As on a new machine: nothing written, nothing remembered.
        std::fs::remove_dir_all(plant.data_dir.join("projects/line"))?;
        std::fs::remove_dir_all(plant.agent_dir.join("state"))?;
        plant.cluster.ctl(&["apply", "-f", &fresh(&plant, n)?, "--detach"]).await?;
        plant.start_agent(Some(n), None)?;
        let mut survived = false;
        while !plant.agent_is_dead() && !survived {
            survived = files(&plant.data_dir)? == wanted
                && is_idle(&plant.agent_dir, &plant.status().await?);
        }
        plant.kill_agent().await?;
        plant.start_agent(None, None)?;
        // To the very end: a scan that still runs would see the next round clear the tree.
        let agent_dir = plant.agent_dir.clone();
        plant.until("first sync", |status| is_idle(&agent_dir, status)).await?;
        assert_eq!(files(&plant.data_dir)?, wanted, "point {n}: the files are not the commit's");
        let half = plant.sim.scans_of_other_trees(&whole);
        assert!(half.is_empty(), "point {n}: a scan ran over a half-written tree: {half:?}");
        if survived {
            break;
        }
        points = n;
    }
    Ok(points)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_is_whole_whenever_the_agent_is_killed() -> anyhow::Result<()> {
    sweep("first sync", 20, syncing_first).await
}

/// A label that changes makes no assignment; it only proves that the cluster answers.
fn fresh(plant: &Plant, n: u64) -> anyhow::Result<String> {
    let file = plant.agent_dir.join("label.yaml");
    std::fs::write(
        &file,
        format!(
            "apiVersion: millwright.dev/v1\nkind: Gateway\n\
             metadata: {{name: line1, labels: {{round: \"{n}\"}}}}\nspec: {{site: here, profile: line}}\n"
        ),
    )?;
    Ok(file.display().to_string())
}

/// Whether the agent has nothing in hand and nothing to tell.
fn is_idle(agent_dir: &Path, status: &serde_json::Value) -> bool {
    let in_hand = std::fs::metadata(agent_dir.join("state/assignment.pb"));
    let reports = std::fs::read_to_string(agent_dir.join("state/reports.json"));
    let told = reports.is_ok_and(|text| text.trim() == "[]");
    in_hand.is_ok_and(|meta| meta.len() == 0) && told && status["state"] == "InSync"
}
