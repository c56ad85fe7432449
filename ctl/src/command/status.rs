//! `millctl status`: the fleet on one screen.

use std::collections::BTreeMap;

use millwright_model::resource::Kind;
use millwright_proto::control::ClusterStatusResponse;
use serde_json::{Value, json};

use super::cluster;
use crate::{
    cli::Global,
    command::client,
    error::Result,
    output::{
        self,
        style::{Tone, tone_of},
        table::{Column, table},
        terminal,
    },
    view::{columns, text},
};

/// Gateways that need a look, named at most.
const NAMED_MAX: usize = 15;

/// Order in which states are counted: what is well, then what is broken, then what waits.
const STATES: [&str; 10] = [
    "InSync",
    "Inconsistent",
    "Failed",
    "RolledBack",
    "Drifted",
    "Offline",
    "Syncing",
    "Pending",
    "Paused",
    "Unassigned",
];

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl status
  millctl status --stale         when there is no leader
  watch --color millctl status")]
pub struct Args {}

/// What is shown.
struct Scene {
    cluster: ClusterStatusResponse,
    fleets: Vec<Value>,
    gateways: Vec<Value>,
    repositories: Vec<Value>,
}

/// Asks and shows.
pub(super) async fn run(global: &Global, Args {}: Args) -> Result<()> {
    let mut client = client(global)?;
    let cluster = client.cluster().await?;
    let fleets = client.get("Fleet", "", "").await?.values;
    let repositories = client.get("Repository", "", "").await?.values;
    let gateways = client.get("Gateway", "", "").await?;
    let index = gateways.index;
    let scene = Scene { cluster, fleets, gateways: gateways.values, repositories };
    let all = json!({
        "cluster": cluster::status::value(&scene.cluster), "fleets": scene.fleets,
        "gateways": scene.gateways, "repositories": scene.repositories,
    });
    output::show(&global.output, &all, Some(index), |wide| picture(&scene, wide))?;
    client.note_index(index);
    Ok(())
}

fn picture(scene: &Scene, wide: bool) -> String {
    let style = output::style();
    let limit = if wide { None } else { terminal::width() };
    let nodes = &scene.cluster.nodes;
    let up = nodes.iter().filter(|node| node.state != "unreachable").count();
    let leader = nodes.iter().find(|node| node.id == scene.cluster.leader);
    let counted = format!("{up}/{} coordinators", nodes.len());
    let counted = style.paint(if up == nodes.len() { Tone::Good } else { Tone::Bad }, &counted);
    let leader = leader.map_or_else(
        || style.paint(Tone::Bad, "no leader"),
        |node| format!("leader {}", node.name),
    );
    let mut out = format!("Cluster    {counted}, {leader}\n");
    out.push_str(&format!("Gateways   {}\n", summary(&scene.gateways)));
    for (kind, values) in [(Kind::Repository, &scene.repositories), (Kind::Fleet, &scene.fleets)] {
        let rows: Vec<_> = values.iter().map(|value| columns::row(kind, wide, value)).collect();
        if rows.is_empty() {
            out.push_str(&format!("\nNo {} yet: millctl apply -f FILE\n", kind.plural()));
            continue;
        }
        let mut titles = columns::columns(kind, wide);
        // The first column says which kind this is, instead of a heading.
        titles[0] = Column::new(if kind == Kind::Fleet { "FLEET" } else { "REPOSITORY" });
        out.push_str(&format!("\n{}", table(&titles, &rows, limit, style)));
    }
    out.push_str(&attention(&scene.gateways, limit));
    out
}

fn summary(gateways: &[Value]) -> String {
    let mut counts: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for gateway in gateways {
        let state = text(gateway, "/status/state");
        let rank = STATES.iter().position(|word| *word == state).unwrap_or(STATES.len());
        *counts.entry((rank, state)).or_default() += 1;
    }
    let style = output::style();
    let parts: Vec<String> = counts
        .iter()
        .map(|((_, state), n)| style.paint(tone_of(state), &format!("{n} {state}")))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn attention(gateways: &[Value], limit: Option<usize>) -> String {
    let style = output::style();
    // One that runs what a person rolled it back to is in sync, with a reason.
    let well = |gateway: &&Value| {
        text(gateway, "/status/state") == "InSync" && text(gateway, "/status/reason") == "-"
    };
    let mut off: Vec<&Value> = gateways.iter().filter(|gateway| !well(gateway)).collect();
    if off.is_empty() && gateways.is_empty() {
        return String::new();
    }
    if off.is_empty() {
        let all = style.paint(Tone::Good, "Every gateway runs what git says.");
        return format!("\n{all}\n");
    }
    // What is broken is read first.
    off.sort_by_key(|gateway| tone_of(&text(gateway, "/status/state")) != Tone::Bad);
    let rows: Vec<Vec<String>> = off
        .iter()
        .take(NAMED_MAX)
        .map(|gateway| {
            ["/metadata/name", "/status/state", "/status/reason", "/status/message"]
                .iter()
                .map(|path| text(gateway, path))
                .collect()
        })
        .collect();
    let titles = [
        Column::new("GATEWAY"),
        Column::new("STATE"),
        Column::new("REASON").spare(1),
        Column::prose("MESSAGE"),
    ];
    let mut out = format!("\n{}", table(&titles, &rows, limit, style));
    if off.len() > NAMED_MAX {
        out.push_str(&format!("and {} more: millctl get gateways\n", off.len() - NAMED_MAX));
    }
    out
}
