//! Ignition 8.1: projects only, no REST, scanned by itself or through the scan module.

use gateway_sim::{Command, SimConfig};
use playground::{
    plant::{NAME, Plant, Settings, project, resource},
    process::build_programs,
};

use super::{
    hostile::{BASE, VERIFY, settings},
    safe_apply::{Case, VIEW, kinds, noticed},
};

fn old(config: &mut SimConfig) {
    *config = SimConfig::v81(config.data_dir.clone(), NAME);
    // The platform's 300 s would be too long for a test.
    config.knobs.scan.automatic_ms = 200;
}

fn old_settings(sim: fn(&mut SimConfig)) -> Settings {
    let mut settings = settings();
    settings.sim = sim;
    settings.agent.push_str("own_scan_period = \"1s\"\n");
    settings.profile.push_str("  sessions: {designer: {policy: proceed}}\n");
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn ignition_8_1_scans_by_itself_and_takes_projects_only() -> anyhow::Result<()> {
    let mut case = Case::of(old_settings(old)).await?;
    let attempt = case.change("applied").await?;
    assert!(noticed(&attempt, "sessions_unknown"), "{attempt:#}");
    case.runs(2)?;
    assert_eq!(case.plant.sim.counters().locks, 0, "there is no lock");

    // Its configuration is a database.
    let mut files = project("line", &[("main", "text 2")]);
    files.extend(resource("config/db", "config.json", "{}"));
    let commit = case.plant.commit(&files)?;
    let attempt = case.plant.bring(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["never_touch"], "{attempt:#}");
    let message = attempt["failures"][0]["message"].as_str().unwrap_or_default();
    assert_eq!(
        message,
        "Ignition 8.1 keeps its configuration in a database: only projects/ can be mapped"
    );

    // Nobody knows who has a Designer open: that counts as somebody.
    case.plant.set_profile(&format!("{BASE}{VERIFY}  sessions: {{designer: {{policy: fail}}}}\n"));
    let attempt = case.change("failed").await?;
    assert_eq!(kinds(&attempt), ["sessions_unknown"], "{attempt:#}");
    case.runs(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn ignition_8_1_with_the_scan_module_is_scanned_on_request() -> anyhow::Result<()> {
    let mut settings = old_settings(|config| {
        old(config);
        config.scan_module = true;
        config.knobs.scan.automatic_ms = 0;
    });
    settings.agent = settings.agent.replace("own_scan_period = \"1s\"", "own_scan_period = \"5m\"");
    let mut case = Case::of(settings).await?;
    let before = case.plant.sim.scans().len();
    let attempt = case.change("applied").await?;
    case.runs(2)?;
    assert_eq!(case.plant.sim.scans().len(), before + 1, "one scan per change");
    assert!(attempt["durationMs"].as_u64() < Some(60_000), "it waited for the gateway's own scan");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_ignition_8_1_is_waited_for_undoes_nothing() -> anyhow::Result<()> {
    let mut settings = old_settings(old);
    settings.agent = settings.agent.replace("own_scan_period = \"1s\"", "own_scan_period = \"4s\"");
    let mut case = Case::of(settings).await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    case.plant.follow(&commit).await?;
    let view = case.plant.data_dir.join(VIEW);
    let written = || std::fs::read_to_string(&view).is_ok_and(|text| text.contains("text 2"));
    case.plant.until("the files are there", |_| written()).await?;
    case.plant.kill_agent().await?;
    case.plant.start_agent(None, None)?;
    case.plant.ended(&commit, "applied").await?;
    case.runs(2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_ignition_8_1_is_written_while_its_master_is_active() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut settings = old_settings(old);
    settings.profile.push_str("  redundancy: {notActive: fail, convergeWithin: 30s}\n");
    let mut plant = Plant::start_pair(dir.path(), settings).await?;
    plant.start_agent(None, None)?;
    plant.start_backup_agent()?;
    let commit = plant.commit(&project("line", &[("main", "text 1")]))?;
    plant.bring(&commit, "applied").await?;
    let status = plant.until("the backup is in sync", |s| s["backup"]["inSync"] == true).await?;
    assert_eq!(status["members"]["backup"]["facts"]["redundancyRole"], "Backup", "{status:#}");

    plant.sim.run(Command::Failover).await?;
    plant
        .until("the failover is told", |s| {
            s["members"]["master"]["facts"]["activityLevel"] == "Cold"
        })
        .await?;
    let commit = plant.commit(&project("line", &[("main", "text 2")]))?;
    let attempt = plant.bring(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["not_active"], "{attempt:#}");
    assert!(std::fs::read_to_string(plant.data_dir.join(VIEW))?.contains("text 1"));
    Ok(())
}
