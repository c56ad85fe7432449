//! `millctl version`: of this program, and of every coordinator.

use millwright_proto::control::ClusterStatusRequest;
use serde_json::{Value, json};

use crate::{cli::Global, command::client, error::Result, output};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl version
  millctl version --client")]
pub struct Args {
    /// Only of this program; no coordinator is asked.
    #[arg(long)]
    pub client: bool,
}

/// Node and version.
type Nodes = Vec<(String, String)>;

async fn nodes(global: &Global) -> Result<(String, Nodes)> {
    let mut client = client(global)?;
    let request = ClusterStatusRequest { stale: true };
    let answer = client.read(async |mut control| control.cluster_status(request).await).await?;
    let nodes = answer.nodes.into_iter().map(|node| (node.name, node.version)).collect();
    Ok((answer.version, nodes))
}

/// A cluster that does not answer is a note: the version of this program is known anyway.
pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let mut value = json!({"client": own});
    let mut text = format!("millctl      {own}\n");
    if !args.client {
        match nodes(global).await {
            Ok((version, nodes)) => {
                let list: Vec<Value> = nodes
                    .iter()
                    .map(|(name, version)| json!({"name": name, "version": version}))
                    .collect();
                value["cluster"] = json!({"version": version, "nodes": list});
                text.push_str(&format!("cluster      {version}\n"));
                for (name, version) in nodes {
                    let version = if version.is_empty() { "unknown".to_owned() } else { version };
                    text.push_str(&format!("  {name:<10} {version}\n"));
                }
                if version != own {
                    output::note("this program and the cluster have different versions");
                }
            }
            Err(error) => output::note(&format!("cluster      unknown: {}", error.message)),
        }
    }
    output::show(&global.output, &value, None, |_| text)
}
