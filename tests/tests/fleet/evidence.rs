//! What counts as applied and what counts as undone: files that are right are not applied before the gateway
//! has read them well, stamps are nobody's edit, and what is kept to undo things does not pile up.

use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use gateway_sim::{Command, Kind, designer::Save};
use playground::{
    plant::{Settings, project, resource},
    verify::tree,
};
use serde_json::json;

use super::{
    client::wait_for,
    safe_apply::{Case, VIEW, designer, kinds, noticed},
};

fn view() -> &'static str {
    VIEW.trim_end_matches("/view.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_not_loaded_are_not_applied_by_trying_again() -> anyhow::Result<()> {
    let mut case = Case::new("  rollback: {onNotLoaded: false}\n").await?;
    case.sim(json!({"do": "refuse", "resource": view()})).await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    let attempt = case.plant.bring(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["not_loaded"], "{attempt:#}");
    case.runs(2)?;
    let scans = case.plant.sim.scans().len();
    let again = |verb: &'static str| ["gateway", verb, "line1", "--detach", "-m", "again"];
    case.plant.cluster.ctl(&again("retry")).await?;
    let attempt = case.plant.ended(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["not_loaded"], "{attempt:#}");
    assert!(case.plant.sim.scans().len() > scans, "the gateway was not asked to read it");
    // Something was done about it, and a person says so.
    case.sim(json!({"do": "clearRefusals"})).await?;
    case.plant.sim.set(|knobs| knobs.clock_skew_ms += 10_000);
    case.plant.cluster.ctl(&again("sync")).await?;
    case.plant.ended(&commit, "applied").await?;
    // And now there is nothing to read any more.
    let scans = case.plant.sim.scans().len();
    case.plant.cluster.ctl(&again("retry")).await?;
    case.plant.ended(&commit, "applied").await?;
    assert_eq!(case.plant.sim.scans().len(), scans);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_stamps_anew_goes_back_whole() -> anyhow::Result<()> {
    let case = Case::new("").await?;
    let before = tree(&case.plant.data_dir.join("projects"))?;
    // Edited in git by hand: its signature is old, and the gateway stamps it when it reads it.
    let folder = "projects/line/com.inductiveautomation.perspective/views/new";
    let mut files = project("line", &[("main", "text 1")]);
    files.extend(resource(folder, "view.json", "{\"root\": 1}"));
    files.insert(format!("{folder}/view.json"), b"{\"root\": 2}".to_vec());
    case.sim(json!({"do": "refuse", "resource": folder})).await?;
    let commit = case.plant.commit(&files)?;
    let attempt = case.plant.bring(&commit, "rolledBack").await?;
    assert_eq!(attempt["kept"].as_array().map_or(0, Vec::len), 0, "{attempt:#}");
    assert_eq!(tree(&case.plant.data_dir.join("projects"))?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_stamps_anew_is_not_written_again() -> anyhow::Result<()> {
    let case = Case::new("").await?;
    let folder = "projects/stale/com.inductiveautomation.perspective/views/main";
    let mut files = project("line", &[("main", "text 1")]);
    files.extend(project("stale", &[("main", "old")]));
    files.insert(format!("{folder}/view.json"), b"{\"root\": 2}".to_vec());
    let commit = case.plant.commit(&files)?;
    let attempt = case.plant.bring(&commit, "applied").await?;
    assert!(noticed(&attempt, "read_back"), "{attempt:#}");
    files.extend(project("line", &[("main", "text 2")]));
    let commit = case.plant.commit(&files)?;
    let attempt = case.plant.bring(&commit, "applied").await?;
    assert_eq!(attempt["projects"], json!(["line"]), "{attempt:#}");
    let status = case.plant.status().await?;
    assert_eq!(status["drift"]["count"].as_u64().unwrap_or(0), 0, "{status:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stamped_between_plan_and_commit_stops_nothing() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    // Past the gateway: the scan by which the agent asks for its rights finds it, and stamps it.
    std::fs::write(case.plant.data_dir.join(VIEW), "{\"edited\": true}")?;
    case.change("applied").await?;
    case.runs(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_designer_saves_while_it_is_waited_for_stays() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let id = case.plant.sim.open(designer("line"));
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    case.plant.until("the change is staged", |_| staged.exists()).await?;
    let resource = view().trim_start_matches("projects/line/");
    let save = Save::new(&id, resource, &[("view.json", "{\"root\": 7}")]);
    case.plant.sim.run(Command::Save { save }).await?;
    case.sim(json!({"do": "close", "id": id})).await?;
    let attempt = case.plant.ended(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["changed_underneath"], "{attempt:#}");
    assert_eq!(case.live()?, "{\"root\": 7}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_while_a_scan_reads() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.agent = settings.agent.replace("scan_timeout = \"5s\"", "scan_timeout = \"1s\"");
    let mut case = Case::of(settings).await?;
    // Somebody else's lock keeps the agent between its plan and its commit.
    let actor = "api-token:other:10.0.0.9".to_owned();
    let lock = Command::Lock { kind: Kind::Projects, actor, hold_ms: 60_000 };
    case.plant.sim.run(lock).await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    case.plant.until("the change is staged", |_| staged.exists()).await?;
    case.plant.sim.set(|knobs| (knobs.scan.min_ms, knobs.scan.max_ms) = (1_600, 1_600));
    case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    let attempt = case.plant.ended(&commit, "rolledBack").await;
    case.runs(1)?;
    let meta = std::fs::metadata(case.plant.data_dir.join(VIEW))?;
    let back_ms = meta.ctime() * 1_000 + meta.ctime_nsec() / 1_000_000;
    let scans = case.plant.sim.scans();
    let late = scans.iter().rev().nth(1).context("the scan that took too long")?;
    assert!(late.ended_ms.is_some_and(|ended| ended <= back_ms), "{back_ms} {late:?} {attempt:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_to_undo_goes_when_it_is_not_needed() -> anyhow::Result<()> {
    let verify = "  verify: {settle: 50ms}\n";
    let profile = format!("{verify}  snapshots: {{minFreeBytes: 0, keep: 1, gwbk: true}}\n");
    let mut case = Case::of(Settings { profile, ..Settings::default() }).await?;
    for _ in 0..3 {
        case.change("applied").await?;
    }
    let snapshots = case.plant.agent_dir.join("state/snapshots");
    let ends = |suffix: &str| -> anyhow::Result<usize> {
        let names = std::fs::read_dir(&snapshots)?;
        Ok(names.flatten().filter(|e| e.file_name().to_string_lossy().ends_with(suffix)).count())
    };
    case.plant.until("old backups are gone", |_| ends(".gwbk").is_ok_and(|n| n == 1)).await?;

    // Without snapshots only the job itself needs what it replaces.
    case.plant.set_profile(&format!("{verify}  snapshots: {{minFreeBytes: 0, when: never}}\n"));
    case.change("applied").await?;
    let blobs = || tree(&snapshots.join("blobs")).map_or(usize::MAX, |all| all.len());
    let listed = blobs();
    for _ in 0..3 {
        case.change("applied").await?;
    }
    case.plant.until("nothing piles up", |_| blobs() <= listed).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_verified_and_pinned() -> anyhow::Result<()> {
    let profile = "  verify: {settle: 50ms}\n  snapshots: {minFreeBytes: 0, keep: 1}\n".to_owned();
    let mut case = Case::of(Settings { profile, ..Settings::default() }).await?;
    let attempt = case.change("applied").await?;
    let id = attempt["snapshot"].as_str().context("a snapshot")?.to_owned();
    let ask = async |verb: &str| {
        case.plant.cluster.ctl(&["snapshot", verb, "line1", &id, "-m", "to be sure"]).await
    };
    let whole = ask("verify").await?;
    assert!(whole.contains(&format!("files of snapshot {id} are whole")), "{whole}");
    ask("pin").await?;
    for file in tree(&case.plant.agent_dir.join("state/snapshots/blobs"))?.keys() {
        let blob = case.plant.agent_dir.join("state/snapshots/blobs").join(file);
        std::fs::write(blob, "damaged")?;
    }
    let damaged = ask("verify").await.err().context("it is damaged")?.to_string();
    assert!(damaged.contains(&format!("files of snapshot {id} are damaged")), "{damaged}");

    // It outlives newer ones, until it is not pinned any more; what is damaged is kept anew.
    case.change("applied").await?;
    case.change("applied").await?;
    assert!(listed(&case).await?.contains(&id));
    case.plant.cluster.ctl(&["snapshot", "unpin", "line1", &id, "-m", "old"]).await?;
    case.change("applied").await?;
    wait_for("it goes", async || Ok((!listed(&case).await?.contains(&id)).then_some(()))).await
}

/// What there is, as text.
async fn listed(case: &Case) -> anyhow::Result<String> {
    Ok(case.plant.cluster.json(&["snapshot", "list", "line1"]).await?.to_string())
}
