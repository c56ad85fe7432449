//! Files, folders and standard input as resources, with every mistake named at once.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use millwright_model::resource::{Resource, parse_documents};

use crate::error::{Error, Kind, Result};

/// Largest file; a fleet of a thousand gateways has about 200 kB.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Mistakes that are named; a wrong file has thousands.
const MISTAKES_MAX: usize = 20;

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot read {}: {error}", path.display()))
}

fn read_limited(source: impl Read, path: &Path) -> Result<String> {
    let mut text = String::new();
    let mut limited = source.take(FILE_BYTES_MAX + 1);
    limited.read_to_string(&mut text).map_err(|error| cannot(path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("{} has more than {} MiB", path.display(), FILE_BYTES_MAX >> 20);
        return Err(Error::new(Kind::Usage, message));
    }
    Ok(text)
}

/// Files of a folder that hold resources, by name.
fn folder(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|error| cannot(dir, &error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            ["yaml", "yml", "json"].contains(&end)
        })
        .collect();
    paths.sort();
    if paths.is_empty() {
        let message = format!("{} has no .yaml, .yml or .json file", dir.display());
        return Err(Error::new(Kind::Usage, message));
    }
    Ok(paths)
}

/// Name and text of every file.
pub(in crate::command) fn sources(files: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut sources = Vec::new();
    for file in files {
        if file == Path::new("-") {
            let text = read_limited(std::io::stdin().lock(), Path::new("standard input"))?;
            sources.push(("standard input".to_owned(), text));
            continue;
        }
        let paths = if file.is_dir() { folder(file)? } else { vec![file.clone()] };
        for path in paths {
            let opened = std::fs::File::open(&path).map_err(|error| cannot(&path, &error))?;
            sources.push((path.display().to_string(), read_limited(opened, &path)?));
        }
    }
    Ok(sources)
}

/// Every resource of every source, or every mistake.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Resource>> {
    let (mut resources, mut errors) = (Vec::new(), Vec::new());
    for (name, text) in sources(files)? {
        match parse_documents(&text, &name) {
            Ok(found) => resources.extend(found),
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    if !errors.is_empty() {
        let count = errors.len();
        errors.truncate(MISTAKES_MAX);
        if count > MISTAKES_MAX {
            errors.push(format!("and {} more", count - MISTAKES_MAX));
        }
        let plural = if count == 1 { "" } else { "s" };
        let message =
            format!("{count} mistake{plural}, nothing was applied:\n  {}", errors.join("\n  "));
        return Err(Error::new(Kind::Usage, message).hint("millctl explain KIND shows every field"));
    }
    if resources.is_empty() {
        return Err(Error::new(Kind::Usage, "no resource was found in what was given"));
    }
    Ok(resources)
}
