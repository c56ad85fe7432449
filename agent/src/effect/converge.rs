//! The backup's part: it is never written; it proves that the pair has brought it what the master was
//! given.

use std::{sync::Arc, time::Duration};

use millwright_agent_domain::{
    job::Verdict,
    redundancy::{Node, converged},
};
use millwright_model::{
    manifest::Manifest,
    report::{Failure, FailureKind, Step},
};
use tokio::time::Instant;

use super::{Tools, Work, manifest, verify::only_stamps_differ};
use crate::gateway::Version;

/// Waits until the backup has taken the files over, within the budget of the policy.
pub async fn run(tools: &Tools, work: &mut Work) -> Verdict {
    let wanted = match manifest::wanted(tools, work).await {
        Ok(wanted) => wanted,
        Err(millwright_agent_domain::job::Event::Failed(failures)) => {
            return Verdict::Failed { failures };
        }
        Err(_) => return not_in_sync("the manifest cannot be had".to_owned()),
    };
    work.manifest = Some(Arc::clone(&wanted));
    let within = Duration::from(work.assignment.policies.redundancy.converge_within);
    let deadline = Instant::now() + within;
    let mut last_sync_while_differing: Option<i64> = None;
    loop {
        // One that is away says so when it is asked for the rest.
        let version = tools.gateway.version().await.unwrap_or_default();
        if version == Version::V81 {
            // It tells of no synchronisation: equal files of a pair that is well are all there is.
            last_sync_while_differing = None;
        }
        let why = match tools.gateway.node_of(version).await {
            Err(trouble) => trouble.message,
            Ok(node) if node.role != "Backup" => {
                format!("this agent is enrolled as backup, but the gateway's role is {}", node.role)
            }
            Ok(node) => match look(tools, &node, &mut last_sync_while_differing, &wanted).await {
                Ok(()) => return Verdict::Applied { manifest: wanted.digest() },
                Err(why) => why,
            },
        };
        if Instant::now() >= deadline {
            return not_in_sync(why);
        }
        tokio::time::sleep(Duration::from(tools.config.gateway.converge_poll)).await;
    }
}

fn not_in_sync(why: String) -> Verdict {
    let message = format!("the backup has not taken the files over: {why}");
    let failure = Failure::new(Step::Converge, FailureKind::BackupNotInSync, message)
        .remedy("look at the redundancy page of the pair, then millctl gateway retry");
    Verdict::Failed { failures: vec![failure] }
}

/// Once the files have been seen to differ, a newer synchronisation must have ended. Files that were
/// equal from the first look on came by one that ended before it.
async fn look(
    tools: &Tools,
    node: &Node,
    while_differing: &mut Option<i64>,
    wanted: &Arc<Manifest>,
) -> Result<(), String> {
    let differing = differing(tools, wanted).await?;
    if differing > 0 {
        let before = *while_differing.get_or_insert(node.last_sync);
        let why = converged(node, before, false).err().unwrap_or_default();
        return Err(format!("{why} ({differing} files)"));
    }
    converged(node, while_differing.unwrap_or(node.last_sync - 1), true)
}

/// Files that differ from what the master has, apart from stamps.
async fn differing(tools: &Tools, wanted: &Arc<Manifest>) -> Result<usize, String> {
    let manifest = Arc::clone(wanted);
    let (mut wrong, stamped) = tools
        .on_disk(Step::Converge, move |tools, local| {
            let (mut wrong, mut stamped) = (0, Vec::new());
            // What the master has deleted is to go here too.
            let gone = local.applied.clone().map(|applied| manifest.diff(&applied).removed);
            for path in gone.into_iter().flatten() {
                wrong += usize::from(local.inventory.look(tools.data_dir(), &path)?.is_some());
            }
            for file in manifest.files() {
                match local.inventory.look(tools.data_dir(), &file.path)?.map(|k| k.digest) {
                    Some(digest) if digest == file.digest => {}
                    Some(_) if millwright_agent_domain::stamps::has_stamps(file.path.as_str()) => {
                        stamped.push((file.path.clone(), file.digest));
                    }
                    Some(_) | None => wrong += 1,
                }
            }
            Ok((wrong, stamped))
        })
        .await
        .map_err(|_| "the backup's files cannot be read".to_owned())?;
    for (path, digest) in stamped {
        if !only_stamps_differ(tools, &path, &digest).await.unwrap_or(false) {
            wrong += 1;
        }
    }
    Ok(wrong)
}
