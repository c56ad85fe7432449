//! The agent program, with fault points at which tests kill it.

use clap::Parser;
use millwright_agent::cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let parsed = cli::Cli::parse();
    Box::pin(cli::run(parsed)).await
}
