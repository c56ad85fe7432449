//! The command line: what every command takes, and which commands there are. What a command takes
//! besides is beside its code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use crate::{
    command::{
        agent, apply, audit, cluster, completion, config, context, delete, describe, diff, events,
        explain, gateway, get, history, hold, lint, login, man, plan, render, rollout, schema,
        snapshot, status, token, version, why, windows,
    },
    complete,
    output::Output,
};

/// Drives a Millwright cluster.
#[derive(Debug, Parser)]
#[command(
    name = "millctl",
    version,
    about = "Drives a Millwright cluster: which gateway runs which commit, and how it gets there.",
    after_help = EXAMPLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    infer_subcommands = false,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  millctl login --token TOKEN --coordinator c1.example:8443
  millctl status                         the fleet on one screen
  millctl apply -f plant.yaml            create or change resources, wait for their rollouts
  millctl get gateways -o wide           one line per gateway
  millctl describe gateway line1         everything about one gateway
  millctl diff line1                     what line1 runs, and what it would get
  millctl rollout watch                  follow the newest rollout to its end
  millctl why gateway line1              what it waits for, and what clears that
  millctl gateway rollback line1         back to before the last change
  millctl token create agent line1       a join token for the agent of line1

Exit codes:
  0 success or no change     1 error             2 usage          3 confirmation required
  4 not found                5 conflict          6 denied         7 stopped waiting, it goes on
  8 failed or rolled back    9 no coordinator or no leader        70 a fault in millctl";

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// How results look: table, wide, json, yaml, name, or jsonpath=PATH.
    #[arg(
        short, long, global = true, value_name = "FORMAT", default_value = "table",
        hide_default_value = true, add = ArgValueCandidates::new(complete::formats)
    )]
    pub output: Output,
    /// Which context of the contexts file.
    #[arg(
        long, global = true, env = "MILLWRIGHT_CONTEXT", value_name = "NAME", hide_env_values = true,
        add = ArgValueCandidates::new(complete::contexts)
    )]
    pub context: Option<String>,
    /// Contexts file.
    #[arg(
        long,
        global = true,
        env = "MILLWRIGHT_CONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// Read what one node has, even without a leader; it may be old.
    #[arg(long, global = true)]
    pub stale: bool,
    /// No colours.
    #[arg(long, global = true, help = "No colours; so does NO_COLOR in the environment")]
    pub no_color: bool,
    /// No notes on standard error.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Why a change is made.
#[derive(Debug, Clone, Args)]
pub struct Reason {
    /// Why; kept in the history.
    #[arg(short = 'm', long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The fleet on one screen.
    Status(status::Args),
    /// List resources, or show one.
    Get(get::Args),
    /// Everything about one resource, for people.
    Describe(describe::Args),
    /// Create or change resources, and wait for the rollouts that follow.
    Apply(apply::Args),
    /// Delete one resource.
    Delete(delete::Args),
    /// Rollouts: list, status, watch, and what a person decides about one.
    #[command(subcommand, alias = "rollouts", after_help = rollout::EXAMPLES)]
    Rollout(rollout::Command),
    /// What a rollout of a fleet would do, before anything is done.
    Plan(plan::Args),
    /// Why a gateway or a rollout does not go on, and what clears that.
    Why(why::Args),
    /// When a fleet's gateways may be changed, now or at another moment.
    #[command(subcommand, alias = "window", after_help = windows::EXAMPLES)]
    Windows(windows::Command),
    /// Commits that no gateway may get: list, create, lift.
    #[command(subcommand, alias = "holds", after_help = hold::EXAMPLES)]
    Hold(hold::Command),
    /// The exact files that a gateway gets.
    Render(render::Args),
    /// What differs between the files of two refs, or of two gateways.
    Diff(diff::Args),
    /// What is wrong with resources and the files that they map, without a cluster.
    Lint(lint::Args),
    /// One gateway: sync, retry, rollback, pause, resume, confirm, dry-run, sessions, drift.
    #[command(subcommand, alias = "gw", after_help = gateway::EXAMPLES)]
    Gateway(gateway::Command),
    /// Snapshots of a gateway: list, create, verify, restore, pin, unpin.
    #[command(subcommand, alias = "snapshots", after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::Command),
    /// What was done to a gateway, to a fleet by its rollouts, or to a rollout.
    History(history::Args),
    /// What happens in the cluster, one line per change.
    Events(events::Args),
    /// Who did what, from where and why; and whether that record is whole.
    Audit(audit::Args),
    /// What a kind or a field of it means.
    Explain(explain::Args),
    /// JSON Schema of a kind.
    Schema(schema::Args),
    /// Join tokens: create, list, revoke.
    #[command(subcommand, alias = "tokens", after_help = token::EXAMPLES)]
    Token(token::Command),
    /// Agents' identities: evict, ban.
    #[command(subcommand, alias = "agents", after_help = agent::EXAMPLES)]
    Agent(agent::Command),
    /// The coordinators.
    #[command(subcommand, alias = "clusters", after_help = cluster::EXAMPLES)]
    Cluster(cluster::Command),
    /// Become an operator with a join token.
    Login(login::Args),
    /// Contexts: which cluster, and as whom.
    #[command(subcommand, alias = "contexts", after_help = context::EXAMPLES)]
    Context(context::Command),
    /// This program's own settings.
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(config::Command),
    /// Version of this program and of the cluster.
    Version(version::Args),
    /// Completion for a shell, with live names.
    Completion(completion::Args),
    /// Manual pages.
    Man(man::Args),
}
