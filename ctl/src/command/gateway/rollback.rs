//! `millctl gateway rollback`: back to the files of a snapshot or of another commit, whatever the
//! fleet's rollout says; the next rollout brings the gateway forward again.

use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::ActOnGatewayRequest;

use super::{Gateway, Waiting, attempted};
use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    confirm::{Confirm, confirm},
    error::Result,
    follow::gateway::read,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl gateway rollback line1 -m 'wrong recipe'         to before the last change
  millctl gateway rollback line1 --to 4bf57a6 -m 'known to work'
  millctl gateway rollback line1 --to 20261012t143413z --project packing --yes

It exits with 0 when the files are applied, 8 when it failed or was rolled back, 7 when it stopped
waiting.")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Id of a snapshot, or a commit; to before the last change when none is named.
    #[arg(long, value_name = "SNAPSHOT|COMMIT", add = ArgValueCandidates::new(complete::targets))]
    pub to: Option<String>,
    /// Only this project; of a snapshot.
    #[arg(long)]
    pub project: Option<String>,
    /// Go on though more files are deleted than the profile's maxDelete lets pass; with a commit.
    #[arg(long)]
    pub allow_deletions: bool,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { of, to, project, allow_deletions, confirm: flags, waiting, why } = args;
    let mut client = client(global)?;
    // A name that does not exist is said before anybody is asked.
    read(&mut client, &of.gateway).await?;
    let what = project.as_ref().map(|one| format!("project {one} of ")).unwrap_or_default();
    let target = to.as_deref().unwrap_or("before its last change");
    let clause = format!("rolling {what}gateway {} back to {target}", of.gateway);
    confirm(client.context(), &clause, &flags)?;
    let request = ActOnGatewayRequest {
        gateway: of.gateway,
        action: "rollback".to_owned(),
        to: to.unwrap_or_default(),
        project: project.unwrap_or_default(),
        reason: why.reason,
        allow_deletions,
    };
    attempted(global, &mut client, request, &waiting).await
}
