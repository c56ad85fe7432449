//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use millwright_model::time::Span;

/// Drives a Millwright cluster.
#[derive(Debug, Parser)]
#[command(name = "millctl", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  millctl status                         the fleet on one screen
  millctl apply -f plant.yaml            create or change resources
  millctl get gateways -o wide           one line per gateway
  millctl describe gateway line1         everything about one gateway
  millctl rollout watch                  follow the newest rollout to its end
  millctl token create agent line1       a join token for the agent of line1

Exit codes: 0 done, 1 error, 2 usage, 4 not found, 5 conflict, 6 denied, 7 timed out while the
operation goes on, 8 the operation failed, 9 no coordinator or no leader.";

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Contexts file.
    #[arg(long, global = true, env = "MILLWRIGHT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Which context of the file.
    #[arg(long, global = true, env = "MILLWRIGHT_CONTEXT")]
    pub context: Option<String>,
    /// How results look.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
    /// Read what one node has, even without a leader; may be old.
    #[arg(long, global = true)]
    pub stale: bool,
    /// No colours; `NO_COLOR` does the same.
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns.
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// kind/name lines.
    Name,
}

impl Output {
    /// Whether a program reads it.
    pub fn is_machine(self) -> bool {
        matches!(self, Output::Json | Output::Yaml)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create or change resources from files, folders or standard input (-).
    #[command(after_help = "Example:\n  millctl apply -f plant.yaml -m 'new line 4'")]
    Apply {
        /// File, folder, or - for standard input; may be repeated.
        #[arg(short, long = "filename", required = true)]
        files: Vec<PathBuf>,
        /// Check with the cluster, change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Why; kept in the history.
        #[arg(short = 'm', long)]
        reason: Option<String>,
    },
    /// List resources, or show one.
    #[command(
        after_help = "Examples:\n  millctl get gateways -l area=packing\n  millctl get fleet all -o yaml"
    )]
    Get {
        /// repositories, syncprofiles, gateways, fleets, rollouts, operators.
        kind: String,
        /// Only this one.
        name: Option<String>,
        /// Label selector, such as area=packing,line in (1,2).
        #[arg(short = 'l', long, default_value = "")]
        selector: String,
    },
    /// Everything about one resource, for people.
    #[command(after_help = "Example:\n  millctl describe gateway line1")]
    Describe {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
    },
    /// Delete one resource.
    #[command(after_help = "Example:\n  millctl delete gateway line9 -m 'sold'")]
    Delete {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// Why; kept in the history.
        #[arg(short = 'm', long)]
        reason: Option<String>,
    },
    /// What a kind or a field of it means.
    #[command(after_help = "Example:\n  millctl explain fleet.spec.stages")]
    Explain {
        /// kind or kind.field.field.
        path: String,
    },
    /// JSON Schema of a kind.
    #[command(after_help = "Example:\n  millctl schema gateway > gateway.schema.json")]
    Schema {
        /// Kind.
        kind: String,
    },
    /// Rollouts.
    #[command(subcommand)]
    Rollout(Rollout),
    /// Join tokens.
    #[command(subcommand)]
    Token(Token),
    /// Agents' identities.
    #[command(subcommand)]
    Agent(Agent),
    /// The coordinators.
    #[command(subcommand)]
    Cluster(Cluster),
    /// The fleet on one screen.
    Status,
    /// Version of this program.
    Version,
    /// Completion for a shell.
    #[command(after_help = "Example:\n  millctl completion bash > /etc/bash_completion.d/millctl")]
    Completion {
        /// Which.
        shell: clap_complete::Shell,
    },
    /// Write manual pages.
    Man {
        /// Folder for the pages.
        #[arg(long)]
        out: PathBuf,
    },
}

/// `millctl rollout`.
#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// One line per rollout.
    List,
    /// One rollout, stage by stage; the newest when none is named.
    Status {
        /// Which.
        id: Option<String>,
    },
    /// Follow one to its end; the newest when none is named. Ctrl-C stops only the watching.
    Watch {
        /// Which.
        id: Option<String>,
        /// Wait for a rollout of this commit (its beginning is enough).
        #[arg(long)]
        commit: Option<String>,
        /// Stop waiting after this.
        #[arg(long, default_value = "5m")]
        timeout: Span,
    },
}

/// `millctl token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token; it is shown once.
    #[command(after_help = "Example:\n  millctl token create agent line1 --ttl 30m")]
    Create {
        /// agent, coordinator or operator.
        role: String,
        /// Name of the gateway, node or operator.
        name: String,
        /// Agents of a pair: master or backup.
        #[arg(long, default_value = "single")]
        member: String,
        /// Its life.
        #[arg(long, default_value = "10m")]
        ttl: Span,
    },
    /// Tokens and what became of them.
    List,
    /// Make a token void.
    Revoke {
        /// Id, as in the list.
        id: String,
    },
}

/// `millctl agent`.
#[derive(Debug, Subcommand)]
pub enum Agent {
    /// End an agent's identity; it may enrol again.
    Evict(AgentName),
    /// End an agent's identity for good.
    Ban(AgentName),
}

/// Which agent.
#[derive(Debug, Args)]
pub struct AgentName {
    /// Its gateway.
    pub gateway: String,
    /// Which node of a pair.
    #[arg(long, default_value = "single")]
    pub member: String,
    /// Why; kept in the history.
    #[arg(short = 'm', long)]
    pub reason: Option<String>,
}

/// `millctl cluster`.
#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// The coordinators, their roles and their lag.
    Status,
}
