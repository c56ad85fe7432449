//! Commands about rollouts, from and to protobuf.

use millwright_coordinator_domain::command::{
    AdvanceRollout, Body, Finish, GateAnswered, PlanMember, PlanStage, RolloutAction, Scope,
    StartRollout, Step,
};
use millwright_model::{
    digest::Digest,
    id::{GatewayName, RolloutId},
    path::ManagedPath,
    time::Span,
};
use millwright_proto::log;

use super::{InvalidBytes, invalid};

fn bad(why: impl ToString) -> InvalidBytes {
    invalid("a command", why)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has text keys only")
}

fn texts<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn gateways(all: &[String]) -> Result<Vec<GatewayName>, InvalidBytes> {
    all.iter().map(|name| name.parse().map_err(bad)).collect()
}

pub(super) fn roots_in(roots: &[String]) -> Result<Vec<ManagedPath>, InvalidBytes> {
    roots.iter().map(|root| ManagedPath::parse(root).map_err(bad)).collect()
}

pub(super) fn start_in(start: log::StartRollout) -> Result<StartRollout, InvalidBytes> {
    let log::StartRollout {
        rollout: _,
        fleet,
        repository,
        commit,
        reference,
        stages,
        members,
        plan_hash,
        fleet_version,
        supersedes: _,
        author,
        manual,
        policy_json,
    } = start;
    Ok(StartRollout {
        fleet: fleet.parse().map_err(bad)?,
        repository: repository.parse().map_err(bad)?,
        commit: commit.parse().map_err(bad)?,
        author,
        reference,
        manual,
        policy: serde_json::from_slice(&policy_json).map_err(bad)?,
        stages: stages.into_iter().map(stage_in).collect::<Result<_, _>>()?,
        members: members.into_iter().map(member_in).collect::<Result<_, _>>()?,
        plan_hash: Digest::from_slice(&plan_hash).map_err(bad)?,
        seen: fleet_version,
    })
}

pub(super) fn start_out(start: &StartRollout) -> log::StartRollout {
    let StartRollout {
        fleet,
        repository,
        commit,
        author,
        reference,
        manual,
        policy,
        stages,
        members,
        plan_hash,
        seen,
    } = start;
    log::StartRollout {
        rollout: String::new(),
        fleet: fleet.to_string(),
        repository: repository.to_string(),
        commit: commit.to_string(),
        reference: reference.clone(),
        stages: stages.iter().map(stage_out).collect(),
        members: members.iter().map(member_out).collect(),
        plan_hash: plan_hash.0.to_vec(),
        fleet_version: *seen,
        supersedes: String::new(),
        author: author.clone(),
        manual: *manual,
        policy_json: json(policy),
    }
}

fn stage_in(stage: log::PlanStage) -> Result<PlanStage, InvalidBytes> {
    let log::PlanStage { name, max_concurrent, soak_ms, quorum, approval_json, gates_json } = stage;
    let gates = match &gates_json[..] {
        [] => Vec::new(),
        json => serde_json::from_slice(json).map_err(bad)?,
    };
    Ok(PlanStage {
        name,
        max_concurrent,
        soak: Span(soak_ms),
        approval: serde_json::from_slice(&approval_json).map_err(bad)?,
        quorum,
        gates,
    })
}

fn stage_out(stage: &PlanStage) -> log::PlanStage {
    let PlanStage { name, max_concurrent, soak, approval, quorum, gates } = stage;
    log::PlanStage {
        name: name.clone(),
        max_concurrent: *max_concurrent,
        soak_ms: soak.0,
        quorum: *quorum,
        approval_json: json(approval),
        gates_json: if gates.is_empty() { Vec::new() } else { json(gates) },
    }
}

fn member_in(member: log::PlanMember) -> Result<PlanMember, InvalidBytes> {
    let log::PlanMember {
        gateway,
        manifest,
        render_json,
        stage,
        files: _,
        bytes: _,
        roots,
        question,
        order,
        depends_on,
    } = member;
    Ok(PlanMember {
        gateway: gateway.parse().map_err(bad)?,
        manifest: Digest::from_slice(&manifest).map_err(bad)?,
        render: serde_json::from_slice(&render_json).map_err(bad)?,
        stage,
        order,
        depends_on: gateways(&depends_on)?,
        roots: roots_in(&roots)?,
        question,
    })
}

