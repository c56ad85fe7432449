//! What a plant may do to an apply: people at work, foreign locks, scans that lie, resources that do
//! not load, files that are held. Each case says how it ends and what is on disk afterwards.

use std::{os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;
use gateway_sim::{Command, Kind, faults::Fault, knobs::ScanOutcome, sessions::NewSession};
use playground::{
    plant::{Files, Plant, Settings, project},
    process::build_programs,
};
use serde_json::{Value, json};

pub(super) const VIEW: &str =
    "projects/line/com.inductiveautomation.perspective/views/main/view.json";

/// A plant whose gateway runs a first commit.
pub(super) struct Case {
    pub(super) plant: Plant,
    pub(super) text: u32,
    _dir: tempfile::TempDir,
}

impl Case {
    pub(super) async fn new(profile: &str) -> anyhow::Result<Self> {
        let mut settings = Settings::default();
        settings.profile.push_str(profile);
        settings.agent.push_str("lock_wait = \"2s\"\n");
        Self::of(settings).await
    }

    pub(super) async fn of(settings: Settings) -> anyhow::Result<Self> {
        build_programs()?;
        let dir = tempfile::tempdir()?;
        let mut plant = Plant::start(dir.path(), settings).await?;
        plant.start_agent(None, None)?;
        let mut case = Self { plant, text: 0, _dir: dir };
        case.change("applied").await?;
        Ok(case)
    }

    pub(super) fn next(&mut self) -> Files {
        self.text += 1;
        project("line", &[("main", &format!("text {}", self.text))])
    }

    /// Commits another text, waits for the end, and returns the attempt.
    pub(super) async fn change(&mut self, result: &str) -> anyhow::Result<Value> {
        let files = self.next();
        let commit = self.plant.commit(&files)?;
        self.plant.bring(&commit, result).await
    }

    pub(super) async fn sim(&self, command: Value) -> anyhow::Result<Value> {
        self.plant.sim.run(serde_json::from_value(command)?).await
    }

    pub(super) fn live(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.plant.data_dir.join(VIEW))?)
    }

    pub(super) fn runs_now(&self, text: u32) -> anyhow::Result<bool> {
        Ok(self.live()?.contains(&format!("text {text}")))
    }

    pub(super) fn runs(&self, text: u32) -> anyhow::Result<()> {
        let live = self.live()?;
        assert!(live.contains(&format!("text {text}")), "not text {text}: {live}");
        Ok(())
    }
}

pub(super) fn kinds(attempt: &Value) -> Vec<String> {
    let failures = attempt["failures"].as_array().cloned().unwrap_or_default();
    failures.iter().filter_map(|f| f["kind"].as_str().map(str::to_owned)).collect()
}

pub(super) fn noticed(attempt: &Value, kind: &str) -> bool {
    let notices = attempt["notices"].as_array().cloned().unwrap_or_default();
    notices.iter().any(|notice| notice["kind"] == kind)
}

