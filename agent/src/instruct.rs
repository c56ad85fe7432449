//! Carrying instructions out that are no assignment: snapshots, pins, a resync, the answer of a dry
//! run.

use millwright_agent_domain::job::{Event, Verdict};
use millwright_model::{
    instruction::{Instruction, InstructionKind},
    report::{Failure, Retry, Step},
};
use serde_json::json;

use crate::effect::{Tools, Work, snapshot};

/// Paths named in the answer of a dry run; all are counted.
const PATHS_MAX: usize = 2_000;

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it was done.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// JSON text; empty for none.
    pub detail: String,
}

impl Said {
    /// Done.
    pub fn done(message: impl Into<String>) -> Self {
        Self { ok: true, message: message.into(), detail: String::new() }
    }

    /// Not done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { ok: false, message: message.into(), detail: String::new() }
    }

    /// What a failed action says.
    pub fn of(event: Event) -> Self {
        match event {
            Event::Failed(failures) => Self::failed(
                failures.iter().map(|f| f.message.clone()).collect::<Vec<_>>().join("; "),
            ),
            Event::Done
            | Event::Unchanged { .. }
            | Event::Staged { .. }
            | Event::Verified { .. }
            | Event::Restored { .. }
            | Event::Closed(_)
            | Event::Aborted { .. } => Self::failed("the action ended in an unexpected way"),
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail.to_string();
        self
    }
}

/// Carries out; everything but dry runs and drift checks, which need the runner.
pub async fn carry_out(tools: &Tools, instruction: &Instruction) -> Said {
    let id = instruction.subject.clone();
    match instruction.kind {
        InstructionKind::SnapshotCreate => create(tools, &instruction.reason).await,
        InstructionKind::SnapshotVerify => verify(tools, id).await,
        InstructionKind::SnapshotPin => pin(tools, id, true).await,
        InstructionKind::SnapshotUnpin => pin(tools, id, false).await,
        InstructionKind::Resync => match tools.gateway.resync().await {
            Ok(()) => Said::done("the master was asked for a synchronisation"),
            Err(trouble) => Said::failed(trouble.message),
        },
        InstructionKind::DryRun | InstructionKind::DriftCheck => {
            Said::failed("the instruction lacks what it needs")
        }
    }
}

async fn create(tools: &Tools, reason: &str) -> Said {
    let policy = tools.policies.borrow().snapshots.clone();
    let (settings, cause) = (policy.clone(), reason.to_owned());
    let taken = tools
        .on_disk(Step::Snapshot, move |tools, local| {
            snapshot::take_now(tools, local, &settings, &[], &cause)
        })
        .await;
    let taken = match taken {
        Ok(taken) => taken,
        Err(event) => return Said::of(event),
    };
    let id = taken.id.clone();
    if policy.gwbk
        && let Err(why) = crate::backup::download(tools, &id).await
    {
        return Said::failed(format!(
            "snapshot {id} was taken, but not the gateway's backup: {why}"
        ));
    }
    if let Err(error) = snapshot::upload(tools, &policy, &id).await {
        return Said::failed(format!("snapshot {id} was taken, but not uploaded: {error}"));
    }
    let detail = serde_json::to_value(&taken).unwrap_or_default();
    Said::done(format!("took snapshot {id} of {} files", taken.files)).with(detail)
}

async fn verify(tools: &Tools, id: String) -> Said {
    let wanted = id.clone();
    let verified = tools
        .on_disk(Step::Snapshot, move |_, local| {
            let snapshot = local.store.load(&wanted)?;
            Ok(snapshot.map(|snapshot| (snapshot.files.len(), local.store.verify(&snapshot))))
        })
        .await;
    match verified {
        Err(event) => Said::of(event),
        Ok(None) => Said::failed(format!("there is no snapshot {id} here")),
        Ok(Some((files, bad))) if bad.is_empty() => {
            Said::done(format!("all {files} files of snapshot {id} are whole"))
        }
        Ok(Some((files, bad))) => {
            let message = format!("{} of {files} files of snapshot {id} are damaged", bad.len());
            Said::failed(message).with(json!({"damaged": bad.iter().take(100).collect::<Vec<_>>()}))
        }
    }
}

async fn pin(tools: &Tools, id: String, pinned: bool) -> Said {
    let wanted = id.clone();
    let done =
        tools.on_disk(Step::Snapshot, move |_, local| local.store.pin(&wanted, pinned)).await;
    match done {
        Err(event) => Said::of(event),
        Ok(false) => Said::failed(format!("there is no snapshot {id} here")),
        Ok(true) => Said::done(format!(
            "snapshot {id} is {}",
            if pinned { "pinned" } else { "no longer pinned" }
        )),
    }
}

/// The exact difference from the live tree.
pub fn dry_run(work: &Work, verdict: &Verdict) -> Said {
    let changes = &work.plan.changes;
    let failures: &[Failure] = match verdict {
        Verdict::Failed { failures }
        | Verdict::RolledBack { failures, .. }
        | Verdict::Inconsistent { failures } => failures,
        Verdict::Applied { .. } | Verdict::DryRun { .. } => &[],
    };
    let paths = |kept: &mut dyn Iterator<Item = String>| kept.take(PATHS_MAX).collect::<Vec<_>>();
    let writes = |added: bool| {
        changes
            .write
            .iter()
            .filter(move |write| write.before.is_none() == added)
            .map(|write| write.file.path.to_string())
    };
    let added = changes.added();
    let (changed, removed) = (changes.write.len() - added, changes.remove.len());
    let detail = json!({
        // All of it may pass by itself: the other coordinator, a gateway that starts.
        "passing": !failures.is_empty() && failures.iter().all(|one| one.retry != Retry::Never),
        // Paths are only the first of many.
        "counts": {"added": added, "changed": changed, "removed": removed},
        "added": paths(&mut writes(true)),
        "changed": paths(&mut writes(false)),
        "removed": paths(&mut changes.remove.iter().map(|remove| remove.path.to_string())),
        "kept": changes.keep,
        "bytes": changes.bytes(),
        "projects": work.plan.projects,
        "failures": failures,
        "notices": work.plan.notices,
    });
    let message = format!("{added} files would be added, {changed} changed, {removed} removed");
    match failures.is_empty() {
        true => Said::done(message).with(detail),
        false => {
            let first = failures.first().map(|failure| failure.message.as_str());
            let checks = match failures.len() {
                1 => "1 check".to_owned(),
                count => format!("{count} checks"),
            };
            let said = format!("{checks} failed: {}", first.unwrap_or_default());
            Said::failed(said).with(detail)
        }
    }
}