fn member_out(member: &PlanMember) -> log::PlanMember {
    let PlanMember { gateway, manifest, render, stage, order, depends_on, roots, question } =
        member;
    log::PlanMember {
        gateway: gateway.to_string(),
        manifest: manifest.0.to_vec(),
        render_json: json(render),
        stage: *stage,
        files: 0,
        bytes: 0,
        roots: texts(roots),
        question: question.clone(),
        order: *order,
        depends_on: texts(depends_on),
    }
}

pub(super) fn advance_in(advance: log::AdvanceRollout) -> Result<AdvanceRollout, InvalidBytes> {
    let log::AdvanceRollout { rollout, seen, assign, finish, message: _, steps, config } = advance;
    // What was written before there were steps.
    let older = assign.into_iter().map(|gateway| plain("assign", gateway, 0, String::new()));
    let end = (!finish.is_empty()).then(|| plain(&finish, String::new(), 0, String::new()));
    Ok(AdvanceRollout {
        rollout: rollout.parse().map_err(bad)?,
        seen,
        config,
        steps: older.chain(steps).chain(end).map(step_in).collect::<Result<_, _>>()?,
    })
}

pub(super) fn advance_out(advance: &AdvanceRollout) -> log::AdvanceRollout {
    let AdvanceRollout { rollout, seen, config, steps } = advance;
    log::AdvanceRollout {
        rollout: rollout.to_string(),
        seen: *seen,
        assign: Vec::new(),
        finish: String::new(),
        message: String::new(),
        steps: steps.iter().map(step_out).collect(),
        config: *config,
    }
}

fn plain(step: &str, gateway: String, stage: u32, message: String) -> log::RolloutStep {
    let step = step.to_owned();
    log::RolloutStep { step, gateway, stage, message, ..log::RolloutStep::default() }
}

fn step_in(step: log::RolloutStep) -> Result<Step, InvalidBytes> {
    let log::RolloutStep { step, gateway, stage, message, scope, gate_key_json } = step;
    let gateway = || gateway.parse::<GatewayName>().map_err(bad);
    Ok(match step.as_str() {
        "ask_approval" => Step::AskApproval { stage },
        "ask_gate" => Step::AskGate { key: serde_json::from_slice(&gate_key_json).map_err(bad)? },
        "dry_run" => Step::DryRun { gateway: gateway()? },
        "open_stage" => Step::OpenStage { stage },
        "close_stage" => Step::CloseStage { stage },
        "assign" => Step::Assign { gateway: gateway()? },
        "defer" => Step::Defer { gateway: gateway()? },
        "fail" => Step::Fail { gateway: gateway()?, message },
        "revert" => Step::Revert { gateway: gateway()? },
        "completed" => Step::Finish { finish: Finish::Completed, message },
        "failed" => Step::Finish { finish: Finish::Failed, message },
        "roll_back" => {
            let scope = match scope.as_str() {
                "all" => Scope::All,
                "stage" => Scope::Stage(stage),
                "failed" => Scope::Failed,
                "dependents" => Scope::Dependents,
                other => return Err(bad(format!("unknown scope {other:?}"))),
            };
            Step::RollBack { scope, cause: message }
        }
        other => return Err(bad(format!("unknown step of a rollout {other:?}"))),
    })
}

