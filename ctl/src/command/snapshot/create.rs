//! `millctl snapshot create`.

use super::{Ask, Gateway, Waiting, instructed};
use crate::{
    cli::{Global, Reason},
    command::client,
    error::Result,
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl snapshot create line1 -m 'before the module upgrade'
  millctl snapshot create line1 -o jsonpath='{.answer.detail.id}'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why; kept with the snapshot.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { of, waiting, why }: Args) -> Result<()> {
    let mut client = client(global)?;
    let ask =
        Ask { gateway: &of.gateway, kind: "snapshot_create", subject: "", reason: why.reason };
    let Some(answer) = instructed(global, &mut client, ask, &waiting).await? else {
        return Ok(());
    };
    answer.verdict(&format!("no whole snapshot of gateway {}", of.gateway))?;
    output::show(&global.output, &answer.record, Some(answer.index), |_| {
        format!("{}\n", answer.message)
    })
}
