//! What the documentation and the help texts show is what there is: every YAML resource is read without
//! a complaint, every `millctl` command exists with the options that are shown.

use std::{fs, path::Path};

use clap::{CommandFactory, builder::StyledStr};
use millctl::cli::Cli;
use millwright_model::resource::parse_documents;

/// Every Markdown file of the project that a user reads, with its path.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs"))
        .expect("the documentation")
        .map(|entry| entry.expect("an entry").path());
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name));
    docs.chain(top)
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a page")))
        .collect()
}

/// The texts of a page's fenced blocks with their language, and the rest of it.
fn blocks(page: &str) -> (Vec<(&str, String)>, String) {
    let (mut fenced, mut prose) = (Vec::new(), String::new());
    let mut open: Option<(&str, String)> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language, String::new())),
            (Some(_), Some(_)) => fenced.extend(open.take()),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (fenced, prose)
}

#[test]
fn every_resource_in_the_documentation_is_read() {
    let mut count = 0;
    for (path, page) in pages() {
        for (language, text) in blocks(&page).0 {
            if language == "yaml" {
                count +=
                    parse_documents(&text, &path).unwrap_or_else(|e| panic!("{path}: {e:?}")).len();
            }
        }
    }
    assert!(count >= 8, "only {count} resources were found");
}

/// What is wrong with a command line that a text shows; `GW`, `…` and brackets are what texts write.
fn fault(line: &str) -> Option<String> {
    let mut command = &Cli::command();
    let root = command;
    let mut positional = false;
    let words = line.split_whitespace().skip(1);
    for word in words.take_while(|word| !["/", "|", "&&"].contains(word)) {
        let word = word.trim_matches(|c: char| "[](){},.;:…'\"".contains(c));
        if let Some(long) = word.strip_prefix("--") {
            let long = long.split(['=', '|']).next().unwrap_or_default();
            let known = |of: &clap::Command| of.get_arguments().any(|a| a.get_long() == Some(long));
            if !long.is_empty()
                && !["help", "version"].contains(&long)
                && !known(command)
                && !known(root)
            {
                return Some(format!("`{line}`: {} has no --{long}", command.get_name()));
            }
        } else if !positional
            && command.has_subcommands()
            && !word.is_empty()
            && !word.starts_with('-')
        {
            for name in word.split('|') {
                let Some(found) = command.find_subcommand(name) else {
                    return Some(format!("`{line}`: {} has no command {name}", command.get_name()));
                };
                if !word.contains('|') {
                    command = found;
                }
            }
            positional = word.contains('|');
        } else {
            positional = true;
        }
    }
    None
}

#[test]
fn every_command_in_the_documentation_exists() {
    let mut lines = Vec::new();
    for (_, page) in pages() {
        let (fenced, prose) = blocks(&page);
        lines.extend(fenced.iter().flat_map(|(_, text)| text.lines()).map(str::to_owned));
        lines.extend(prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
    }
    check(lines.iter().map(String::as_str), 60);
}

#[test]
fn every_example_of_a_help_text_exists() {
    let mut examples = Vec::new();
    let mut open = vec![Cli::command()];
    while let Some(command) = open.pop() {
        examples.extend(command.get_after_help().map(StyledStr::to_string));
        open.extend(command.get_subcommands().cloned());
    }
    check(examples.iter().flat_map(|text| text.lines()), 60);
}

/// Lines that begin with `millctl` show a command, up to the remark beside it.
fn check<'a>(lines: impl Iterator<Item = &'a str>, at_least: usize) {
    let shown: Vec<&str> = lines
        .map(|line| line.trim_start().trim_start_matches("$ "))
        .filter(|line| line.starts_with("millctl "))
        .map(|line| line.split("  ").next().unwrap_or(line))
        .map(|line| line.split([';', '#', '>']).next().unwrap_or(line))
        .collect();
    let faults: Vec<_> = shown.iter().filter_map(|line| fault(line)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(shown.len() >= at_least, "only {} commands were found", shown.len());
}