pub(super) fn designer(project: &str) -> NewSession {
    let text = json!({"kind": "designer", "user": "jdoe", "project": project});
    serde_json::from_value(text).expect("a session")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_designer_holds_back_what_touches_their_project() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    case.plant.sim.open(designer("other"));
    case.change("applied").await?;

    let id = case.plant.sim.open(designer("line"));
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    case.plant
        .until("the session is told of", |status| {
            status["sessions"].as_array().is_some_and(|all| {
                all.iter().any(|s| s["user"] == "jdoe" && s["project"] == "line")
            })
        })
        .await?;
    // Staged and waiting: the live file is still the old one.
    case.plant.until("the agent waits", |status| status["state"] == "Syncing").await?;
    case.runs(2)?;
    case.sim(json!({"do": "close", "id": id})).await?;
    case.plant.ended(&commit, "applied").await?;
    case.runs(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_made_after_the_plan_stops_the_commit_and_stays() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    // Somebody else's lock keeps the agent between its plan and its commit.
    case.plant
        .sim
        .run(Command::Lock { kind: Kind::Projects, actor: "somebody".into(), hold_ms: 60_000 })
        .await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    case.plant.until("the change is staged", |_| Path::new(&staged).exists()).await?;
    std::fs::write(case.plant.data_dir.join(VIEW), "{\"edited\": true}")?;
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    let attempt = case.plant.ended(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["changed_underneath"], "{attempt:#}");
    assert_eq!(case.live()?, "{\"edited\": true}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_lock_is_waited_for_and_named() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let lock = Command::Lock {
        kind: Kind::Projects,
        actor: "api-token:other:10.0.0.9".into(),
        hold_ms: 60_000,
    };
    case.plant.sim.run(lock).await?;
    let attempt = case.change("failed").await?;
    assert_eq!(kinds(&attempt), ["lock_held"], "{attempt:#}");
    assert!(attempt["failures"][0]["message"].as_str().is_some_and(|m| m.contains("other")));
    case.runs(1)?;
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    case.plant.cluster.ctl(&["get", "gateways"]).await?;
    case.change("applied").await?;
    case.runs(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_that_was_not_made_names_is_not_ours() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    // A person's own view, where a commit would put one too.
    let theirs = case.plant.data_dir.join(VIEW.replace("/main/", "/other/"));
    std::fs::create_dir_all(theirs.parent().context("a folder")?)?;
    std::fs::write(&theirs, "{\"theirs\": true}")?;
    let lock = Command::Lock {
        kind: Kind::Projects,
        actor: "api-token:other:10.0.0.9".into(),
        hold_ms: 60_000,
    };
    case.plant.sim.run(lock).await?;
    let commit = case.plant.commit(&project("line", &[("main", "text 1"), ("other", "x")]))?;
    case.plant.bring(&commit, "failed").await?;
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    // The next commit has no such view: what nobody has written here stays.
    case.change("applied").await?;
    assert_eq!(std::fs::read_to_string(&theirs)?, "{\"theirs\": true}");
    Ok(())
}

/// Somebody else has the lock when it is looked at after the commit: the first look is the preflight's,
/// the second the one before the commit.
fn stolen_lock() -> anyhow::Result<Command> {
    let body = r#"{"timestamp":1,"remaining":50,"actor":"api-token:thief:10.0.0.9"}"#;
    let fault: Fault = serde_json::from_value(json!({
        "path": "/data/api/v1/scan-lock/projects", "method": "GET", "skip": 2, "times": 1,
        "what": {"answer": {"code": 200, "body": body}},
    }))?;
    Ok(Command::Fault { fault })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_comes_back_with_its_mode() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let commit = case.plant.commit(&project("line", &[("main", "text 1"), ("other", "x")]))?;
    case.plant.bring(&commit, "applied").await?;
    let other = case.plant.data_dir.join(VIEW.replace("/main/", "/other/"));
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o750))?;
    let before = std::fs::metadata(&other)?.modified()?;
    case.plant.sim.run(stolen_lock()?).await?;
    let attempt = case.change("rolledBack").await?;
    assert_eq!(kinds(&attempt), ["lock_lost"], "{attempt:#}");
    let after = std::fs::metadata(&other)?;
    assert_ne!(after.modified()?, before, "it was gone in between");
    assert_eq!(after.permissions().mode() & 0o777, 0o750);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_stolen_under_the_commit_brings_the_old_files_back() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    case.plant.sim.run(stolen_lock()?).await?;
    let attempt = case.change("rolledBack").await?;
    assert_eq!(kinds(&attempt), ["lock_lost"], "{attempt:#}");
    case.runs(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_load_brings_the_old_files_back_and_is_not_retried() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    // The gateway says it at once, so that no settling is needed.
    case.plant.sim.set(|knobs| (knobs.notice_min_ms, knobs.notice_max_ms) = (0, 0));
    let view = "projects/line/com.inductiveautomation.perspective/views/main".to_owned();
    case.plant.sim.run(Command::Refuse { resource: view }).await?;
    let attempt = case.change("rolledBack").await?;
    assert_eq!(kinds(&attempt), ["not_loaded"], "{attempt:#}");
    assert!(!attempt["snapshot"].as_str().unwrap_or_default().is_empty());
    case.runs(1)?;
    let status = case.plant.status().await?;
    assert_eq!(status["state"], "RolledBack");
    assert_eq!(status["applied"]["generation"], 1, "applied is what is there");
    let scans = case.plant.sim.scans().len();
    case.plant.sim.run(Command::ClearRefusals).await?;
    // The next scan is later than the second that its log window reaches back.
    case.plant.sim.set(|knobs| knobs.clock_skew_ms += 10_000);
    case.change("applied").await?;
    case.runs(3)?;
    // The failed change was not tried again in between: one probe and one scan of the new one.
    assert!(case.plant.sim.scans().len() <= scans + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_never_ends_is_told_as_inconsistent_with_the_old_files() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    // The preflight's own scan must end, so the gateway gets stuck once the files are staged.
    case.plant
        .sim
        .run(Command::Lock { kind: Kind::Projects, actor: "x".into(), hold_ms: 60_000 })
        .await?;
    case.plant.follow(&commit).await?;
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    case.plant.until("the change is staged", |_| staged.exists()).await?;
    case.plant.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Never);
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    let attempt = case.plant.ended(&commit, "inconsistent").await?;
    assert_eq!(kinds(&attempt), ["scan_timeout", "restore_failed"], "{attempt:#}");
    case.runs(1)?;
    let status = case.plant.status().await?;
    assert_eq!(status["state"], "Inconsistent");
    assert_eq!(status["applied"]["generation"], 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_replaced_is_found_in_its_file() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let made = case.sim(json!({"do": "token", "name": "second", "level": "Deploy"})).await?;
    let token = made["token"].as_str().expect("a token").to_owned();
    case.sim(json!({"do": "revokeToken", "name": "agent"})).await?;
    let attempt = case.change("failed").await?;
    assert!(kinds(&attempt).iter().all(|kind| kind == "unauthorized"), "{attempt:#}");
    case.runs(1)?;
    std::fs::write(case.plant.token_file("single"), token)?;
    case.plant.cluster.ctl(&["gateway", "retry", "line1", "-m", "new token"]).await?;
    case.runs(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_a_scan_reads() -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut case = Case::new("").await?;
    // The scan by which the agent asks whether it may write takes longer than all that follows it.
    case.plant.sim.set(|knobs| (knobs.scan.min_ms, knobs.scan.max_ms) = (1_500, 1_500));
    let before = case.plant.sim.scans().len();
    case.change("applied").await?;
    case.runs(2)?;
    let meta = std::fs::metadata(case.plant.data_dir.join(VIEW))?;
    let written_ms = meta.ctime() * 1_000 + meta.ctime_nsec() / 1_000_000;
    let scans = case.plant.sim.scans();
    let asked = scans.get(before).expect("the agent asked whether it may write");
    assert!(asked.ended_ms.is_some_and(|ended| ended <= written_ms), "{written_ms} {asked:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_clock_is_an_hour_off_is_compared_with_itself() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    case.plant.sim.set(|knobs| knobs.clock_skew_ms = -3_600_000);
    case.change("applied").await?;
    case.plant.sim.set(|knobs| knobs.clock_skew_ms = 3_600_000);
    case.change("applied").await?;
    case.runs(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_that_cannot_be_asked_is_unknown_and_kept() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let fault: Fault = serde_json::from_value(json!({
        "path": "/data/api/v1/modules/healthy", "method": "GET", "skip": 1,
        "what": {"status": {"code": 500}},
    }))?;
    case.plant.sim.run(Command::Fault { fault }).await?;
    let attempt = case.change("applied").await?;
    assert!(noticed(&attempt, "health_unknown"), "{attempt:#}");
    case.runs(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_told_and_by_policy_put_back() -> anyhow::Result<()> {
    let case = Case::new("  drift: restore\n").await?;
    case.runs(1)?;
    std::fs::write(case.plant.data_dir.join(VIEW), "{\"edited\": true}")?;
    case.plant
        .until("the edit is put back", |status| {
            let last = &status["history"][0];
            last["trigger"].as_str().is_some_and(|t| t.starts_with("drift"))
                && last["result"] == "applied"
        })
        .await?;
    case.runs(1)?;
    // What the agent does by itself takes no number from what a person asks for.
    case.plant.cluster.ctl(&["gateway", "retry", "line1", "-m", "once more"]).await?;
    let status = case.plant.status().await?;
    let last = &status["history"][0];
    assert_eq!((&last["attempt"], &last["repair"]), (&2.into(), &0.into()), "{last:#}");
    assert!(case.text == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_project_goes_back_and_nothing_else_is_looked_at() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let other = |text: &str| project("other", &[("main", text)]);
    let mut files = case.next();
    files.extend(other("other 1"));
    let commit = case.plant.commit(&files)?;
    case.plant.bring(&commit, "applied").await?;
    let mut files = case.next();
    files.extend(other("other 2"));
    let commit = case.plant.commit(&files)?;
    let changed = case.plant.bring(&commit, "applied").await?;
    let snapshot = changed["snapshot"].as_str().context("the snapshot before it")?.to_owned();
    // What people and the gateway have put beside, in every project.
    let data = case.plant.data_dir.clone();
    let beside = |project: &str| {
        data.join("projects").join(project).join("ignition/global-props/theirs.json")
    };
    for project in ["line", "other"] {
        std::fs::create_dir_all(beside(project).parent().context("a folder")?)?;
        std::fs::write(beside(project), "{}")?;
    }
    let args = ["gateway", "rollback", "line1", "--to", &snapshot, "--project", "line"];
    case.plant.cluster.ctl(&[&args[..], &["-m", "back", "--yes"]].concat()).await?;
    case.plant
        .until("the project is back", |status| {
            status["history"][0]["trigger"].as_str().is_some_and(|why| why.contains(&snapshot))
        })
        .await?;
    case.runs(2)?;
    let view = VIEW.replace("/line/", "/other/");
    assert!(std::fs::read_to_string(data.join(view))?.contains("other 2"));
    assert!(beside("other").exists(), "a person's file of another project");
    assert!(!beside("line").exists(), "the project is what it was");
    Ok(())
}