fn step_out(step: &Step) -> log::RolloutStep {
    let none = String::new;
    match step {
        Step::AskApproval { stage } => plain("ask_approval", none(), *stage, none()),
        Step::AskGate { key } => log::RolloutStep {
            step: "ask_gate".to_owned(),
            gate_key_json: json(key),
            ..log::RolloutStep::default()
        },
        Step::DryRun { gateway } => plain("dry_run", gateway.to_string(), 0, none()),
        Step::OpenStage { stage } => plain("open_stage", none(), *stage, none()),
        Step::CloseStage { stage } => plain("close_stage", none(), *stage, none()),
        Step::Assign { gateway } => plain("assign", gateway.to_string(), 0, none()),
        Step::Defer { gateway } => plain("defer", gateway.to_string(), 0, none()),
        Step::Fail { gateway, message } => plain("fail", gateway.to_string(), 0, message.clone()),
        Step::Revert { gateway } => plain("revert", gateway.to_string(), 0, none()),
        Step::Finish { finish, message } => {
            let word = match finish {
                Finish::Completed => "completed",
                Finish::Failed => "failed",
            };
            plain(word, none(), 0, message.clone())
        }
        Step::RollBack { scope, cause } => {
            let (word, stage) = match scope {
                Scope::All => ("all", 0),
                Scope::Stage(stage) => ("stage", *stage),
                Scope::Failed => ("failed", 0),
                Scope::Dependents => ("dependents", 0),
            };
            let step = plain("roll_back", none(), stage, cause.clone());
            log::RolloutStep { scope: word.to_owned(), ..step }
        }
    }
}

pub(super) fn gate_in(answered: log::GateAnswered) -> Result<Body, InvalidBytes> {
    let log::GateAnswered { rollout, key_json, attempt, answer_json, failure, asked_json } =
        answered;
    let outcome = match &answer_json[..] {
        [] => Err(failure),
        json => Ok(serde_json::from_slice(json).map_err(bad)?),
    };
    Ok(Body::GateAnswered(GateAnswered {
        rollout: rollout.parse().map_err(bad)?,
        key: serde_json::from_slice(&key_json).map_err(bad)?,
        attempt,
        outcome,
        asked: serde_json::from_slice(&asked_json).map_err(bad)?,
    }))
}

pub(super) fn gate_out(answered: &GateAnswered) -> log::GateAnswered {
    let GateAnswered { rollout, key, attempt, outcome, asked } = answered;
    log::GateAnswered {
        rollout: rollout.to_string(),
        key_json: json(key),
        attempt: *attempt,
        answer_json: outcome.as_ref().map(json).unwrap_or_default(),
        failure: outcome.as_ref().err().cloned().unwrap_or_default(),
        asked_json: json(asked),
    }
}

pub(super) fn act_in(act: log::ActOnRollout) -> Result<Body, InvalidBytes> {
    let log::ActOnRollout { rollout, action, stage, gateway, plan_hash } = act;
    let hash = (!plan_hash.is_empty()).then(|| Digest::from_slice(&plan_hash)).transpose();
    let action =
        RolloutAction::parse(&action, &stage, &gateway, hash.map_err(bad)?).map_err(bad)?;
    Ok(Body::ActOnRollout { rollout: rollout.parse().map_err(bad)?, action })
}

pub(super) fn act_out(rollout: &RolloutId, action: &RolloutAction) -> log::ActOnRollout {
    let plain = |action: &str| log::ActOnRollout {
        rollout: rollout.to_string(),
        action: action.to_owned(),
        ..log::ActOnRollout::default()
    };
    match action {
        RolloutAction::Start { plan_hash } => {
            let plan_hash = plan_hash.map(|hash| hash.0.to_vec()).unwrap_or_default();
            log::ActOnRollout { plan_hash, ..plain("start") }
        }
        RolloutAction::Pause => plain("pause"),
        RolloutAction::Resume => plain("resume"),
        RolloutAction::Approve { stage } => {
            log::ActOnRollout { stage: stage.clone(), ..plain("approve") }
        }
        RolloutAction::Deny { stage } => {
            log::ActOnRollout { stage: stage.clone(), ..plain("deny") }
        }
        RolloutAction::Promote => plain("promote"),
        RolloutAction::Retry { gateway } => {
            let gateway = gateway.as_ref().map(ToString::to_string).unwrap_or_default();
            log::ActOnRollout { gateway, ..plain("retry") }
        }
        RolloutAction::Skip { gateway } => {
            log::ActOnRollout { gateway: gateway.to_string(), ..plain("skip") }
        }
        RolloutAction::Abort => plain("abort"),
        RolloutAction::Undo => plain("undo"),
    }
}
