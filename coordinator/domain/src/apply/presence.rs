//! Which agents are connected where. Heartbeats never come here, only changes of meaning.

use std::sync::Arc;

use millwright_model::{
    facts::GatewayFacts,
    id::{GatewayName, Member},
    resource::Kind,
};

use super::Scene;
use crate::{
    State,
    command::{Accepted, AgentRef},
    state::{Connection, MemberState},
};

impl State {
    pub(super) fn record_presence(
        &mut self,
        scene: &mut Scene<'_>,
        node: u64,
        full: bool,
        connected: Vec<AgentRef>,
        lost: &[(GatewayName, Member)],
    ) -> Accepted {
        if full {
            self.forget(scene, |connection| connection.node == node);
        }
        for agent in connected {
            self.connected(scene, node, agent);
        }
        for (gateway, member) in lost {
            let only = (gateway.clone(), *member);
            self.lost(scene, &only, |connection| connection.node == node);
        }
        Accepted::Done
    }

    pub(super) fn node_lost(&mut self, scene: &mut Scene<'_>, node: u64) -> Accepted {
        self.forget(scene, |connection| connection.node == node);
        Accepted::Done
    }

    fn connected(&mut self, scene: &mut Scene<'_>, node: u64, agent: AgentRef) {
        // An enrolled agent whose gateway nobody has applied yet is not kept: it comes again.
        if !self.gateways.contains_key(&agent.gateway) {
            return;
        }
        let now = self.now;
        let status = self.status.entry(agent.gateway.clone()).or_default();
        let status = Arc::make_mut(status);
        let member = agent.member.as_str().to_owned();
        let seen = |facts: &GatewayFacts| (facts.state.clone(), facts.activity_level.clone());
        let now_seen = seen(&agent.facts);
        let waits = agent.facts.waiting.is_some();
        let known = status.facts.insert(member.clone(), agent.facts);
        let waited = known.as_ref().and_then(|facts| facts.waiting.as_ref()).is_some();
        let seen_before = known.map(|facts| seen(&facts));
        let before = status.connections.get(&member);
        let since = before.filter(|old| old.connected).map_or(now, |old| old.since);
        let news = before.is_none_or(|old| !old.connected);
        let connection = Connection {
            connected: true,
            node,
            since,
            agent_version: agent.version,
            address: agent.address,
            instance: agent.instance,
        };
        status.connections.insert(member, connection);
        if waited && !waits {
            self.goes_on(&agent.gateway);
        }
        // The agent of the other node is told who serves.
        if agent.member != Member::Single && (news || seen_before != Some(now_seen)) {
            scene.touched.gateways.insert(agent.gateway.clone());
        }
        if news {
            let message = format!("agent connected to node {node}");
            self.say(scene.index, Kind::Gateway, agent.gateway.as_str(), "put", message);
        }
    }

    /// What waited for a window is at work from now on: deadlines count from here.
    fn goes_on(&mut self, gateway: &GatewayName) {
        let now = self.now;
        let id = self.desired.get(gateway).map(|desired| desired.rollout.clone());
        let rollout = id.and_then(|id| Arc::make_mut(&mut self.rollouts).get_mut(&id));
        let Some(rollout) = rollout else { return };
        let Some(member) = rollout.members.get(gateway) else { return };
        if !matches!(member.state, MemberState::Assigned { .. } | MemberState::Reverting { .. }) {
            return;
        }
        let rollout = Arc::make_mut(rollout);
        rollout.revision += 1;
        rollout.moved_at = now;
        if let Some(member) = rollout.members.get_mut(gateway) {
            Arc::make_mut(member).since = now;
        }
    }

    fn forget(&mut self, scene: &mut Scene<'_>, which: impl Fn(&Connection) -> bool + Copy) {
        let gone: Vec<(GatewayName, Member)> = self
            .status
            .iter()
            .flat_map(|(gateway, status)| {
                status
                    .connections
                    .iter()
                    .filter(move |(_, connection)| connection.connected && which(connection))
                    .filter_map(|(member, _)| Some((gateway.clone(), member.parse().ok()?)))
            })
            .collect();
        for agent in &gone {
            self.lost(scene, agent, which);
        }
    }

    fn lost(
        &mut self,
        scene: &mut Scene<'_>,
        (gateway, member): &(GatewayName, Member),
        which: impl Fn(&Connection) -> bool,
    ) {
        let now = self.now;
        let Some(status) = self.status.get_mut(gateway) else { return };
        let status = Arc::make_mut(status);
        let Some(connection) = status.connections.get_mut(member.as_str()) else { return };
        // It may be connected elsewhere by now.
        if !connection.connected || !which(connection) {
            return;
        }
        connection.connected = false;
        connection.since = now;
        if *member != Member::Single {
            scene.touched.gateways.insert(gateway.clone());
        }
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", "agent lost".to_owned());
    }
}
