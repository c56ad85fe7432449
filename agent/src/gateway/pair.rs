//! The redundant pair as one node tells it.

use millwright_agent_domain::redundancy::Node;
use reqwest::Method;

use super::{Gateway, Trouble, number, text};

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

    /// Asks the active master to synchronise its backup once more. The 200 proves nothing.
    pub async fn resync(&self) -> Result<(), Trouble> {
        self.ask(Method::POST, "/data/api/v1/redundancy/gwaction/resync").await.map(drop)
    }
}
