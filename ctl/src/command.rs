//! One file per command: what it takes, and what it does.

pub mod agent;
pub mod apply;
pub mod audit;
pub mod cluster;
pub mod completion;
pub mod config;
pub mod context;
pub mod delete;
pub mod describe;
pub mod diff;
pub mod events;
pub mod explain;
pub mod gateway;
pub mod get;
pub mod history;
pub mod hold;
pub mod lint;
pub mod login;
pub mod man;
pub mod plan;
pub mod render;
pub mod rollout;
pub mod schema;
pub mod snapshot;
pub mod status;
pub mod token;
pub mod version;
pub mod why;
pub mod windows;

use std::path::PathBuf;

use millwright_model::resource::{Kind, UnknownKind};

use crate::{
    cli::{Cli, Command, Global},
    client::Client,
    context::settings::{Origins, default_path},
    error::{self, Error, Result},
    output::Output,
};

/// The contexts file that the flags name.
pub(crate) fn config_path(global: &Global) -> PathBuf {
    global.config.clone().unwrap_or_else(default_path)
}

/// A client of the context that the flags name.
pub(crate) fn client(global: &Global) -> Result<Client> {
    millwright_certs::install_crypto_provider();
    let context = crate::context::load(&config_path(global), global.context.as_deref())?;
    Ok(Client::new(context, global.stale))
}

/// The kind that a word names.
pub(crate) fn kind_of(word: &str) -> Result<Kind> {
    word.parse().map_err(|error: UnknownKind| {
        let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::plural).collect();
        Error::new(error::Kind::Usage, error.to_string())
            .hint(format!("kinds: {}", kinds.join(", ")))
    })
}

/// Carries a command out.
pub async fn run(cli: Cli, origins: Origins) -> Result<()> {
    let Cli { global, command } = cli;
    let global = &global;
    if global.output == Output::Sarif && !matches!(command, Command::Lint(_)) {
        return Err(Error::new(error::Kind::Usage, "-o sarif is for lint")
            .hint("every other command has -o json for programs"));
    }
    match command {
        Command::Status(args) => status::run(global, args).await,
        Command::Get(args) => get::run(global, args).await,
        Command::Describe(args) => describe::run(global, args).await,
        Command::Apply(args) => apply::run(global, args).await,
        Command::Delete(args) => delete::run(global, args).await,
        Command::Rollout(command) => rollout::run(global, command).await,
        Command::Plan(args) => plan::run(global, args).await,
        Command::Why(args) => why::run(global, args).await,
        Command::Windows(command) => windows::run(global, command).await,
        Command::Hold(command) => hold::run(global, command).await,
        Command::Render(args) => render::run(global, args).await,
        Command::Diff(args) => diff::run(global, args).await,
        Command::Lint(args) => lint::run(global, args),
        Command::Gateway(command) => gateway::run(global, command).await,
        Command::Snapshot(command) => snapshot::run(global, command).await,
        Command::History(args) => history::run(global, args).await,
        Command::Events(args) => events::run(global, args).await,
        Command::Audit(args) => audit::run(global, args).await,
        Command::Explain(args) => explain::run(global, args),
        Command::Schema(args) => schema::run(global, args),
        Command::Token(command) => token::run(global, command).await,
        Command::Agent(command) => agent::run(global, command).await,
        Command::Cluster(command) => cluster::run(global, command).await,
        Command::Login(args) => login::run(global, args).await,
        Command::Context(command) => context::run(global, command),
        Command::Config(command) => config::run(global, command, origins),
        Command::Version(args) => version::run(global, args).await,
        Command::Completion(args) => completion::run(args),
        Command::Man(args) => man::run(args),
    }
}
