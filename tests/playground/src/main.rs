//! `cargo run -p playground`: a whole company on loopback, and a story in it.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use playground::{
    output::print,
    process::build_for_play,
    story::{Company, Plan},
};
use serde_json::json;

/// Starts a git server, three coordinators, simulated gateways with an agent each, and tells a
/// story: a commit reaches every gateway; a second one goes canary first while the leader is killed; one
/// that a gateway does not load is taken back everywhere, held, and mended by another.
#[derive(Debug, Parser)]
struct Args {
    /// Folder for everything; a temporary one when absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Gateways.
    #[arg(long, default_value_t = 5)]
    gateways: usize,
    /// Sites.
    #[arg(long, default_value_t = 3)]
    sites: usize,
    /// End after the story; the exit code is 0 only if every file is right.
    #[arg(long)]
    once: bool,
    /// Print a JSON summary as the last line.
    #[arg(long)]
    json: bool,
    /// Use this repository instead of the generated one.
    #[arg(long, requires = "resources")]
    repo: Option<String>,
    /// Resources (file or folder) for --repo.
    #[arg(long)]
    resources: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    let played = tokio::select! {
        played = play(args) => played,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                print(&json!({"ok": false, "error": format!("{error:#}")}).to_string());
            } else {
                print(&format!("failed: {error:#}"));
            }
            ExitCode::FAILURE
        }
    }
}

async fn play(args: Args) -> anyhow::Result<()> {
    build_for_play()?;
    let temporary = tempfile::tempdir()?;
    let dir = match args.dir {
        Some(dir) => {
            std::fs::create_dir_all(&dir)?;
            std::path::absolute(dir)?
        }
        None => temporary.path().to_owned(),
    };
    let foreign = args.repo.zip(args.resources);
    let plan = Plan { dir, gateways: args.gateways.max(1), sites: args.sites.max(1), foreign };
    let mut company = Company::start(&plan).await?;
    let summary = company.play().await?;
    let context = company.cluster.context.display().to_string();
    if !args.json {
        print(&format!("Try: millctl --config {context} status"));
    }
    if !args.once {
        print("Running until Ctrl-C.");
        std::future::pending::<()>().await;
    }
    if args.json {
        print(&summary.to_string());
    }
    Ok(())
}
