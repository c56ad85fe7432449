//! Rules about the code: who may depend on whom, a `//!` on every module, lengths.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 400;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git runs");
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|path| root().join(path))
        .filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text)))
        .collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(p, _)| p)
        .collect();
    assert!(silent.is_empty(), "no //! on top: {silent:?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for (path, text) in sources() {
        // A test module is exempt, beside the code or in its own file.
        if path.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if code.lines().count() > FILE_LINES_MAX {
            long.push(format!("{}: {} lines", path.display(), code.lines().count()));
        }
        let mut open: Option<(usize, String, usize)> = None;
        for (at, line) in code.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            if open.is_none()
                && (head.starts_with("fn ") || head.contains(" fn "))
                && !head.starts_with("//")
                && !head.ends_with(';')
            {
                open = Some((at, head.to_owned(), indent));
            } else if let Some((from, name, depth)) = &open
                && head == "}"
                && indent == *depth
            {
                if at - from > FUNCTION_LINES_MAX {
                    long.push(format!("{}: {name}: {} lines", path.display(), at - from));
                }
                open = None;
            }
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn no_module_file_is_called_mod() {
    assert!(
        sources().iter().all(|(path, _)| path.file_name().is_some_and(|name| name != "mod.rs"))
    );
}

fn dependencies(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--depth",
            "1",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8_lossy(&tree.stdout)
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

#[test]
fn pure_crates_depend_on_the_model_and_pure_libraries_only() {
    let pure =
        ["imbl", "millwright-model", "millwright-render", "serde", "serde_json", "thiserror"];
    for package in ["millwright-coordinator-domain", "millwright-agent-domain"] {
        for dependency in dependencies(package) {
            assert!(pure.contains(&dependency.as_str()), "{package} depends on {dependency}");
        }
    }
    let banned = ["tokio", "tonic", "prost", "rustls", "rand", "reqwest"];
    for package in ["millwright-model", "millwright-render"] {
        assert!(dependencies(package).iter().all(|d| !banned.contains(&d.as_str())), "{package}");
    }
}

#[test]
fn shells_do_not_depend_on_each_other_and_the_ctl_on_no_domain() {
    for (package, never) in [
        ("millwright-coordinator", "millwright-agent"),
        ("millwright-agent", "millwright-coordinator"),
        ("millctl", "millwright-coordinator-domain"),
        ("millctl", "millwright-agent-domain"),
        ("millwright-certs", "millwright-proto"),
    ] {
        assert!(!dependencies(package).contains(never), "{package} depends on {never}");
    }
}

#[test]
fn the_architecture_names_every_crate() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(text.lines().count() <= 300);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    for member in members.expect("members").split(',') {
        let member = member.trim().trim_matches('"');
        if !member.is_empty() {
            assert!(
                text.contains(&format!("`{member}`")),
                "ARCHITECTURE.md does not name {member}"
            );
        }
    }
}
