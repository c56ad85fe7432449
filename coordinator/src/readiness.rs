//! Whether this node can serve, in one place for the HTTP probe and for gRPC health.
//!
//! *Ready* means: it is in touch with its group, it has applied the state of its cluster, and it does
//! not send agents away. It does not decide whether a read is allowed: a read asks the majority.

use std::time::Duration;

use futures::StreamExt;
use millwright_proto::{
    agent::{
        agent_service_server::AgentServiceServer, enrolment_service_server::EnrolmentServiceServer,
    },
    control::control_service_server::ControlServiceServer,
};
use tonic::server::NamedService;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    api::{agent::AgentApi, control::ControlApi, enrol::EnrolApi},
    node::Shared,
};

/// Names that a health check may ask for; the empty one stands for the whole node.
const SERVICES: [&str; 4] = [
    "",
    EnrolmentServiceServer::<EnrolApi>::NAME,
    AgentServiceServer::<AgentApi>::NAME,
    ControlServiceServer::<ControlApi>::NAME,
];

/// Whether a node can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// It hears no leader, or leads without a majority.
    NoLeader,
    /// It has not applied the state of its cluster yet.
    CatchingUp,
    /// It is going away.
    Draining,
}

impl Readiness {
    /// For the probe's answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Readiness::Ready => "ready",
            Readiness::NoLeader => "no leader",
            Readiness::CatchingUp => "catching up",
            Readiness::Draining => "draining",
        }
    }
}

/// Whether this node can serve now.
pub fn now(shared: &Shared) -> Readiness {
    if *shared.draining.borrow() {
        Readiness::Draining
    } else if !shared.consensus.in_touch() {
        Readiness::NoLeader
    } else if !shared.consensus.state().state.is_founded() {
        Readiness::CatchingUp
    } else {
        Readiness::Ready
    }
}

/// The state behind the health service; not serving until [`report`] says otherwise.
pub async fn reporter() -> HealthReporter {
    let reporter = HealthReporter::new();
    tell(&reporter, ServingStatus::NotServing).await;
    reporter
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

/// So that a silence is noticed, which is no event.
const TICK: Duration = Duration::from_millis(500);

/// Keeps the health service right until the node stops.
pub async fn report(shared: Shared, reporter: HealthReporter) {
    let mut draining = shared.draining.clone();
    let mut state = shared.consensus.watch();
    let mut leader = std::pin::pin!(shared.consensus.leader_changes());
    let mut told = Readiness::NoLeader;
    let mut tick = tokio::time::interval(TICK);
    loop {
        let seen = now(&shared);
        if seen != told {
            tracing::debug!(readiness = seen.as_str(), "readiness changed");
            let status = match seen {
                Readiness::Ready => ServingStatus::Serving,
                Readiness::NoLeader | Readiness::CatchingUp | Readiness::Draining => {
                    ServingStatus::NotServing
                }
            };
            tell(&reporter, status).await;
            told = seen;
        }
        tokio::select! {
            changed = draining.changed() => if changed.is_err() { return },
            // Once founded, a state stays founded.
            changed = state.changed(), if told != Readiness::Ready => {
                if changed.is_err() { return }
            }
            next = leader.next() => if next.is_none() { return },
            _ = tick.tick() => {}
            () = shared.stop.cancelled() => return,
        }
    }
}
