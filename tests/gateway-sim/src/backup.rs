//! Gateway backups: a zip of the configuration and the projects, and its way back.
//!
//! Not in it: `external`, caches, and in a roaming one all that belongs to this host.

use std::{fs, sync::Arc};

use walkdir::WalkDir;

use crate::{archive, disk, gateway::Gateway, lifecycle};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Roaming,
}

/// Single files that a full backup has.
const STATE_FILES: [&str; 4] = ["gateway.xml", "redundancy.xml", "modules.json", "db/config.idb"];

fn kept(path: &str, which: Which) -> bool {
    let hidden = path.split('/').any(|segment| segment.starts_with('.'));
    let local =
        ["config/local/", "config/resources/local/"].iter().any(|top| path.starts_with(top));
    !hidden && !path.starts_with("config/resources/external/") && (which == Which::All || !local)
}

/// The bytes of a `.gwbk`.
pub(crate) fn make(gateway: &Gateway, which: Which) -> anyhow::Result<Vec<u8>> {
    let data_dir = &gateway.settings.data_dir;
    let mut files = vec![("backupinfo.xml".to_owned(), info(gateway).into_bytes())];
    for root in ["config", "projects"] {
        for entry in WalkDir::new(data_dir.join(root)).sort_by_file_name() {
            let entry = entry?;
            let path = entry.path().strip_prefix(data_dir)?.display().to_string();
            if entry.file_type().is_file() && kept(&path, which) {
                files.push((path, fs::read(entry.path())?));
            }
        }
    }
    if which == Which::All {
        for path in STATE_FILES {
            if let Ok(bytes) = fs::read(data_dir.join(path)) {
                files.push((path.to_owned(), bytes));
            }
        }
    }
    archive::pack(&files)
}

fn info(gateway: &Gateway) -> String {
    let version = gateway.settings.version.split(' ').next().unwrap_or_default();
    format!("<backupinfo><version>{version}</version></backupinfo>\n")
}

/// How a restore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restored {
    Accepted,
    WrongVersion,
}

/// Puts the files of a backup in place of what is there, and restarts. `core` becomes the backup's,
/// its tokens too; `external` stays.
pub(crate) fn restore(
    gateway: &Arc<Gateway>,
    bytes: &[u8],
    local: bool,
) -> anyhow::Result<Restored> {
    let files = archive::unpack(bytes);
    let line = |text: &str| text.split('.').take(2).collect::<Vec<_>>().join(".");
    let theirs = files
        .iter()
        .find(|(name, _)| name == "backupinfo.xml")
        .map(|(_, text)| String::from_utf8_lossy(text).replace("<backupinfo><version>", ""));
    if theirs.map(|version| line(&version)) != Some(line(&gateway.settings.version)) {
        return Ok(Restored::WrongVersion);
    }
    let collections = fs::read_dir(gateway.path("config/resources"))?;
    for entry in collections {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "external" && !name.starts_with('.') && (local || name != "local") {
            disk::delete_folder(gateway, &format!("config/resources/{name}"))?;
        }
    }
    for entry in fs::read_dir(gateway.path("projects"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            disk::delete_folder(gateway, &format!("projects/{name}"))?;
        }
    }
    let which = if local { Which::All } else { Which::Roaming };
    for (path, bytes) in &files {
        let inside = path.starts_with("config/") || path.starts_with("projects/");
        if inside && kept(path, which) && !path.split('/').any(|segment| segment == "..") {
            disk::write(gateway, path, bytes)?;
        }
    }
    lifecycle::restart(gateway);
    Ok(Restored::Accepted)
}
