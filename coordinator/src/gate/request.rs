//! What a gate is told about the gateways that it is asked about.

use std::sync::Arc;

use millwright_coordinator_domain::{
    State,
    rollout::OpenQuestion,
    state::{Before, DryRunDiff, GatewayStatus, MemberState, Rollout, RolloutMember},
};
use millwright_model::{
    gate::{
        AboutCommit, AboutDryRun, AboutGateway, AboutRepository, AboutSession, Bounded,
        GATEWAYS_MAX, Gate, GateRequest, SESSIONS_MAX, Subject,
    },
    id::GatewayName,
};
use millwright_render::spec::RenderSpec;

use crate::{
    change::{self, Change},
    content::mirror::without_credentials,
    node::Shared,
    source,
};

/// The request that asks a recorded question.
pub async fn of(
    shared: &Shared,
    state: &State,
    question: &OpenQuestion,
    rollout: &Rollout,
    gate: &Gate,
) -> Result<GateRequest, String> {
    let record = &question.record;
    let members: Vec<(&GatewayName, &RolloutMember)> = rollout
        .members
        .iter()
        .map(|(gateway, member)| (gateway, member.as_ref()))
        .filter(|(gateway, member)| is_meant(rollout, &record.key.subject, gateway, member))
        .filter(|(name, _)| gate.r#match.matches(&state.labels_of(name)))
        .collect();
    let back = record.key.back;
    let mut changes = Vec::with_capacity(members.len());
    for (gateway, member) in &members {
        changes.push(change_of(shared, state, gateway, member, back).await?);
    }
    let repository = state.repositories().get(&rollout.repository);
    let url = repository.map(|stored| without_credentials(&stored.resource.spec.url));
    Ok(GateRequest {
        gate: gate.name.clone(),
        phase: record.key.phase,
        subject: record.key.subject.clone(),
        attempt: record.attempt,
        dry_run: false,
        rollback: back,
        fleet: rollout.fleet.clone(),
        rollout: Some(question.rollout.clone()),
        plan_hash: rollout.plan_hash,
        repository: AboutRepository {
            name: rollout.repository.clone(),
            url: url.unwrap_or_default(),
            reference: rollout.reference.clone(),
        },
        commit: about_commit(shared, state, rollout).await?,
        diff: change::summary(&changes),
        gateways: Bounded::of(
            members.iter().filter_map(|(name, _)| about(state, name)),
            GATEWAYS_MAX,
        ),
        open_sessions: Bounded::of(
            members.iter().flat_map(|(name, _)| sessions(state, name)),
            SESSIONS_MAX,
        ),
        dry_runs: rollout.policy.dry_run.then(|| {
            Bounded::of(
                members.iter().filter_map(|(name, member)| dry_run(name, member)),
                GATEWAYS_MAX,
            )
        }),
    })
}

/// What an agent said it would change, if it has.
fn dry_run(gateway: &GatewayName, member: &RolloutMember) -> Option<AboutDryRun> {
    let answer = member.dry_run.as_ref()?.answer.as_ref()?;
    let DryRunDiff { added, changed, removed, bytes } = answer.diff?;
    let (ok, message) = (answer.ok, answer.message.clone());
    Some(AboutDryRun { gateway: gateway.clone(), ok, message, added, changed, removed, bytes })
}

fn is_meant(
    rollout: &Rollout,
    subject: &Subject,
    gateway: &GatewayName,
    member: &RolloutMember,
) -> bool {
    let left_out = matches!(member.state, MemberState::Skipped { .. });
    match subject {
        Subject::Plan => !left_out,
        Subject::Stage { name } => {
            let stage = rollout.stages.get(member.stage as usize);
            !left_out && stage.is_some_and(|stage| stage.name == name.as_str())
        }
        Subject::Gateway { name } => name == gateway,
    }
}

/// What a member's files change, or what its earlier ones do on the way back.
async fn change_of(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
    member: &RolloutMember,
    back: bool,
) -> Result<Change, String> {
    let spec: &Arc<RenderSpec> = match (&member.before, back) {
        (Some(Before::Files(good)), true) => &good.render,
        // Only its agent has them.
        (Some(Before::Snapshot { .. }) | None, true) => return Ok(Change::default()),
        (_, false) => &member.render,
    };
    let had = change::had(shared, state, gateway).await?;
    let shall = source::ensure(shared, state, spec)
        .await
        .map_err(|status| format!("gateway {gateway}: {}", status.message()))?;
    Ok(Change::between(had.first().map(AsRef::as_ref), &shall))
}

async fn about_commit(
    shared: &Shared,
    state: &State,
    rollout: &Rollout,
) -> Result<AboutCommit, String> {
    let message = source::message(shared, state, &rollout.repository, rollout.commit).await;
    let message = message.map_err(|status| status.message().to_owned())?;
    Ok(AboutCommit::new(rollout.commit, rollout.author.clone(), &message))
}

/// One that is gone is not told of.
fn about(state: &State, name: &GatewayName) -> Option<AboutGateway> {
    let gateway = state.gateway(name)?;
    let status = state.gateway_status(name);
    Some(AboutGateway {
        name: name.clone(),
        site: gateway.spec.site.clone(),
        labels: gateway.metadata.labels.clone(),
        running: status.and_then(|status| status.applied.as_ref()?.commit),
    })
}

fn sessions(state: &State, gateway: &GatewayName) -> Vec<AboutSession> {
    let facts = state.gateway_status(gateway).map(GatewayStatus::written_facts);
    let open = facts.and_then(|facts| facts.sessions).unwrap_or_default();
    open.into_iter()
        .map(|one| AboutSession::new(gateway.clone(), one.kind, one.user, one.project, one.since))
        .collect()
}
