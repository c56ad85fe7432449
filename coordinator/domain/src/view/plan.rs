//! What people see of a plan before anything is done.

use millwright_model::{
    facts::SessionKind,
    gate::{Gate, Phase, origin},
    id::GatewayName,
    time::Timestamp,
    window::{Calendar, Evaluation},
};
use serde_json::{Value, json};

use crate::{
    State,
    command::{PlanMember, StartRollout},
    rollout::{Forecast, away_since},
};

/// A plan with what each member's files change, in the order in which members begin. `changes` has one
/// value for each member.
pub fn plan_json(
    state: &State,
    plan: &StartRollout,
    subject: &str,
    changes: &[Value],
    forecast: Option<&Forecast>,
    now: Timestamp,
) -> Value {
    let windows = state.windows_of(&plan.fleet).unwrap_or_default();
    let calendar = Calendar::at(windows, now);
    let mut members: Vec<(&PlanMember, &Value)> = plan.members.iter().zip(changes).collect();
    members.sort_by_key(|(member, _)| (member.stage, member.order));
    let members: Vec<Value> = members
        .into_iter()
        .map(|(member, change)| member_json(state, plan, member, change, &calendar))
        .collect();
    let known = state.newest.get(&plan.fleet).and_then(|id| Some((id, state.rollouts.get(id)?)));
    let known = known.filter(|(_, rollout)| rollout.is(plan.plan_hash)).map(|(id, _)| id);
    json!({
        "apiVersion": millwright_model::resource::API_VERSION,
        "kind": "Plan",
        "metadata": {"name": plan.fleet},
        "spec": {
            "fleet": plan.fleet, "repository": plan.repository, "commit": plan.commit,
            "author": plan.author, "reference": plan.reference, "subject": subject,
            "planHash": plan.plan_hash, "manual": plan.manual, "stages": stages(plan),
            "gates": plan.policy.gates.iter().map(gate_json).collect::<Vec<_>>(),
        },
        "status": {
            "rollout": known, "at": now, "members": members,
            "forecast": forecast.map(forecast_json),
        },
    })
}

fn gate_json(gate: &Gate) -> Value {
    json!({"name": gate.name, "phase": gate.phase, "url": origin(&gate.url).unwrap_or_default()})
}

fn stages(plan: &StartRollout) -> Vec<Value> {
    let stages = plan.stages.iter().enumerate();
    let asked = |phase| matches!(phase, Phase::PreStage | Phase::PreSync | Phase::PostStage);
    stages
        .map(|(at, stage)| {
            let here = plan.members.iter().filter(|member| member.stage as usize == at).count();
            let gates = plan.policy.gates.iter().chain(&stage.gates);
            let gates: Vec<Value> = gates.filter(|gate| asked(gate.phase)).map(gate_json).collect();
            json!({
                "name": stage.name, "gateways": here, "maxConcurrent": stage.max_concurrent,
                "soak": stage.soak, "quorum": stage.quorum, "approval": stage.approval.required,
                "gates": gates,
            })
        })
        .collect()
}

fn member_json(
    state: &State,
    plan: &StartRollout,
    member: &PlanMember,
    change: &Value,
    calendar: &Calendar<'_>,
) -> Value {
    let gateway = state.gateways.get(&member.gateway).map(|stored| &stored.resource);
    let window = gateway.map(|gateway| calendar.evaluate(&gateway.metadata.labels));
    let stage = plan.stages.get(member.stage as usize).map(|stage| stage.name.as_str());
    json!({
        "gateway": member.gateway, "site": gateway.map(|gateway| &gateway.spec.site),
        "stage": stage, "order": member.order, "dependsOn": member.depends_on,
        "manifest": member.manifest, "change": change, "question": member.question,
        "window": window.as_ref().map(window_json), "designers": designers(state, &member.gateway),
        "offlineSince": away_since(state, &member.gateway),
    })
}

fn window_json(evaluation: &Evaluation) -> Value {
    json!({
        "open": evaluation.automatic, "reason": evaluation.to_string(),
        "nextChange": evaluation.next_change,
    })
}

/// Who has something open there now.
fn designers(state: &State, gateway: &GatewayName) -> Vec<Value> {
    let facts = state.status.get(gateway).map(|status| status.written_facts()).unwrap_or_default();
    let open = facts.sessions.unwrap_or_default().into_iter();
    open.filter(|one| one.kind == SessionKind::Designer)
        .map(|one| json!({"user": one.user, "project": one.project, "since": one.since}))
        .collect()
}

fn forecast_json(forecast: &Forecast) -> Value {
    let members: Vec<Value> = forecast
        .members
        .iter()
        .map(|one| json!({"gateway": one.gateway, "begins": one.begins_at, "ends": one.ends_at}))
        .collect();
    let left: Vec<Value> = forecast
        .left
        .iter()
        .map(|(gateway, why)| json!({"gateway": gateway, "waits": why}))
        .collect();
    json!({
        "completes": forecast.completes, "endsAt": forecast.ends_at, "members": members,
        "criticalPath": forecast.critical, "left": left,
    })
}
