//! The parts of one agent, put together in order: identity, disk, gateway, connection, runner.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, bail};
use millwright_agent_domain::journal::Record;
use millwright_certs::{identity::Identity, store::CredentialStore};
use millwright_model::{
    assignment::Assignment,
    facts::{Drift, GatewayFacts, SnapshotInfo, Waiting},
    policy::Policies,
    report::Step,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    connect::{self, Connection, Wires},
    drift::Watcher,
    edge::CoordinatorTime,
    effect::Tools,
    fs::inventory::Inventory,
    gateway::Gateway,
    journal::Journal,
    local::Local,
    runner::Runner,
    secret::Secret,
    snapshot::Store,
    state::StateDir,
};

/// Instructions and answers waiting: a person gives them one at a time.
const INSTRUCTIONS: usize = 16;
/// Between the first change of snapshots and telling of them.
const SNAPSHOTS_SETTLE: Duration = Duration::from_secs(1);
/// Snapshots told of.
const SNAPSHOTS_TOLD: usize = 50;

/// An agent that is ready to run.
#[derive(Debug)]
pub struct Agent {
    store: CredentialStore,
    identity_dir: PathBuf,
    connection: Connection,
    wires: Wires,
    runner: Runner,
    facts: watch::Sender<GatewayFacts>,
    looked: Looked,
}

/// What others find out, for the facts.
#[derive(Debug)]
struct Looked {
    drift: watch::Receiver<Drift>,
    snapshots: watch::Receiver<()>,
    waiting: watch::Receiver<Option<Waiting>>,
}

impl Agent {
    /// Opens the folder that `enrol` made.
    pub async fn open(dir: &Path) -> anyhow::Result<Self> {
        let config = Arc::new(Config::load(&dir.join("agent.toml"))?);
        let identity_dir = dir.join("identity");
        let store = CredentialStore::load_dir(&identity_dir).context("identity")?;
        let Identity::Agent { gateway: gateway_name, member, .. } = store.identity().clone() else {
            bail!("{} is no agent's identity", store.identity());
        };
        let state = StateDir::open(dir)?;
        let gateway = Gateway::new(&config.gateway.url, &config.gateway.token_file)?;
        let (connection, coordinators) =
            Connection::new(store.clone(), Some(identity_dir.clone()), config.coordinators.clone());
        let (journal, records) = Journal::open(&state.journal_file())?;
        let local = Local::new(
            Inventory::load(&state.inventory_file()),
            Store::open(&state.snapshots())?,
            state.manifest()?.map(Arc::new),
        );
        let snapshots = local.store.changes();
        let (policies, policies_seen) = watch::channel(Policies::default());
        let (peer, peer_seen) = watch::channel(String::new());
        let (secret, secret_seen) = watch::channel(Secret::default());
        let (time, time_seen) = watch::channel(None);
        let (assignment, newest) = watch::channel(None);
        let tools = Tools {
            config: Arc::clone(&config),
            member,
            gateway_name,
            policies: policies_seen,
            peer: peer_seen,
            secret: secret_seen,
            coordinator_time: time_seen,
            newest,
            gateway,
            coordinators,
            state,
            local: Arc::new(Mutex::new(local)),
        };
        let (drift, drift_seen) = watch::channel(Drift::default());
        let watcher = Watcher::new(drift, Duration::from(config.gateway.drift_check));
        Self::wire(Parts {
            store,
            identity_dir,
            connection,
            tools,
            journal,
            records,
            policies,
            peer,
            secret,
            time,
            assignment,
            watcher,
            drift_seen,
            snapshots,
        })
        .await
    }

