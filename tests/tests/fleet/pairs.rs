//! A redundant pair with an agent on each node: only the active master is written, the backup proves
//! that it took the files over, and a pair that changes places or splits is waited for or refused,
//! with the reason.

use std::{path::Path, time::Duration};

use gateway_sim::{Activity, Command, Kind};
use playground::{
    plant::{Backup, Files, Plant, Settings, project},
    process::build_programs,
};
use serde_json::Value;

const VIEW: &str = "projects/line/com.inductiveautomation.perspective/views/main/view.json";
/// Reached only when something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pair whose master runs a first commit.
struct Pair {
    plant: Plant,
    text: u32,
    _dir: tempfile::TempDir,
}

fn profile(redundancy: &str) -> String {
    format!(
        "  verify: {{settle: 50ms}}\n  snapshots: {{minFreeBytes: 0}}\n  redundancy: {{{redundancy}}}\n"
    )
}

impl Pair {
    async fn new(redundancy: &str) -> anyhow::Result<Self> {
        build_programs()?;
        let dir = tempfile::tempdir()?;
        let mut settings = Settings { profile: profile(redundancy), ..Settings::default() };
        settings.agent.push_str("lock_wait = \"20s\"\n");
        let mut plant = Plant::start_pair(dir.path(), settings).await?;
        plant.start_agent(None, None)?;
        plant.start_backup_agent()?;
        let mut pair = Self { plant, text: 0, _dir: dir };
        pair.change("applied").await?;
        pair.synced().await?;
        Ok(pair)
    }

    fn backup(&self) -> &Backup {
        self.plant.backup.as_ref().expect("it was started as a pair")
    }

    fn next(&mut self) -> Files {
        self.text += 1;
        project("line", &[("main", &format!("text {}", self.text))])
    }

    /// Commits another text and lets the fleet follow it.
    async fn follow(&mut self) -> anyhow::Result<String> {
        let files = self.next();
        let commit = self.plant.commit(&files)?;
        self.plant.follow(&commit).await?;
        Ok(commit)
    }

    async fn change(&mut self, result: &str) -> anyhow::Result<Value> {
        let commit = self.follow().await?;
        self.plant.ended(&commit, result).await
    }

    /// Waits until the backup has proven that it has what the master was given.
    async fn synced(&self) -> anyhow::Result<Value> {
        let status = self
            .plant
            .until("the backup is in sync", |status| {
                status["backup"]["inSync"] == true
                    && status["backup"]["generation"] == status["desired"]["generation"]
            })
            .await?;
        runs(&self.backup().data_dir, self.text)?;
        Ok(status)
    }

    /// Waits until the cluster knows how active each node is.
    async fn activities(&self, master: &str, backup: &str) -> anyhow::Result<Value> {
        let of = |status: &Value, member: &str| {
            status["members"][member]["facts"]["activityLevel"].as_str().map(str::to_owned)
        };
        self.plant
            .until(&format!("{master} master and {backup} backup"), |status| {
                of(status, "master").as_deref() == Some(master)
                    && of(status, "backup").as_deref() == Some(backup)
            })
            .await
    }

    async fn pin(&self, master: Option<Activity>, backup: Option<Activity>) -> anyhow::Result<()> {
        self.plant.sim.run(Command::Activity { level: master }).await?;
        self.backup().sim.run(Command::Activity { level: backup }).await?;
        Ok(())
    }

    /// Nobody has asked the backup's gateway for a lock or a scan.
    fn backup_was_let_alone(&self) {
        let counted = self.backup().sim.counters();
        let asked = (counted.project_scans, counted.config_scans, counted.locks);
        assert_eq!(asked, (0, 0, 0), "the backup was written: {counted:?}");
    }
}

fn runs(data_dir: &Path, text: u32) -> anyhow::Result<()> {
    let live = std::fs::read_to_string(data_dir.join(VIEW))?;
    assert!(live.contains(&format!("text {text}")), "not text {text}: {live}");
    Ok(())
}

/// Kind and message of the only failure.
fn failure(attempt: &Value) -> (String, String) {
    let failures = attempt["failures"].as_array().cloned().unwrap_or_default();
    assert_eq!(failures.len(), 1, "{attempt:#}");
    let text = |key: &str| failures[0][key].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("message"))
}

