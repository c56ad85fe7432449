//! One file per command.

mod apply;
mod cluster;
mod get;
mod identity;
mod offline;
mod rollout;
mod status;

use crate::{
    cli::{Cli, Command, Global},
    client::Client,
    context,
    error::Result,
};

/// A client of the context that the flags name.
pub(crate) fn client(global: &Global) -> Result<Client> {
    millwright_certs::install_crypto_provider();
    let path = global.config.clone().unwrap_or_else(context::default_path);
    let context = context::load(&path, global.context.as_deref())?;
    Ok(Client::new(context, global.stale))
}

/// Carries a command out.
pub async fn run(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    match command {
        Command::Apply { files, dry_run, reason } => {
            apply::run(&global, &files, dry_run, reason.unwrap_or_default()).await
        }
        Command::Get { kind, name, selector } => {
            get::run(&global, &kind, name.as_deref(), &selector).await
        }
        Command::Describe { kind, name } => get::describe(&global, &kind, &name).await,
        Command::Delete { kind, name, reason } => {
            apply::delete(&global, &kind, &name, reason.unwrap_or_default()).await
        }
        Command::Explain { path } => offline::explain(&path),
        Command::Schema { kind } => offline::schema(&kind),
        Command::Rollout(rollout) => rollout::run(&global, rollout).await,
        Command::Token(token) => identity::token(&global, token).await,
        Command::Agent(agent) => identity::agent(&global, agent).await,
        Command::Cluster(crate::cli::Cluster::Status) => cluster::run(&global).await,
        Command::Status => status::run(&global).await,
        Command::Version => offline::version(&global),
        Command::Completion { shell } => offline::completion(shell),
        Command::Man { out } => offline::man(&out),
    }
}
