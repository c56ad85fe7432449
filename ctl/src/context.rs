//! The contexts file: which cluster, with which identity. Only its owner may read it.

use std::path::{Path, PathBuf};

use millwright_certs::{key::read_private, store::CredentialStore};
use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    current: String,
    contexts: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    coordinators: Vec<String>,
    ca_fingerprint: String,
    identity_dir: PathBuf,
}

/// A context that is ready for use.
#[derive(Debug)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// API addresses.
    pub coordinators: Vec<String>,
    /// The operator's credentials.
    pub store: CredentialStore,
}

/// Where the file is when nothing says otherwise.
pub fn default_path() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    home.join(".config/millwright/millctl.toml")
}

/// Reads the file and picks a context.
pub fn load(path: &Path, wanted: Option<&str>) -> Result<Context> {
    let usage = |message: String| Error::new(Kind::Usage, message);
    let bytes = read_private(path).map_err(|error| {
        usage(format!("cannot read the contexts file {}: {error}", path.display()))
            .hint("give one with --config, or copy the operator folder that init made")
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let file: File = toml::from_str(&text)
        .map_err(|error| usage(format!("{} is not valid: {error}", path.display())))?;
    let name = wanted.unwrap_or(&file.current);
    let entry = file.contexts.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = file.contexts.iter().map(|entry| entry.name.as_str()).collect();
        usage(format!("{} has no context {name:?}", path.display()))
            .hint(format!("it has: {}", known.join(", ")))
    })?;
    let dir = path.parent().unwrap_or(Path::new(".")).join(&entry.identity_dir);
    let store = CredentialStore::load_dir(&dir).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
        usage(format!("cannot use the identity in {}: {error}{cause}", dir.display()))
    })?;
    let pin: String = store.ca_fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    if pin != entry.ca_fingerprint {
        return Err(Error::new(
            Kind::Denied,
            format!("the CA in {} is not the one that the context pins", dir.display()),
        ));
    }
    Ok(Context { name: entry.name.clone(), coordinators: entry.coordinators.clone(), store })
}
