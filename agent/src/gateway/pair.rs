//! The redundant pair as one node tells it.

use millwright_agent_domain::redundancy::Node;
use reqwest::Method;

use super::{Gateway, Trouble, Version, number, text};

impl Gateway {
    /// What this node says of itself.
    pub async fn node(&self) -> Result<(Node, String), Trouble> {
        let answer = self.json(Method::GET, "/data/api/v1/redundancy").await?;
        let flag = |key: &str| answer[key].as_bool().unwrap_or(false);
        let node = Node {
            role: text(&answer, "role"),
            activity: text(&answer, "activityLevel"),
            peer_connected: flag("peerConnected"),
            project_state: text(&answer, "projectState"),
            sync_pending: flag("syncPending"),
            last_sync: number(&answer["lastSyncTimestamp"]).unwrap_or(-1),
        };
        Ok((node, text(&answer, "peerId")))
    }

    /// The same by what Ignition of that generation has. 8.1 tells the role, the activity and the state of the
    /// pair without authentication, and nothing of synchronisations; a single node may tell none of it.
    pub async fn node_of(&self, version: Version) -> Result<Node, Trouble> {
        if version == Version::V83 {
            return self.node().await.map(|(node, _)| node);
        }
        let mut told = self.gwinfo_pairs().await?;
        let mut take = |key: &str| told.remove(key).unwrap_or_default();
        let state = take("RedundantState");
        Ok(Node {
            role: take("RedundancyStatus"),
            activity: take("RedundantNodeActiveStatus"),
            peer_connected: state == "Good",
            project_state: state,
            sync_pending: false,
            last_sync: 0,
        })
    }

    /// Asks the active master to synchronise its backup once more. The 200 proves nothing.
    pub async fn resync(&self) -> Result<(), Trouble> {
        self.ask(Method::POST, "/data/api/v1/redundancy/gwaction/resync").await.map(drop)
    }
}
