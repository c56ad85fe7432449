//! The command line of the coordinator.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use millwright_certs::token::JoinToken;
use millwright_model::{id::Name, time::Span};

use crate::{
    config::{Config, DEFAULT, Listen},
    node::Running,
    setup::{self, Place},
};

/// A Millwright coordinator: holds desired state, plans rollouts, serves agents.
#[derive(Debug, Parser)]
#[command(name = "millwright-coordinator", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value = "human")]
    log_format: LogFormat,
    /// End when standard input closes, for programs that start coordinators.
    #[arg(long, global = true, hide = true)]
    until_stdin_closes: bool,
}

const EXAMPLES: &str = "Examples:
  millwright-coordinator init --dir /var/lib/millwright --node n1 \\
      --listen 10.0.0.1:7700 --peer-listen 10.0.0.1:7701 --http-listen 127.0.0.1:7702
  millwright-coordinator run --dir /var/lib/millwright
  millwright-coordinator join --dir /var/lib/millwright --node n2 --token mwj1.… \\
      --coordinator 10.0.0.1:7700 --listen 10.0.0.2:7700 --peer-listen 10.0.0.2:7701 \\
      --http-listen 127.0.0.1:7702";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a cluster: CA, cluster key, this first node and the first operator.
    Init {
        #[command(flatten)]
        node: NodeArgs,
        /// Name of the first operator, who becomes admin.
        #[arg(long, default_value = "admin")]
        operator: Name,
    },
    /// Prepare this machine as a further node, with a token from `millctl token create coordinator`.
    Join {
        #[command(flatten)]
        node: NodeArgs,
        /// The join token.
        #[arg(long, env = "MILLWRIGHT_TOKEN", hide_env_values = true)]
        token: String,
        /// API address of any coordinator.
        #[arg(long)]
        coordinator: String,
    },
    /// The configuration file.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Run the node of a folder.
    Run {
        /// Folder made by `init` or `join`.
        #[arg(long)]
        dir: PathBuf,
        /// Configuration file, if it is not in the folder.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the commented file with every key and its default.
    Default,
    /// Check a file; every fault is told with its line and column.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// Folder of the node; created.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the node.
    #[arg(long)]
    node: Name,
    /// host:port for agents and operators.
    #[arg(long)]
    listen: String,
    /// host:port for coordinators.
    #[arg(long)]
    peer_listen: String,
    /// host:port for health and metrics.
    #[arg(long, default_value = "127.0.0.1:7702")]
    http_listen: String,
    /// Life of the certificates that the cluster signs.
    #[arg(long, default_value = "24h")]
    cert_ttl: Span,
}

impl NodeArgs {
    fn place(&self) -> Place<'_> {
        Place {
            dir: &self.dir,
            node: self.node.clone(),
            listen: Listen {
                api: self.listen.clone(),
                peer: self.peer_listen.clone(),
                http: self.http_listen.clone(),
            },
            life: self.cert_ttl,
        }
    }
}

/// Sets logging up and carries the command out.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    logging(cli.log_format);
    millwright_certs::install_crypto_provider();
    match cli.command {
        Command::Init { node, operator } => {
            setup::init(&node.place(), &operator).await?;
            tracing::info!(context = %node.dir.join("operator/millctl.toml").display(), "the cluster is made; run the node next");
            Ok(())
        }
        Command::Join { node, token, coordinator } => {
            let token: JoinToken = token.parse().context("--token")?;
            setup::join(&node.place(), &token, &coordinator).await?;
            tracing::info!("this node may join; run it next");
            Ok(())
        }
        Command::Config { what: ConfigCommand::Default } => {
            Ok(std::io::stdout().write_all(DEFAULT.as_bytes())?)
        }
        Command::Config { what: ConfigCommand::Check { file } } => {
            Config::load(&file)?;
            tracing::info!(file = %file.display(), "the configuration is valid");
            Ok(())
        }
        Command::Run { dir, config } => {
            let path = config.unwrap_or_else(|| dir.join("coordinator.toml"));
            serve(&dir, &path, cli.until_stdin_closes).await
        }
    }
}

async fn serve(dir: &Path, config: &Path, until_stdin_closes: bool) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let mut asked = std::pin::pin!(asked_to_stop(until_stdin_closes));
    let running = tokio::select! {
        running = Running::start(dir, config) => running?,
        () = &mut asked => return Ok(()),
    };
    let shared = running.shared();
    tracing::info!(
        node = %shared.node_name,
        api = %shared.config.listen.api,
        peer = %shared.config.listen.peer,
        http = %shared.config.listen.http,
        "the coordinator is ready"
    );
    asked.await;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
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
        // A thread of its own: the end of the process waits for the runtime's blocking threads, and
        // this one may read for ever.
        let (closed, wait) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            // Nobody waits any more when the process ends for another reason.
            let _ending = closed.send(read.is_ok());
        });
        let _closed = wait.await;
    };
    tokio::select! {
        () = term => {}
        _ = tokio::signal::ctrl_c() => {}
        () = stdin => {}
    }
}

fn logging(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,openraft=error".into());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Human => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
