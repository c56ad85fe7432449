//! `millctl apply` and `millctl delete`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use millwright_model::resource::{Resource, parse_documents};
use millwright_proto::control::{ApplyRequest, DeleteRequest, Resource as Wire};
use serde_json::json;

use crate::{
    cli::Global,
    command::client,
    error::{Error, Kind, Result},
    output,
};

/// Reads every file first: nothing is sent while any has an error.
pub(super) async fn run(
    global: &Global,
    files: &[PathBuf],
    dry_run: bool,
    reason: String,
) -> Result<()> {
    let resources = read(files)?;
    let resources = resources
        .iter()
        .map(|resource| Wire {
            kind: resource.kind().to_string(),
            name: resource.name().to_owned(),
            json: resource.to_canonical_json(),
            version: 0,
        })
        .collect();
    let request = ApplyRequest { resources, dry_run, reason };
    let answer = client(global)?.connect().await?.apply(request).await?.into_inner();
    let list: Vec<_> = answer
        .results
        .iter()
        .map(|one| json!({"kind": one.kind, "name": one.name, "action": one.action}))
        .collect();
    if let Some(text) = output::machine(global.output, &json!(list)) {
        output::print(&text);
        return Ok(());
    }
    let suffix = if dry_run { " (dry run)" } else { "" };
    for one in &answer.results {
        output::print(&format!(
            "{}/{} {}{suffix}\n",
            one.kind.to_lowercase(),
            one.name,
            one.action
        ));
    }
    Ok(())
}

fn sources(files: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut sources = Vec::new();
    for file in files {
        if file == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            sources.push(("standard input".to_owned(), text));
            continue;
        }
        let shown = |path: &Path, error: std::io::Error| {
            Error::new(Kind::Usage, format!("cannot read {}: {error}", path.display()))
        };
        let mut paths = vec![file.clone()];
        if file.is_dir() {
            let entries = std::fs::read_dir(file).map_err(|error| shown(file, error))?;
            paths = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| {
                    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
                    ["yaml", "yml", "json"].contains(&end)
                })
                .collect();
            paths.sort();
        }
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|error| shown(&path, error))?;
            sources.push((path.display().to_string(), text));
        }
    }
    Ok(sources)
}

fn read(files: &[PathBuf]) -> Result<Vec<Resource>> {
    let (mut resources, mut errors) = (Vec::new(), Vec::new());
    for (name, text) in sources(files)? {
        match parse_documents(&text, &name) {
            Ok(found) => resources.extend(found),
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    if !errors.is_empty() {
        let message =
            format!("{} errors, nothing was applied:\n{}", errors.len(), errors.join("\n"));
        return Err(Error::new(Kind::Usage, message).hint("millctl explain KIND shows every field"));
    }
    if resources.is_empty() {
        return Err(Error::new(Kind::Usage, "no resource was found in what was given"));
    }
    Ok(resources)
}

/// `millctl delete`.
pub(super) async fn delete(global: &Global, kind: &str, name: &str, reason: String) -> Result<()> {
    let request = DeleteRequest { kind: kind.to_owned(), name: name.to_owned(), reason };
    client(global)?.connect().await?.delete(request).await?;
    output::print(&format!("{kind}/{name} deleted\n"));
    Ok(())
}
