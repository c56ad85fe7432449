//! Whether the files on every gateway are exactly those of the commit, found with git itself and not
//! with our renderer, and whether anything outside was touched.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, bail};

use crate::process::run;

/// What one gateway shall have: folder of the repository and folder below the data directory.
pub type Mappings = Vec<(String, String)>;

/// Mappings as `SyncProfile`s and gateways say, read back from the cluster.
pub fn mappings(gateway: &serde_json::Value, profile: &serde_json::Value) -> Mappings {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&gateway["metadata"]["name"]);
    let fill = |template: &str| {
        let mut out = template
            .replace("{{.Site}}", &text(&gateway["spec"]["site"]))
            .replace("{{.GatewayName}}", &name);
        for (scope, values) in
            [("Labels", &gateway["metadata"]["labels"]), ("Vars", &gateway["spec"]["vars"])]
        {
            for (key, value) in values.as_object().into_iter().flatten() {
                out = out.replace(&format!("{{{{.{scope}.{key}}}}}"), &text(value));
            }
        }
        out
    };
    let list = profile["spec"]["mappings"].as_array().cloned().unwrap_or_default();
    list.iter().map(|m| (fill(&text(&m["source"])), fill(&text(&m["destination"])))).collect()
}

/// Compares a data directory with a commit; returns how many files were compared.
pub async fn files(
    bare: &Path,
    commit: &str,
    mappings: &Mappings,
    data: &Path,
) -> anyhow::Result<usize> {
    let scratch = tempfile::tempdir()?;
    let (bare, out) = (bare.display().to_string(), scratch.path().display().to_string());
    run(
        Path::new("git"),
        &[
            "--git-dir",
            &bare,
            "--work-tree",
            &out,
            "-c",
            "core.autocrlf=false",
            "checkout",
            "--quiet",
            "--force",
            commit,
            "--",
            ".",
        ],
    )
    .await?;
    let mut wanted = BTreeMap::new();
    for (source, destination) in mappings {
        let top =
            if source == "." { scratch.path().to_owned() } else { scratch.path().join(source) };
        for (relative, content) in tree(&top)? {
            if !relative.split('/').any(|segment| segment.starts_with('.')) {
                wanted.insert(format!("{destination}/{relative}"), content);
            }
        }
    }
    for (path, content) in &wanted {
        let found = fs::read(data.join(path)).with_context(|| format!("{path} is missing"))?;
        if found != *content {
            bail!("{path} differs from git");
        }
    }
    for (_, destination) in mappings {
        for relative in tree(&data.join(destination))?.keys() {
            let path = format!("{destination}/{relative}");
            if !wanted.contains_key(&path) {
                bail!("{path} is there, but not in git");
            }
        }
    }
    Ok(wanted.len())
}

/// Every file below a folder with its content.
pub fn tree(top: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![top.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let relative = path.strip_prefix(top)?.display().to_string();
                found.insert(relative, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// The rest of a data directory: everything that no mapping covers.
pub fn outside(data: &Path, mappings: &Mappings) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let covered = |path: &str| mappings.iter().any(|(_, to)| path.starts_with(&format!("{to}/")));
    Ok(tree(data)?.into_iter().filter(|(path, _)| !covered(path)).collect())
}
