//! `millctl gateway retry`: has the last assignment tried once more, for when its cause is gone.

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
  millctl gateway retry line1 -m 'the Designer is closed now'
  millctl gateway retry line1 --timeout 30m

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
        action: "retry".to_owned(),
        reason: why.reason,
        ..ActOnGatewayRequest::default()
    };
    attempted(global, &mut client(global)?, request, &waiting).await
}
