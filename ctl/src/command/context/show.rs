//! `millctl context show`.

use std::time::SystemTime;

use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::Timestamp;
use serde_json::json;

use crate::{
    cli::Global,
    command::config_path,
    complete, context,
    error::Result,
    output::{self, style::Tone, terminal},
    view::fields::Fields,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl context show
  millctl context show prod -o json")]
pub struct Args {
    /// Which; the one in use when absent.
    #[arg(add = ArgValueCandidates::new(complete::contexts))]
    pub name: Option<String>,
}

/// Milliseconds since 1970.
pub(crate) fn ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn run(global: &Global, Args { name }: Args) -> Result<()> {
    millwright_certs::install_crypto_provider();
    let path = config_path(global);
    let wanted = name.as_deref().or(global.context.as_deref());
    let context = context::load(&path, wanted)?;
    let store = &context.store;
    let expires = ms(store.expires_at());
    let pin = context::hex(&store.ca_fingerprint());
    let value = json!({
        "kind": "Context", "name": context.name, "coordinators": context.coordinators,
        "caFingerprint": pin, "identityDir": context.identity_dir,
        "identity": store.identity().to_string(), "protected": context.protected,
        "certificateExpiresAt": expires, "renewalDue": store.renewal_due(SystemTime::now()),
    });
    output::show(&global.output, &value, None, |wide| {
        let style = output::style();
        let limit = if wide { None } else { terminal::width() };
        let mut out = Fields::new(style, limit);
        out.line("Context", &style.paint(Tone::Strong, &context.name));
        out.line("Coordinators", &context.coordinators.join(", "));
        out.line("CA pin", &pin);
        out.line("Identity", &store.identity().to_string());
        out.line("Credentials", &context.identity_dir.display().to_string());
        let due = store.renewal_due(SystemTime::now());
        let renewal = if due { ", renewed by the next command" } else { "" };
        out.line("Certificate", &format!("until {}{renewal}", Timestamp(expires)));
        let protected = "yes: destructive commands ask for the context's name";
        out.line("Protected", if context.protected { protected } else { "no" });
        out.finish()
    })
}
