//! The `millctl` program.

use std::process::ExitCode;

use clap::Parser;
use millctl::{cli::Cli, command, output};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.output.is_machine();
    match Box::pin(command::run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, json);
            ExitCode::from(error.kind.exit_code())
        }
    }
}
