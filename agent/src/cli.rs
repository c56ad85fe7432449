//! The command line of the agent.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use millwright_certs::token::JoinToken;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{agent::Agent, allocator, enrol};

/// A job in hand may take this long to end when the agent is asked to stop.
const GRACE: Duration = Duration::from_mins(1);

/// A Millwright agent: keeps one Ignition gateway at the commit it is told.
#[derive(Debug, Parser)]
#[command(name = "millwright-agent", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value = "human")]
    log_format: LogFormat,
    /// End when standard input closes, for programs that start agents.
    #[arg(long, global = true, hide = true)]
    until_stdin_closes: bool,
}

const EXAMPLES: &str = "Examples:
  millwright-agent enrol --dir /var/lib/millwright-agent --token mwj1.… --gateway line1 \\
      --coordinator 10.0.0.1:7700 --data-dir /usr/local/bin/ignition/data \\
      --gateway-url http://localhost:8088 --gateway-token-file /etc/millwright/gateway-token
  millwright-agent run --dir /var/lib/millwright-agent";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enrol this agent with a token from `millctl token create agent`.
    Enrol {
        /// Folder of the agent; created. Must be on the file system of the data directory.
        #[arg(long)]
        dir: PathBuf,
        /// The join token.
        #[arg(long, env = "MILLWRIGHT_TOKEN", hide_env_values = true)]
        token: String,
        /// Name of the gateway.
        #[arg(long)]
        gateway: String,
        /// Which node of it: single, master or backup.
        #[arg(long, default_value = "single")]
        member: String,
        /// API address of a coordinator; may be repeated.
        #[arg(long = "coordinator", required = true)]
        coordinators: Vec<String>,
        /// Data directory of the gateway.
        #[arg(long)]
        data_dir: PathBuf,
        /// Web server of the gateway.
        #[arg(long)]
        gateway_url: String,
        /// File with an API token of the gateway, name:key.
        #[arg(long)]
        gateway_token_file: PathBuf,
    },
    /// Run the agent of a folder.
    Run {
        /// Folder made by `enrol`.
        #[arg(long)]
        dir: PathBuf,
    },
}

/// File jobs exclude one another; looking a name up, and waiting for standard input to close, need a
/// thread too.
const BLOCKING_THREADS: usize = 3;

/// Reads the command line and carries it out.
pub fn start() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let settled = match cli.command {
        Command::Run { .. } => allocator::settle(),
        Command::Enrol { .. } => Ok(()),
    };
    // The agent waits for a gateway and a disk: each thread more would only keep memory of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    logging(cli.log_format);
    if let Err(error) = settled {
        tracing::warn!(%error, "the agent will keep more memory than it needs");
    }
    runtime.block_on(Box::pin(run(cli)))
}

/// Carries the command out.
async fn run(cli: Cli) -> anyhow::Result<()> {
    millwright_certs::install_crypto_provider();
    match cli.command {
        Command::Enrol {
            dir,
            token,
            gateway,
            member,
            coordinators,
            data_dir,
            gateway_url,
            gateway_token_file,
        } => {
            let token: JoinToken = token.parse().context("--token")?;
            enrol::enrol(enrol::Request {
                dir: &dir,
                gateway: &gateway,
                member: &member,
                token: &token,
                coordinators: &coordinators,
                data_dir: &data_dir,
                url: &gateway_url,
                token_file: &gateway_token_file,
            })
            .await
        }
        Command::Run { dir } => serve(&dir, cli.until_stdin_closes).await,
    }
}

async fn serve(dir: &Path, until_stdin_closes: bool) -> anyhow::Result<()> {
    let agent = Agent::open(dir).await?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let running = agent.start(&tasks, &stop);
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended?,
        () = asked_to_stop(until_stdin_closes) => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    // A job in hand is finished: half-done work would only be repeated after the restart.
    match tokio::time::timeout(GRACE, running).await {
        Ok(ended) => ended?,
        Err(_) => bail!("the job in hand did not end in time; it goes on after the restart"),
    }
}

/// SIGTERM, SIGINT, or the end of standard input when that was asked for.
async fn asked_to_stop(until_stdin_closes: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let term = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    let stdin = async {
        if !until_stdin_closes {
            std::future::pending::<()>().await;
        }
        let read = tokio::task::spawn_blocking(|| {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())
        });
        let _closed = read.await;
    };
    tokio::select! {
        () = term => {}
        _ = tokio::signal::ctrl_c() => {}
        () = stdin => {}
    }
}

/// `RUST_LOG` takes targets and levels; its fuller language would cost the agent a regex engine.
fn logging(format: LogFormat) {
    use tracing_subscriber::{
        filter::{LevelFilter, Targets},
        fmt::layer,
        layer::SubscriberExt,
        util::SubscriberInitExt,
    };
    let given = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = given.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    let ansi = std::io::stderr().is_terminal();
    let lines = layer().with_writer(std::io::stderr).with_ansi(ansi);
    match format {
        LogFormat::Human => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
}
