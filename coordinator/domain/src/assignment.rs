//! What one agent is told, from the state.

use std::sync::Arc;

use millwright_model::{
    assignment::{Assignment, Begun},
    digest::Digest,
    generation::Generation,
    id::{GatewayName, Member, RolloutId},
    instruction::{Instruction, InstructionKind},
    selector::Selector,
    window::Window,
};

use crate::{
    State,
    render::RenderSpec,
    rollout::owner,
    state::{Desired, DesiredOrigin, GatewayStatus, InstructionRecord, Rollout, RolloutMember},
};

/// The assignment of an agent; `None` while it has none. A backup has one only once the master has
/// applied the same: until then there is nothing that it could have taken over.
pub fn assignment_of(state: &State, gateway: &GatewayName, member: Member) -> Option<Assignment> {
    told(state, gateway, member, state.desired.get(gateway)?)
}

/// What an agent would be told if the gateway were to have this.
fn told(
    state: &State,
    gateway: &GatewayName,
    member: Member,
    desired: &Desired,
) -> Option<Assignment> {
    let status = state.status.get(gateway);
    let attempt = match member {
        Member::Single | Member::Master => desired.attempt,
        Member::Backup => backup_attempt(desired, status?)?,
    };
    let profile = state.profiles.get(&desired.render.profile);
    let applied = status.and_then(|status| status.applied.as_ref());
    let observed = applied.filter(|_| member == Member::Backup).and_then(|a| a.manifest);
    Some(Assignment {
        gateway: gateway.clone(),
        generation: desired.generation,
        attempt,
        repair: 0,
        epoch: state.epoch,
        repository: desired.render.repository.clone(),
        commit: desired.render.commit,
        reference: desired.reference.clone(),
        // A backup looks for what its master has read back.
        manifest: observed.unwrap_or(desired.manifest),
        rollout: desired.rollout.clone(),
        roots: desired.roots.clone(),
        sync_profile: desired.render.profile.clone(),
        policies: profile.map(|stored| stored.resource.spec.policies()).unwrap_or_default(),
        origin: match member {
            Member::Single | Member::Master => desired.origin.origin(),
            Member::Backup => millwright_model::assignment::Origin::Manifest,
        },
        trigger: desired.trigger.clone(),
        full: desired.full,
        windows: match member {
            Member::Single | Member::Master => windows_of(state, gateway),
            // It is written by its master.
            Member::Backup => Vec::new(),
        },
        begun: match desired.origin {
            // What older programs recorded does not say so.
            DesiredOrigin::Previous => Begun::Rollback,
            DesiredOrigin::Rollout | DesiredOrigin::Commit | DesiredOrigin::Snapshot { .. } => {
                desired.begun
            }
        },
    })
}

/// The windows of its fleet that mean a gateway, as they are now; the agent need not know its labels.
fn windows_of(state: &State, gateway: &GatewayName) -> Vec<Window> {
    let Some(stored) = state.gateways.get(gateway) else { return Vec::new() };
    let all = owner(state, &stored.resource).and_then(|fleet| state.windows_of(fleet));
    let labels = &stored.resource.metadata.labels;
    all.unwrap_or_default()
        .iter()
        .filter(|window| window.select.matches(labels))
        .map(|window| Window { select: Selector::default(), ..window.clone() })
        .collect()
}

fn backup_attempt(desired: &Desired, status: &GatewayStatus) -> Option<u32> {
    let applied = status.applied.as_ref()?;
    // Only the master's agent has the snapshot: nobody can tell the backup what to look for.
    let from_snapshot = matches!(desired.origin, DesiredOrigin::Snapshot { .. });
    if from_snapshot || applied.generation != desired.generation {
        return None;
    }
    let known = status.backup.as_ref().filter(|backup| backup.generation == desired.generation);
    Some(known.map_or(1, |backup| backup.attempt))
}

/// Whether an agent is connected that the state does not know of: it came before its gateway was
/// applied, or the gateway was made anew.
pub fn is_unannounced(state: &State, gateway: &GatewayName, member: Member) -> bool {
    let status = state.status.get(gateway);
    let known = status.is_some_and(|s| s.connections.contains_key(member.as_str()));
    state.gateways.contains_key(gateway) && !known
}

/// How active the other node of a pair is, as its own agent said last; empty when that agent is not
/// connected or its gateway does not run.
pub fn peer_activity(state: &State, gateway: &GatewayName, member: Member) -> String {
    let other = match member {
        Member::Single => return String::new(),
        Member::Master => Member::Backup,
        Member::Backup => Member::Master,
    };
    let seen = state.status.get(gateway).and_then(|status| {
        let connected = status.connections.get(other.as_str()).is_some_and(|c| c.connected);
        status.facts.get(other.as_str()).filter(|facts| connected && facts.state == "RUNNING")
    });
    seen.map(|facts| facts.activity_level.clone()).unwrap_or_default()
}

/// Manifests that the agents of a gateway may read, and how they are made: of what it shall have, and of
/// what they are asked to try.
pub fn readable<'s>(state: &'s State, gateway: &GatewayName) -> Vec<(Digest, &'s Arc<RenderSpec>)> {
    let desired = state.desired.get(gateway).map(|one| (one.manifest, &one.render));
    let tried = open(state, gateway).filter_map(|one| {
        let (_, _, member) = tried(state, gateway, one)?;
        Some((member.manifest, &member.render))
    });
    desired.into_iter().chain(tried).collect()
}

/// Instructions that nobody has answered and that are not void yet.
fn open<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> impl Iterator<Item = &'s InstructionRecord> {
    let all = state.status.get(gateway).into_iter().flat_map(|status| &status.instructions);
    all.filter(|one| one.answer.is_none() && one.expires_at > state.now)
}

/// What the dry run of a rollout is about.
fn tried<'s>(
    state: &'s State,
    gateway: &GatewayName,
    instruction: &InstructionRecord,
) -> Option<(RolloutId, &'s Rollout, &'s RolloutMember)> {
    if instruction.kind != InstructionKind::DryRun || instruction.subject.is_empty() {
        return None;
    }
    let id: RolloutId = instruction.subject.parse().ok()?;
    let rollout = state.rollouts.get(&id)?;
    Some((id, rollout, rollout.members.get(gateway)?))
}

/// Instructions that this agent has not answered and that are not void yet, oldest first.
pub fn instructions_of(state: &State, gateway: &GatewayName, member: Member) -> Vec<Instruction> {
    open(state, gateway)
        .filter(|one| one.member == member)
        .map(|one| Instruction {
            id: one.id.clone(),
            kind: one.kind,
            subject: one.subject.clone(),
            reason: one.reason.clone(),
            assignment: match tried(state, gateway, one) {
                Some((id, rollout, tried)) => {
                    let desired = planned(state, gateway, id, rollout, tried);
                    told(state, gateway, member, &desired)
                }
                None => assignment_of(state, gateway, member),
            },
        })
        .collect()
}

/// What a rollout would have a gateway have.
fn planned(
    state: &State,
    gateway: &GatewayName,
    id: RolloutId,
    rollout: &Rollout,
    tried: &RolloutMember,
) -> Desired {
    let last = state.desired.get(gateway).map_or(Generation(0), |desired| desired.generation);
    Desired {
        generation: last.next(),
        reference: rollout.reference.clone(),
        manifest: tried.manifest,
        render: Arc::clone(&tried.render),
        roots: tried.roots.clone(),
        rollout: id,
        attempt: 1,
        origin: DesiredOrigin::Rollout,
        trigger: String::new(),
        full: false,
        begun: Begun::Rollout,
    }
}
