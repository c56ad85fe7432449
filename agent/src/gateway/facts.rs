//! What the agent tells the cluster of its gateway. Trouble is a state too, never an error.

use millwright_agent_domain::redundancy::Node;
use millwright_model::{
    facts::{GatewayFacts, OpenSession},
    report::FailureKind,
    time::Timestamp,
};

use super::{Gateway, Version};

fn tell(facts: &mut GatewayFacts, node: Node) {
    facts.redundancy_role = node.role;
    facts.activity_level = node.activity;
    facts.project_state = node.project_state;
    facts.peer_connected = node.peer_connected;
}

impl Gateway {
    /// State, identity, role and sessions; drift and snapshots are the caller's.
    pub async fn facts(&self, now: Timestamp) -> GatewayFacts {
        let mut facts =
            GatewayFacts { os: std::env::consts::OS.to_owned(), ..GatewayFacts::default() };
        facts.state = match self.state().await {
            Ok(state) => state,
            Err(trouble) if trouble.kind == FailureKind::GatewayUnreachable => {
                facts.state = "UNREACHABLE".to_owned();
                return facts;
            }
            Err(_) => "STARTING".to_owned(),
        };
        match self.info().await {
            Ok((name, version)) => {
                facts.system_name = name;
                facts.ignition_version = version;
            }
            Err(trouble) if trouble.kind == FailureKind::Unauthorized => {
                facts.state = "UNAUTHORIZED".to_owned();
            }
            Err(_) => {
                if let Ok((name, version)) = self.gwinfo().await {
                    facts.system_name = name;
                    facts.ignition_version = version;
                }
                if self.version().await == Ok(Version::V81) {
                    if let Ok(node) = self.node_of(Version::V81).await {
                        tell(&mut facts, node);
                    }
                    return facts;
                }
            }
        }
        if let Ok((node, peer)) = self.node().await {
            tell(&mut facts, node);
            facts.peer = peer;
        }
        facts.sessions = self.sessions(now).await.all().map(|mut all: Vec<OpenSession>| {
            all.sort();
            all
        });
        facts
    }
}
