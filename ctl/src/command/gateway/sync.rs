//! `millctl gateway sync`: has the assignment applied once more, with every file read anew: for a
//! gateway whose files may have been touched behind the agent.

use millwright_proto::control::ActOnGatewayRequest;

use super::{Gateway, Waiting, attempted};
use crate::{
    cli::{Global, Reason},
    command::client,
    error::Result,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl gateway sync line1 -m 'after the disk was replaced'
  millctl gateway sync line1 --detach

It exits with 0 when the files are applied, 8 when it failed or was rolled back, 7 when it stopped
waiting.")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { of, waiting, why }: Args) -> Result<()> {
    let request = ActOnGatewayRequest {
        gateway: of.gateway,
        action: "sync".to_owned(),
        reason: why.reason,
        ..ActOnGatewayRequest::default()
    };
    attempted(global, &mut client(global)?, request, &waiting).await
}
