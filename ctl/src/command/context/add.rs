//! `millctl context add`: for an identity that somebody made elsewhere.

use std::path::PathBuf;

use clap::ValueHint;
use millwright_certs::store::CredentialStore;
use serde_json::json;

use crate::{
    cli::Global,
    command::config_path,
    context::{
        file::{Entry, File},
        hex,
    },
    error::{Error, Kind, Result, chain},
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl context add prod --coordinator c1:8443 --coordinator c2:8443 \\
      --identity-dir ~/prod-identity --protected

The folder holds ca.pem, cert.pem and key.pem. millctl login makes all of it from a token.")]
pub struct Args {
    /// Name of the context.
    pub name: String,
    /// A coordinator, host:port; may be repeated.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub coordinator: Vec<String>,
    /// Folder of the credentials.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub identity_dir: PathBuf,
    /// SHA-256 of the cluster's CA, to check the folder's ca.pem against.
    #[arg(long, value_name = "HEX")]
    pub ca_fingerprint: Option<String>,
    /// Destructive commands shall ask for the context's name.
    #[arg(long)]
    pub protected: bool,
    /// Replace a context of that name.
    #[arg(long)]
    pub replace: bool,
}

pub(super) fn run(global: &Global, args: Args) -> Result<()> {
    millwright_certs::install_crypto_provider();
    let path = config_path(global);
    let mut file = File::read_or_new(&path)?;
    if !args.replace && file.contexts.iter().any(|entry| entry.name == args.name) {
        let message = format!("there is a context {} already", args.name);
        return Err(
            Error::new(Kind::Conflict, message).hint("--replace puts this one in its place")
        );
    }
    let dir = std::path::absolute(&args.identity_dir)?;
    let store = CredentialStore::load_dir(&dir).map_err(|error| {
        let message = format!("cannot use the identity in {}: {}", dir.display(), chain(&error));
        Error::new(Kind::Usage, message)
    })?;
    let pin = hex(&store.ca_fingerprint());
    if args.ca_fingerprint.is_some_and(|wanted| wanted.to_lowercase() != pin) {
        let message = format!("the CA in {} has the fingerprint {pin}", dir.display());
        return Err(Error::new(Kind::Denied, message)
            .hint("the folder belongs to another cluster, or somebody replaced ca.pem"));
    }
    let name = args.name;
    file.put(Entry {
        name: name.clone(),
        coordinators: args.coordinator,
        ca_fingerprint: pin,
        identity_dir: dir,
        protected: args.protected,
    });
    let current = file.current == name;
    file.write(&path)?;
    let value = json!({"kind": "Context", "name": name, "current": current});
    output::show(&global.output, &value, None, |_| format!("context {name} added\n"))?;
    if !current {
        output::note(&format!("millctl context use {name} puts it to use"));
    }
    Ok(())
}
