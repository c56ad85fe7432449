//! `millctl gateway confirm`: a person agrees to what a rollout asks about, such as many deletions. What
//! is agreed to is the files that were asked about; another plan asks again.

use millwright_proto::control::ActOnGatewayRequest;
use serde_json::json;

use super::{Gateway, send};
use crate::{
    cli::{Global, Reason},
    command::client,
    confirm::{Confirm, confirm},
    error::{Error, Kind, Result},
    follow::gateway::read,
    output,
    view::text,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl diff line1 --stat                                what would change
  millctl gateway confirm line1 -m 'the old views go'      after a look at the question
  millctl gateway confirm line1 --yes -m 'the old views go'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { of, confirm: flags, why } = args;
    let gateway = of.gateway;
    let mut client = client(global)?;
    let (value, _) = read(&mut client, &gateway).await?;
    let manifest = value.pointer("/status/question/manifest").and_then(|digest| digest.as_str());
    let Some(manifest) = manifest.map(str::to_owned) else {
        let message = format!("nothing is asked about gateway {gateway}");
        return Err(Error::new(Kind::Conflict, message)
            .hint(format!("what it waits for: millctl describe gateway {gateway}")));
    };
    let question = text(&value, "/status/question/text");
    confirm(client.context(), &format!("on gateway {gateway}, {question}; going on"), &flags)?;
    let request = ActOnGatewayRequest {
        gateway: gateway.clone(),
        action: "confirm".to_owned(),
        to: manifest,
        reason: why.reason,
        ..ActOnGatewayRequest::default()
    };
    let index = send(&mut client, request).await?;
    let value = json!({"kind": "Gateway", "name": gateway, "action": "confirmed"});
    output::show(&global.output, &value, Some(index), |_| format!("gateway/{gateway} confirmed\n"))
}