    async fn wire(parts: Parts) -> anyhow::Result<Self> {
        let Parts {
            store,
            identity_dir,
            connection,
            tools,
            journal,
            records,
            policies,
            peer,
            secret,
            time,
            assignment,
            watcher,
            drift_seen,
            snapshots,
        } = parts;
        let (reports, reports_seen) = watch::channel(tools.state.reports()?);
        let (handled, handled_seen) = watch::channel(tools.state.handled()?);
        let (acknowledged_tx, acknowledged) = mpsc::channel(INSTRUCTIONS);
        let (instructions_tx, instructions) = mpsc::channel(INSTRUCTIONS);
        let (answers, answers_rx) = mpsc::channel(INSTRUCTIONS);
        let (waiting, waiting_seen) = watch::channel(None);
        let first = look(&tools, &drift_seen).await;
        let (facts, facts_seen) = watch::channel(first);
        let wires = Wires {
            assignment,
            reports: reports_seen,
            acknowledged: acknowledged_tx,
            instructions: instructions_tx,
            answers: answers_rx,
            handled: handled_seen,
            peer,
            secret,
            time,
            facts: facts_seen,
        };
        let runner = Runner {
            assignment: tools.newest.clone(),
            tools,
            journal,
            records,
            policies,
            instructions,
            answers,
            reports,
            acknowledged,
            handled,
            drift: watcher,
            done: VecDeque::new(),
            aside: None,
            waiting,
        };
        let looked = Looked { drift: drift_seen, snapshots, waiting: waiting_seen };
        Ok(Self { store, identity_dir, connection, wires, runner, facts, looked })
    }

    /// Starts its tasks; the runner's end is the agent's.
    pub fn start(
        self,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> JoinHandle<anyhow::Result<()>> {
        let Self { store, identity_dir, connection, wires, runner, facts, looked } = self;
        let tools = Arc::new(runner.tools.clone());
        tasks.spawn(connection.run(wires, stop.child_token()));
        tasks.spawn(connect::keep_renewed(
            store,
            identity_dir,
            tools.config.coordinators.clone(),
            stop.clone(),
        ));
        tasks.spawn(watch_facts(tools, facts, looked, stop.clone()));
        tasks.spawn(runner.run(stop.clone()))
    }
}

struct Parts {
    store: CredentialStore,
    identity_dir: PathBuf,
    connection: Connection,
    tools: Tools,
    journal: Journal,
    records: Vec<Record>,
    policies: watch::Sender<Policies>,
    peer: watch::Sender<String>,
    secret: watch::Sender<Secret>,
    time: watch::Sender<Option<CoordinatorTime>>,
    assignment: watch::Sender<Option<Assignment>>,
    watcher: Watcher,
    drift_seen: watch::Receiver<Drift>,
    snapshots: watch::Receiver<()>,
}

async fn look(tools: &Tools, drift: &watch::Receiver<Drift>) -> GatewayFacts {
    let mut facts = tools.gateway.facts(tools.now()).await;
    facts.drift = drift.borrow().clone();
    facts.snapshots = kept_snapshots(tools).await;
    facts
}

async fn kept_snapshots(tools: &Tools) -> Vec<SnapshotInfo> {
    let known = tools.on_disk(Step::Report, |_, local| Ok(local.store.infos())).await;
    let mut snapshots = known.unwrap_or_default();
    snapshots.truncate(SNAPSHOTS_TOLD);
    snapshots
}

/// Waits until snapshots have changed, and a moment more: a change takes one and removes an old one.
async fn told(snapshots: &mut watch::Receiver<()>) -> Result<(), watch::error::RecvError> {
    snapshots.changed().await?;
    tokio::time::sleep(SNAPSHOTS_SETTLE).await;
    snapshots.mark_unchanged();
    Ok(())
}

/// Looks at the gateway from time to time, and at once when drift changes; tells only what changed. A
/// change of snapshots, or of what is put aside, is no reason to ask the gateway.
async fn watch_facts(
    tools: Arc<Tools>,
    facts: watch::Sender<GatewayFacts>,
    mut looked: Looked,
    stop: CancellationToken,
) {
    let mut whole = true;
    loop {
        let seen = if whole {
            look(&tools, &looked.drift).await
        } else {
            let snapshots = kept_snapshots(&tools).await;
            GatewayFacts { snapshots, ..facts.borrow().clone() }
        };
        let seen = GatewayFacts { waiting: looked.waiting.borrow_and_update().clone(), ..seen };
        facts.send_if_modified(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(Duration::from(tools.config.gateway.facts_poll)) => whole = true,
            changed = looked.drift.changed() => match changed {
                Ok(()) => whole = true,
                Err(_) => return,
            },
            changed = told(&mut looked.snapshots) => match changed {
                Ok(()) => whole = false,
                Err(_) => return,
            },
            changed = looked.waiting.changed() => match changed {
                Ok(()) => whole = false,
                Err(_) => return,
            },
            () = stop.cancelled() => return,
        }
    }
}
