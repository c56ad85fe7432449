//! `millctl login`: spends a token of role operator, keeps the identity, makes the context.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use millwright_certs::{identity::Identity, token::JoinToken};
use serde_json::json;

use super::config_path;
use crate::{
    cli::Global,
    client::enrol::{self, Bought},
    context::{
        file::{Entry, File},
        hex,
    },
    error::{Error, Kind, Result, chain},
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl login --token mwj1.… --coordinator c1.example:8443 --name ann
  millctl login --token-file - --coordinator c1.example:8443 --as prod --protected < token.txt

An admin makes the token: millctl token create operator ann. It carries the fingerprint of the
cluster's CA, so the first connection is to the right cluster or to none.")]
pub struct Args {
    /// The join token.
    #[arg(long, required_unless_present = "token_file", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// File with the token, or - for standard input; other processes cannot read it there.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// A coordinator, host:port; may be repeated. The others are learned from it.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub coordinator: Vec<String>,
    /// Name of the operator that the token is for.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Name of the context; the cluster's id when absent.
    #[arg(long = "as", value_name = "CONTEXT")]
    pub context_name: Option<String>,
    /// Destructive commands shall ask for the context's name.
    #[arg(long)]
    pub protected: bool,
}

/// Longest token; ours have about 120 characters.
const TOKEN_BYTES_MAX: u64 = 4096;

fn token_of(args: &Args) -> Result<JoinToken> {
    use std::io::Read;
    let text = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => {
            let mut text = String::new();
            let read = if path == Path::new("-") {
                std::io::stdin().lock().take(TOKEN_BYTES_MAX).read_to_string(&mut text)
            } else {
                std::fs::File::open(path)
                    .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
            };
            read.map_err(|error| {
                Error::new(Kind::Usage, format!("cannot read {}: {error}", path.display()))
            })?;
            text
        }
        (None, None) => String::new(),
    };
    text.parse().map_err(|_| {
        Error::new(Kind::Usage, "this is not a Millwright join token")
            .hint("an admin makes one: millctl token create operator NAME")
    })
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    millwright_certs::install_crypto_provider();
    let token = token_of(&args)?;
    let path = config_path(global);
    // A file that cannot be used is said before the token is spent.
    let mut file = File::read_or_new(&path)?;
    let name = args.context_name.clone().unwrap_or_else(|| token.cluster().to_string());
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        || name.is_empty()
        || name.starts_with('.')
    {
        return Err(Error::new(Kind::Usage, format!("{name:?} is no name for a context"))
            .hint("letters, digits, - _ . are allowed"));
    }
    let bought = enrol::buy(&args.coordinator, &token, &args.name).await.map_err(|error| {
        if args.name.is_empty() && error.kind == Kind::Denied && error.message.contains("is for") {
            return error.hint("say who you are: --name NAME");
        }
        error
    })?;
    keep(&path, &mut file, &name, args, &bought)?;
    let who = match bought.store.identity() {
        Identity::Operator { name, .. } => name.to_string(),
        other => other.to_string(),
    };
    let value = json!({
        "kind": "Context", "name": name, "operator": who,
        "cluster": bought.store.cluster().to_string(),
    });
    output::show(&global.output, &value, None, |_| {
        format!("logged in to {} as {who}; context {name} is in use\n", bought.store.cluster())
    })?;
    output::note("next: millctl status");
    Ok(())
}

fn keep(path: &Path, file: &mut File, name: &str, args: Args, bought: &Bought) -> Result<()> {
    let relative = PathBuf::from("identities").join(name);
    let dir = path.parent().unwrap_or(Path::new(".")).join(&relative);
    bought.store.save_dir(&dir).map_err(|error| {
        let message = format!("cannot keep the identity in {}: {}", dir.display(), chain(&error));
        Error::new(Kind::Error, message)
    })?;
    // Addresses that were typed work from here; the cluster's own may be better known to others.
    let mut coordinators = args.coordinator;
    for address in &bought.coordinators {
        if !coordinators.contains(address) {
            coordinators.push(address.clone());
        }
    }
    file.put(Entry {
        name: name.to_owned(),
        coordinators,
        ca_fingerprint: hex(&bought.store.ca_fingerprint()),
        identity_dir: relative,
        protected: args.protected,
    });
    name.clone_into(&mut file.current);
    file.write(path)
}
