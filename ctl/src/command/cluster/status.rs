//! `millctl cluster status`.

use millwright_proto::control::{ClusterStatusResponse, Node};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::client,
    error::Result,
    output::{
        self, span,
        style::Tone,
        table::{Column, table},
        terminal,
    },
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl cluster status
  millctl cluster status --stale -o json")]
pub struct Args {}

const COLUMNS: [Column; 8] = [
    Column::new("NODE"),
    Column::new("STATE"),
    Column::new("VOTER").spare(2),
    Column::new("TRAILS BY"),
    Column::new("LAST HEARD").spare(1),
    Column::new("AGENTS"),
    Column::new("VERSION").spare(3),
    Column::new("ADDRESS"),
];

pub(super) async fn run(global: &Global, Args {}: Args) -> Result<()> {
    let mut client = client(global)?;
    let mut status = client.cluster().await?;
    // Only the leader knows how far the others are.
    let leader = status.nodes.iter().find(|node| node.id == status.leader);
    if let Some(leader) = leader.filter(|node| node.id != status.answered_by && !global.stale) {
        client.turn_to(&leader.api_address.clone()).await;
        status = client.cluster().await?;
    }
    status.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let index = Some(status.last_applied);
    output::show(&global.output, &value(&status), index, |wide| picture(&status, wide))?;
    client.note_index(status.last_applied);
    Ok(())
}

/// The cluster as JSON.
pub(crate) fn value(status: &ClusterStatusResponse) -> Value {
    let node = |node: &Node| {
        json!({"id": node.id, "name": node.name, "state": node.state, "voter": node.voter,
            "api": node.api_address, "peer": node.peer_address, "matched": node.matched_index,
            "lastContactMs": node.last_contact_ms, "version": node.version, "agents": node.agents})
    };
    let nodes: Vec<Value> = status.nodes.iter().map(node).collect();
    json!({"clusterId": status.cluster_id, "epoch": status.epoch, "leader": status.leader,
        "term": status.term, "applied": status.last_applied, "answeredBy": status.answered_by,
        "version": status.version, "nodes": nodes})
}

/// What the node that was asked does not know shows as a dash.
fn row(status: &ClusterStatusResponse, node: &Node) -> Vec<String> {
    let dash = || "-".to_owned();
    let leads = node.id == status.leader;
    let known = node.matched_index > 0 && !leads;
    let lag = status.last_applied.saturating_sub(node.matched_index);
    let heard = node.last_contact_ms > 0 && !leads;
    vec![
        node.name.clone(),
        node.state.clone(),
        if node.voter { "yes" } else { "no" }.to_owned(),
        if known { lag.to_string() } else { dash() },
        if heard { format!("{} ago", span(node.last_contact_ms)) } else { dash() },
        node.agents.to_string(),
        if node.version.is_empty() { dash() } else { node.version.clone() },
        node.api_address.clone(),
    ]
}

/// The cluster for people.
fn picture(status: &ClusterStatusResponse, wide: bool) -> String {
    let rows: Vec<Vec<String>> = status.nodes.iter().map(|node| row(status, node)).collect();
    let style = output::style();
    let mut text = format!(
        "Cluster {}  epoch {}  term {}  applied {}\n\n{}",
        style.paint(Tone::Strong, &status.cluster_id),
        status.epoch,
        status.term,
        status.last_applied,
        table(&COLUMNS, &rows, if wide { None } else { terminal::width() }, style)
    );
    if status.leader == 0 {
        text.push('\n');
        text.push_str(&style.paint(Tone::Bad, "No leader: nothing can be changed now."));
        text.push('\n');
    }
    text
}
