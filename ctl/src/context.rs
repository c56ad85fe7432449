//! Which cluster, and as whom: a context that is ready for use. The file is in [`file`], where each
//! value came from in [`settings`].

pub mod file;
pub mod settings;

use std::path::{Path, PathBuf};

use millwright_certs::store::CredentialStore;

use crate::error::{Error, Kind, Result, chain};
use file::{Entry, File};

/// A context that is ready for use.
#[derive(Debug)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// API addresses, host:port.
    pub coordinators: Vec<String>,
    /// Destructive commands ask for the context's name.
    pub protected: bool,
    /// Folder of the credentials.
    pub identity_dir: PathBuf,
    /// The operator's credentials.
    pub store: CredentialStore,
}

/// A fingerprint as people write it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens the credentials of a context and checks them against the pin.
pub fn open(path: &Path, entry: &Entry) -> Result<Context> {
    let dir = file::identity_dir(path, entry);
    let store = CredentialStore::load_dir(&dir).map_err(|error| {
        let message = format!("cannot use the identity in {}: {}", dir.display(), chain(&error));
        if message.contains("chmod") {
            return Error::new(Kind::Usage, message);
        }
        Error::new(Kind::Usage, message)
            .hint("enrol anew: millctl login --token TOKEN --coordinator HOST:PORT")
    })?;
    if hex(&store.ca_fingerprint()) != entry.ca_fingerprint.to_lowercase() {
        let message = format!("the CA in {} is not the one that the context pins", dir.display());
        return Err(Error::new(Kind::Denied, message)
            .hint("somebody replaced ca.pem, or the context is for another cluster"));
    }
    Ok(Context {
        name: entry.name.clone(),
        coordinators: entry.coordinators.clone(),
        protected: entry.protected,
        identity_dir: dir,
        store,
    })
}

/// Reads the file and opens the context that is wanted, or the current one.
pub fn load(path: &Path, wanted: Option<&str>) -> Result<Context> {
    let file = File::read(path)?;
    open(path, file.pick(path, wanted)?)
}
