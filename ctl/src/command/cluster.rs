//! `millctl cluster status`.

use millwright_proto::control::{ClusterStatusRequest, ClusterStatusResponse};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::client,
    error::Result,
    output::{self, table},
};

/// Asks and shows.
pub(super) async fn run(global: &Global) -> Result<()> {
    let request = ClusterStatusRequest { stale: global.stale };
    let status = client(global)?.connect().await?.cluster_status(request).await?.into_inner();
    let shown = output::machine(global.output, &value(&status));
    output::print(&shown.unwrap_or_else(|| picture(&status)));
    Ok(())
}

fn value(status: &ClusterStatusResponse) -> Value {
    let nodes: Vec<Value> = status
        .nodes
        .iter()
        .map(|node| {
            json!({"id": node.id, "name": node.name, "state": node.state, "voter": node.voter,
                "api": node.api_address, "peer": node.peer_address, "matched": node.matched_index,
                "lastContactMs": node.last_contact_ms, "version": node.version, "agents": node.agents})
        })
        .collect();
    json!({"clusterId": status.cluster_id, "epoch": status.epoch, "leader": status.leader,
        "term": status.term, "applied": status.last_applied, "nodes": nodes})
}

/// The cluster for people.
pub(super) fn picture(status: &ClusterStatusResponse) -> String {
    let rows: Vec<Vec<String>> = status
        .nodes
        .iter()
        .map(|node| {
            let lag = status.last_applied.saturating_sub(node.matched_index);
            let lag = if node.matched_index == 0 { "-".to_owned() } else { lag.to_string() };
            vec![
                node.name.clone(),
                node.state.clone(),
                if node.voter { "yes" } else { "no" }.to_owned(),
                lag,
                node.agents.to_string(),
                node.version.clone(),
                node.api_address.clone(),
            ]
        })
        .collect();
    format!(
        "Cluster {}  epoch {}  term {}  applied {}\n\n{}",
        status.cluster_id,
        status.epoch,
        status.term,
        status.last_applied,
        table(&["NODE", "STATE", "VOTER", "TRAILS BY", "AGENTS", "VERSION", "ADDRESS"], &rows)
    )
}
