//! One side of a comparison: the files that a gateway has, or those that a commit would give it.
//! Nothing is changed; a ref that a person types is looked up at the remote first.

use std::{sync::Arc, time::Duration};

use millwright_coordinator_domain::{
    State,
    render::{NoSpec, Prospect, prospect, repository_of, running},
};
use millwright_model::{
    digest::GitId,
    id::{GatewayName, Name},
    manifest::Manifest,
    path::ManagedPath,
};
use millwright_proto::{control as wire, hint};
use tonic::Status;

use super::invalid;
use crate::{content::refs::Resolved, node::Shared, source};

/// A remote that takes longer to answer a person goes on in the background.
const PATIENCE: Duration = Duration::from_secs(30);
/// Paths that one request may name.
const PATHS_MAX: usize = 1_000;

/// Files, and what they are.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) manifest: Arc<Manifest>,
    pub(super) info: wire::SideInfo,
}

/// Why there is no side, for the wire.
pub(super) fn refused(error: &NoSpec) -> Status {
    match error {
        NoSpec::Unknown(_) => hint::with_hint(
            tonic::Code::NotFound,
            error.to_string(),
            "list them: millctl get gateways",
        ),
        NoSpec::Snapshot(..) => hint::with_hint(
            tonic::Code::FailedPrecondition,
            error.to_string(),
            "compare with a ref: millctl diff GATEWAY --from REF",
        ),
        NoSpec::NoFleet(_) | NoSpec::NoProfile(_) | NoSpec::NoRelease(_) | NoSpec::Render(_) => {
            Status::failed_precondition(error.to_string())
        }
    }
}

/// The side that is meant.
pub(super) async fn side(
    shared: &Shared,
    state: &State,
    asked: Option<wire::Side>,
) -> Result<Side, Status> {
    let wire::Side { gateway, reference, running } = asked.unwrap_or_default();
    let gateway: GatewayName = gateway.parse().map_err(invalid)?;
    if running && !reference.is_empty() {
        return Err(invalid("a side is what a gateway runs, or a ref, not both"));
    }
    if running {
        return has(shared, state, &gateway).await;
    }
    if reference.is_empty() {
        let Prospect { spec, reference } =
            prospect(state, &gateway, None).map_err(|error| refused(&error))?;
        let manifest = source::ensure(shared, state, &spec).await?;
        let info = info(&gateway, &reference, Some(spec.commit), &manifest, "release");
        return Ok(Side { manifest, info });
    }
    let repository = repository_of(state, &gateway).map_err(|error| refused(&error))?;
    let (resolved, note) = typed(shared, state, repository, &reference).await?;
    let meant = Some((resolved.commit, resolved.reference.as_str()));
    let Prospect { spec, reference } =
        prospect(state, &gateway, meant).map_err(|error| refused(&error))?;
    let manifest = source::ensure(shared, state, &spec).await?;
    let mut info = info(&gateway, &reference, Some(spec.commit), &manifest, "ref");
    info.notes.extend(note);
    Ok(Side { manifest, info })
}

/// What a gateway has by its agent's own account.
async fn has(shared: &Shared, state: &State, gateway: &GatewayName) -> Result<Side, Status> {
    let Some(running) = running(state, gateway).map_err(|error| refused(&error))? else {
        let manifest = Arc::new(Manifest::from_tree(Vec::new(), Arc::default()));
        let mut info = info(gateway, "", None, &manifest, "nothing");
        info.notes.push(format!("nothing was ever applied to gateway {gateway}"));
        return Ok(Side { manifest, info });
    };
    let mut first = None;
    for spec in &running.candidates {
        let manifest = source::ensure(shared, state, spec).await?;
        let info = info(gateway, &running.reference, Some(spec.commit), &manifest, "running");
        let side = Side { manifest, info };
        if running.manifest.is_none_or(|digest| digest == side.manifest.digest()) {
            return Ok(side);
        }
        first.get_or_insert(side);
    }
    let mut side = first.ok_or_else(|| Status::internal("a gateway runs nothing"))?;
    side.info.notes.push(format!(
        "the profile of gateway {gateway} was changed since: its commit is rendered as now"
    ));
    Ok(side)
}

/// What a person means by a ref, and what to say about it.
pub(super) async fn typed(
    shared: &Shared,
    state: &State,
    repository: &Name,
    reference: &str,
) -> Result<(Resolved, Option<String>), Status> {
    let stored = state.repositories().get(repository).ok_or_else(|| {
        Status::failed_precondition(format!("repository {repository} does not exist"))
    })?;
    let url = &stored.resource.spec.url;
    let content = &shared.content;
    // A whole commit id means the same everywhere and always.
    let whole = reference.parse::<GitId>().is_ok();
    let mut note = None;
    if !whole {
        let fetched = tokio::time::timeout(PATIENCE, content.fetch(repository, url)).await;
        note = match fetched {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the remote has not answered within {} s", PATIENCE.as_secs())),
        };
        note = note.map(|why| format!("{reference} as of the last fetch: {why}"));
    }
    match content.resolve_typed(repository, url, reference).await {
        Ok(resolved) => Ok((resolved, note)),
        Err(_) if whole => {
            let commit = reference.parse::<GitId>().map_err(invalid)?;
            let got = crate::objects::obtain(shared, state, repository, url, commit).await;
            got.map_err(|error| source::failed(&error))?;
            let resolved = content.resolve_typed(repository, url, reference).await;
            Ok((resolved.map_err(|error| source::failed(&error))?, None))
        }
        Err(error) => Err(match note {
            Some(note) => Status::unavailable(format!("{error}; {note}")),
            None => source::failed(&error),
        }),
    }
}

fn info(
    gateway: &GatewayName,
    reference: &str,
    commit: Option<GitId>,
    manifest: &Manifest,
    standing: &str,
) -> wire::SideInfo {
    wire::SideInfo {
        gateway: gateway.to_string(),
        reference: reference.to_owned(),
        commit: commit.map(|commit| commit.to_string()).unwrap_or_default(),
        manifest: manifest.digest().to_string(),
        files: manifest.count(),
        bytes: manifest.total_bytes(),
        standing: standing.to_owned(),
        notes: Vec::new(),
    }
}

/// Files or directories that a request is about; all when empty.
#[derive(Debug)]
pub(super) struct Paths(Vec<ManagedPath>);

impl Paths {
    pub(super) fn parse(paths: &[String]) -> Result<Self, Status> {
        if paths.len() > PATHS_MAX {
            return Err(invalid(format!("more than {PATHS_MAX} paths")));
        }
        let one = |path: &String| ManagedPath::parse(path.trim_end_matches('/')).map_err(invalid);
        Ok(Self(paths.iter().map(one).collect::<Result<_, _>>()?))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|wanted| {
                let rest = path.strip_prefix(wanted.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}
