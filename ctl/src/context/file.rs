//! The contexts file, TOML. Only its owner may read it: it says where the keys are. Whoever changes
//! it replaces it whole, so that a reader never sees half of it.

use std::{
    io,
    path::{Path, PathBuf},
};

use millwright_certs::key::{read_private, write_private};
use millwright_model::template::nearest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name of the context in use.
    #[serde(default)]
    pub current: String,
    /// All contexts.
    #[serde(default)]
    pub contexts: Vec<Entry>,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unique in the file.
    pub name: String,
    /// API addresses of all coordinators, host:port.
    pub coordinators: Vec<String>,
    /// SHA-256 of the cluster's CA, hexadecimal.
    pub ca_fingerprint: String,
    /// Folder with ca.pem, cert.pem and key.pem; relative to the file's folder.
    pub identity_dir: PathBuf,
    /// Destructive commands ask for the context's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

/// Folder of a context's credentials.
pub fn identity_dir(path: &Path, entry: &Entry) -> PathBuf {
    path.parent().unwrap_or(Path::new(".")).join(&entry.identity_dir)
}

impl File {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_private(path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => usage(format!("contexts file: {error}")),
            _ => usage(format!("cannot read the contexts file {}: {error}", path.display())).hint(
                "millctl login makes one; --config FILE names another one, such as the\n\
                 operator/millctl.toml that the first coordinator made",
            ),
        })?;
        let text = String::from_utf8_lossy(&bytes);
        toml::from_str(&text).map_err(|error| {
            usage(format!("{} is not valid: {}", path.display(), error.to_string().trim_end()))
        })
    }

    /// Reads the file; an empty one when there is none.
    pub fn read_or_new(path: &Path) -> Result<Self> {
        if path.exists() { Self::read(path) } else { Ok(Self::default()) }
    }

    /// Replaces the file, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |error: io::Error| {
            let message = format!("cannot write the contexts file {}: {error}", path.display());
            Error::new(Kind::Error, message)
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        let text = toml::to_string(self)
            .map_err(|error| Error::new(Kind::Bug, format!("contexts file: {error}")))?;
        write_private(path, text.as_bytes()).map_err(failed)
    }

    /// The wanted context, or the current one.
    pub fn pick(&self, path: &Path, wanted: Option<&str>) -> Result<&Entry> {
        let name = wanted.unwrap_or(&self.current);
        if let Some(found) = self.contexts.iter().find(|entry| entry.name == name) {
            return Ok(found);
        }
        let names = || self.contexts.iter().map(|entry| entry.name.as_str());
        if name.is_empty() {
            return Err(usage(format!("{} has no current context", path.display()))
                .hint("millctl context use NAME chooses one; millctl context list shows them"));
        }
        let meant = nearest(name, names())
            .map(|meant| format!("did you mean {meant:?}? "))
            .unwrap_or_default();
        let known: Vec<&str> = names().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error::new(Kind::NotFound, format!("{} has no context {name:?}", path.display()))
            .hint(format!("{meant}it has: {known}")))
    }

    /// Adds a context, or replaces the one of that name. The first one becomes current.
    pub fn put(&mut self, entry: Entry) {
        if self.current.is_empty() {
            self.current.clone_from(&entry.name);
        }
        match self.contexts.iter_mut().find(|known| known.name == entry.name) {
            Some(known) => *known = entry,
            None => self.contexts.push(entry),
        }
    }

    /// Takes a context out; the current one leaves none current.
    pub fn remove(&mut self, name: &str) {
        self.contexts.retain(|entry| entry.name != name);
        if self.current == name {
            self.current.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(name: &str, protected: bool) -> Entry {
        Entry {
            name: name.to_owned(),
            coordinators: vec!["a:1".into(), "b:2".into()],
            ca_fingerprint: "ab".into(),
            identity_dir: name.into(),
            protected,
        }
    }

    #[test]
    fn it_reads_back_private_and_picks_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/millctl.toml");
        let mut file = File::default();
        file.put(entry("prod", true));
        file.put(entry("lab", false));
        file.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = File::read(&path).unwrap();
        assert_eq!(read, file);
        assert_eq!(read.pick(&path, None).unwrap().name, "prod");
        let error = read.pick(&path, Some("prd")).unwrap_err();
        assert!(error.hint.unwrap().contains("did you mean \"prod\"?"));
        file.remove("prod");
        assert!(file.pick(&path, None).is_err());
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("millctl.toml");
        File::default().write(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = File::read(&path).unwrap_err();
        assert!(error.message.contains("chmod 600"), "{}", error.message);
    }
}
