//! Resources that people put: read, their secrets sealed, then proposed or, in a dry run, tried on the
//! state as it is.

use std::sync::Arc;

use millwright_coordinator_domain::{
    State,
    access::{self, Deed},
    command::{Accepted, Body, LogContext, Outcome, subject_of},
};
use millwright_model::resource::{Kind, Resource};
use millwright_proto::control as wire;
use tonic::{Request, Response, Status};

use super::{Ask, ControlApi, Reply, invalid, status};
use crate::{
    edge::{self, Asker},
    secret,
};

/// Resources in one apply.
const RESOURCES_MAX: usize = 5_000;

/// Who asks; a dry run asks for nothing that could be noted.
async fn asker(api: &ControlApi, request: &Request<wire::ApplyRequest>) -> Result<Asker, Status> {
    let wire::ApplyRequest { resources, dry_run, reason } = request.get_ref();
    let kinds = resources.iter().filter_map(|one| one.kind.parse::<Kind>().ok());
    let deed = kinds.map(access::deed_of_change).max().unwrap_or(Deed::Write);
    if *dry_run {
        return api.allowed(request, deed);
    }
    let named = resources.iter().map(|one| (one.kind.clone(), one.name.clone()));
    let (kind, name) = subject_of(&named.collect::<Vec<_>>());
    api.admitted(request, deed, Ask { what: "apply", kind: &kind, name: &name, reason }).await
}

/// Answers `apply`.
pub(super) async fn answer(
    api: &ControlApi,
    request: Request<wire::ApplyRequest>,
) -> Reply<wire::ApplyResponse> {
    let asker = asker(api, &request).await?;
    let wire::ApplyRequest { resources, dry_run, reason } = request.into_inner();
    if resources.len() > RESOURCES_MAX {
        return Err(invalid(format!("more than {RESOURCES_MAX} resources")));
    }
    let mut read = Vec::with_capacity(resources.len());
    for one in &resources {
        let resource = Resource::from_json(&one.json).map_err(invalid)?;
        // What it says beside decides what the caller must be allowed.
        if resource.kind().as_str() != one.kind {
            return Err(invalid(format!("{} that is sent as {:?}", resource.kind(), one.kind)));
        }
        read.push(resource);
    }
    let known = api.shared.consensus.state().state;
    secret::seal_all(&api.shared.cluster_key, &known, &mut read).map_err(invalid)?;
    let body = Body::PutResources { resources: read };
    let (index, outcome) = if dry_run {
        let (index, state) = api.read(false).await?;
        let mut trial = State::clone(&state);
        let command = edge::command_of(&api.shared, asker, reason, body);
        let (outcome, _) = trial.apply(LogContext { index }, command);
        if let Outcome::Rejected(rejection) = &outcome {
            return Err(status::rejected(rejection));
        }
        (index, Arc::new(outcome))
    } else {
        let decided = api.propose(asker, reason, body).await?;
        (decided.index, decided.outcome)
    };
    let results = match outcome.as_ref() {
        Outcome::Accepted(Accepted::Applied(results)) => results.clone(),
        Outcome::Accepted(_) | Outcome::Rejected(_) => Vec::new(),
    };
    let results = results
        .into_iter()
        .map(|(kind, name, action)| wire::apply_response::Result { kind, name, action })
        .collect();
    Ok(Response::new(wire::ApplyResponse { results, index }))
}
