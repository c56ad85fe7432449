//! The simulated gateway as a program: prints one JSON line when it serves, ends on SIGTERM.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::{Parser, ValueEnum};
use gateway_sim::{Command, Knobs, Role, Sim, SimConfig};
use serde_json::json;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Independent,
    Master,
    Backup,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Line {
    #[value(name = "8.3")]
    V83,
    #[value(name = "8.1")]
    V81,
}

/// A simulated Ignition gateway for tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Its data directory; what is missing is seeded.
    #[arg(long)]
    data_dir: PathBuf,
    /// Its system name.
    #[arg(long)]
    name: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve /sim/ for tests here.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// Name of the API token.
    #[arg(long, default_value = "agent")]
    token_name: String,
    /// Key of the API token; made when absent.
    #[arg(long)]
    token_key: Option<String>,
    /// Which Ignition it plays.
    #[arg(long, default_value = "8.3")]
    profile: Line,
    /// Version text; the profile's when absent.
    #[arg(long)]
    version_text: Option<String>,
    /// Its part in a pair.
    #[arg(long, default_value = "independent")]
    role: Part,
    /// Where the other node of the pair listens for its peer.
    #[arg(long)]
    peer: Option<SocketAddr>,
    /// Deployment mode of a fresh data directory.
    #[arg(long)]
    mode: Option<String>,
    /// It was never commissioned.
    #[arg(long)]
    uncommissioned: bool,
    /// The third-party project scan module is installed.
    #[arg(long)]
    scan_module: bool,
    /// Short times and no noise, as tests want them.
    #[arg(long)]
    quick: bool,
    /// Knobs as JSON; what is not named stays.
    #[arg(long, default_value = "{}")]
    knobs: String,
}

fn config(args: &Args) -> SimConfig {
    let mut config = match args.profile {
        Line::V83 => SimConfig::new(args.data_dir.clone(), &args.name),
        Line::V81 => SimConfig::v81(args.data_dir.clone(), &args.name),
    };
    if !args.quick {
        let automatic = config.knobs.scan.automatic_ms;
        config.knobs = Knobs::default();
        config.knobs.scan.automatic_ms = automatic;
    }
    config.listen = args.listen;
    config.control = args.control;
    config.token = args.token_key.clone().map(|key| (args.token_name.clone(), key));
    config.role = match args.role {
        Part::Independent => Role::Independent,
        Part::Master => Role::Master,
        Part::Backup => Role::Backup,
    };
    config.mode.clone_from(&args.mode);
    config.commissioned = !args.uncommissioned;
    config.scan_module = args.scan_module;
    if let Some(version) = &args.version_text {
        config.version.clone_from(version);
    }
    config
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let sim = Sim::start(config(&args)).await?;
    sim.run(Command::Set { knobs: serde_json::from_str(&args.knobs)? }).await?;
    if args.peer.is_some() {
        sim.run(Command::Peer { address: args.peer }).await?;
    }
    let line = json!({
        "url": sim.url(), "dataDir": args.data_dir, "token": sim.token_header(),
        "control": sim.control_addr().map(|at| format!("http://{at}")), "gan": sim.gan_addr(),
    });
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
