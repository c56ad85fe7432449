//! The simulated gateway as a program: prints one JSON line when it serves, ends on SIGTERM.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::Parser;
use gateway_sim::{Sim, SimConfig};
use serde_json::json;

/// A simulated Ignition 8.3 gateway for tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Its data directory; seeded when empty.
    #[arg(long)]
    data_dir: PathBuf,
    /// Its system name.
    #[arg(long)]
    name: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Name of the API token.
    #[arg(long, default_value = "agent")]
    token_name: String,
    /// Key of the API token; made when absent.
    #[arg(long)]
    token_key: Option<String>,
    /// Serve /sim/ for tests.
    #[arg(long)]
    control: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut config = SimConfig::new(args.data_dir.clone(), &args.name);
    config.listen = args.listen;
    config.control = args.control;
    config.token = args.token_key.map(|key| (args.token_name, key));
    let sim = Sim::start(config).await?;
    let line = json!({"url": sim.url(), "dataDir": args.data_dir, "token": sim.token_header()});
    writeln!(std::io::stdout(), "{line}")?;
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    sim.stop().await;
    Ok(())
}