fn notice(attempt: &Value, part: &str) -> bool {
    let notices = attempt["notices"].as_array().cloned().unwrap_or_default();
    let says = |n: &Value| n["message"].as_str().is_some_and(|message| message.contains(part));
    notices.iter().any(|n| n["kind"] == "not_active" && says(n))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_written_at_its_master_and_waits_for_it_after_a_failover() -> anyhow::Result<()> {
    let mut pair = Pair::new("notActive: wait, timeout: 1m, convergeWithin: 20s").await?;
    let status = pair.activities("Active", "Cold").await?;
    for (member, role) in [("master", "Master"), ("backup", "Backup")] {
        assert_eq!(status["members"][member]["facts"]["redundancyRole"], role);
    }
    assert_eq!((&status["state"], &status["reason"]), (&"InSync".into(), &"".into()));

    // After a sync: the files stay on both nodes, and it is told who serves.
    pair.plant.sim.run(Command::Failover).await?;
    let status = pair.activities("Cold", "Active").await?;
    assert_eq!(status["state"], "InSync");
    runs(&pair.plant.data_dir, 1)?;
    runs(&pair.backup().data_dir, 1)?;

    // Before a sync: it waits, and nothing is written on either node.
    let commit = pair.follow().await?;
    pair.plant.until("the agent waits", |status| status["state"] == "Syncing").await?;
    runs(&pair.plant.data_dir, 1)?;
    runs(&pair.backup().data_dir, 1)?;
    pair.backup().sim.run(Command::Failover).await?;
    pair.activities("Active", "Cold").await?;
    pair.plant.ended(&commit, "applied").await?;
    runs(&pair.plant.data_dir, 2)?;
    pair.synced().await?;
    pair.backup_was_let_alone();
    Ok(())
}

const NEITHER_YET: &str = "neither node is Active: the master is Cold, the backup is Cold";

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_before_the_commit_stops_it_and_one_after_it_is_said() -> anyhow::Result<()> {
    let mut pair = Pair::new("notActive: fail, convergeWithin: 30s").await?;
    // Somebody else's lock keeps the agent between its plan and its commit.
    let lock = Command::Lock { kind: Kind::Projects, actor: "x".into(), hold_ms: 60_000 };
    pair.plant.sim.run(lock).await?;
    let commit = pair.follow().await?;
    let staged = pair.plant.agent_dir.join("state/manifest-next.pb");
    pair.plant.until("the change is staged", |_| staged.exists()).await?;
    pair.plant.sim.run(Command::Failover).await?;
    pair.activities("Cold", "Active").await?;
    pair.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    let attempt = pair.plant.ended(&commit, "failed").await?;
    let (kind, message) = failure(&attempt);
    assert_eq!(
        (kind.as_str(), attempt["failures"][0]["step"].as_str()),
        ("not_active", Some("lock"))
    );
    // What the other node does comes through the coordinator, a moment after the node's own state.
    let said = ["the master is Cold, the backup serves", NEITHER_YET];
    assert!(said.contains(&message.as_str()), "{message}");
    runs(&pair.plant.data_dir, 1)?;

    // Over the scan: it is finished where it was begun, said, and taken over once the master is back.
    pair.backup().sim.run(Command::Failover).await?;
    pair.activities("Active", "Cold").await?;
    pair.plant.sim.set(|knobs| (knobs.scan.min_ms, knobs.scan.max_ms) = (1_500, 1_500));
    let commit = pair.follow().await?;
    let (view, text) = (pair.plant.data_dir.join(VIEW), format!("text {}", pair.text));
    let written = |_: &gateway_sim::Sim| {
        std::fs::read_to_string(&view).is_ok_and(|live| live.contains(&text)).then_some(())
    };
    pair.plant.sim.until(PATIENCE, written).await?;
    pair.plant.sim.run(Command::Failover).await?;
    let attempt = pair.plant.ended(&commit, "applied").await?;
    assert!(notice(&attempt, "the master became Cold while the change was applied"), "{attempt:#}");
    runs(&pair.plant.data_dir, pair.text)?;
    runs(&pair.backup().data_dir, 1)?;
    pair.backup().sim.run(Command::Failover).await?;
    pair.synced().await?;
    pair.backup_was_let_alone();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_pair_and_one_without_an_active_node_are_refused() -> anyhow::Result<()> {
    let mut pair = Pair::new("notActive: fail, convergeWithin: 20s").await?;
    // The network between them is cut: the backup takes over, and the master goes on.
    pair.plant.sim.run(Command::Link { up: false }).await?;
    pair.activities("Active", "Active").await?;
    let split = "both the master and the backup are Active: the pair is split";
    let attempt = pair.change("failed").await?;
    assert_eq!(failure(&attempt), ("not_active".to_owned(), split.to_owned()));
    // Going on without a backup does not mean going on against one that serves.
    pair.plant.set_profile(&profile("notActive: fail, peerUnreachable: proceed"));
    let attempt = pair.change("failed").await?;
    assert_eq!(failure(&attempt), ("not_active".to_owned(), split.to_owned()));

    pair.plant.sim.run(Command::Link { up: true }).await?;
    pair.activities("Active", "Cold").await?;
    pair.pin(Some(Activity::Warm), Some(Activity::Cold)).await?;
    pair.activities("Warm", "Cold").await?;
    let attempt = pair.change("failed").await?;
    let neither = "neither node is Active: the master is Warm, the backup is Cold";
    assert_eq!(failure(&attempt), ("not_active".to_owned(), neither.to_owned()));
    runs(&pair.plant.data_dir, 1)?;
    runs(&pair.backup().data_dir, 1)?;

    pair.pin(Some(Activity::Active), None).await?;
    pair.activities("Active", "Cold").await?;
    pair.change("applied").await?;
    pair.synced().await?;
    pair.backup_was_let_alone();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_never_converges_costs_one_resync_and_no_rollback() -> anyhow::Result<()> {
    let mut pair = Pair::new("convergeWithin: 1s").await?;
    pair.backup().sim.set(|knobs| knobs.pair.never_converges = true);
    let before = pair.backup().sim.tree_digest()?;
    let master_scans = pair.plant.sim.counters().project_scans;
    pair.change("applied").await?;
    let resync = |status: &Value| {
        let all = status["instructions"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|one| one["kind"] == "resync").cloned().collect::<Vec<_>>()
    };
    let status = pair
        .plant
        .until("it is given up", |status| {
            let backup = &status["backup"];
            backup["attempt"] == 2
                && backup["generation"] == status["desired"]["generation"]
                && resync(status).first().is_some_and(|one| one["answer"]["ok"] == true)
                && backup["at"].as_u64() > resync(status)[0]["at"].as_u64()
        })
        .await?;
    assert_eq!(resync(&status).len(), 1, "{status:#}");
    assert_eq!(status["state"], "InSync");
    assert_eq!(status["reason"], "BackupNotInSync");
    let message = status["message"].as_str().unwrap_or_default();
    let expected = "applied, backup not in sync: the backup has not taken the files over: the backup's files differ from the master's (";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(status["history"][0]["result"], "applied", "the master is not rolled back");
    runs(&pair.plant.data_dir, 2)?;
    assert_eq!(pair.backup().sim.tree_digest()?, before, "the backup's agent has written");
    // The probe of the token and the scan of the change, none for the backup's sake.
    assert!(pair.plant.sim.counters().project_scans <= master_scans + 2);
    pair.backup_was_let_alone();

    // Once the pair is well again, another try is enough.
    pair.backup().sim.set(|knobs| knobs.pair.never_converges = false);
    pair.plant.cluster.ctl(&["gateway", "retry", "line1", "-m", "the pair is well"]).await?;
    let status = pair.synced().await?;
    assert_eq!((&status["state"], &status["reason"]), (&"InSync".into(), &"".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_keeps_what_the_master_deleted_is_not_in_sync() -> anyhow::Result<()> {
    let pair = Pair::new("convergeWithin: 1s").await?;
    let mut files = project("line", &[("main", "text 1"), ("old", "old")]);
    let commit = pair.plant.commit(&files)?;
    pair.plant.bring(&commit, "applied").await?;
    pair.synced().await?;
    pair.backup().sim.set(|knobs| knobs.pair.never_converges = true);
    files.retain(|path, _| !path.contains("/old/"));
    let commit = pair.plant.commit(&files)?;
    pair.plant.bring(&commit, "applied").await?;
    pair.plant.until("it is told", |status| status["reason"] == "BackupNotInSync").await?;
    assert!(pair.backup().data_dir.join(VIEW.replace("/main/", "/old/")).exists());
    pair.backup().sim.set(|knobs| knobs.pair.never_converges = false);
    Ok(())
}
