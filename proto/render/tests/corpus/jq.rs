//! Expressions over every JSON file, compared with the `jq` program where it is installed.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use millwright_render::{
    jq::Program,
    json_edit::{Document, Json},
};

use super::data;

/// What people write in profiles, and what walks the whole file.
const EXPRESSIONS: [&str; 14] = [
    ".",
    "keys",
    "length",
    "to_entries | map(.key)",
    // Not tostring: ours keeps the spelling of numbers inside the text.
    "if type == \"object\" then with_entries(.value |= type) else . end",
    "[paths | length] | add",
    "[.. | strings] | unique | length",
    "[.. | numbers] | length",
    "walk(if type == \"string\" then ascii_downcase else . end)",
    "[.. | objects | keys[]] | group_by(.) | map({(.[0]): length}) | add",
    "del(.attributes?.lastModification?)",
    ".new.deep.path = [1, null]",
    "[leaf_paths | map(tostring) | join(\"/\")]",
    "(.. | select(type == \"object\" and has(\"name\")) | .name) |= \"x\"",
];

fn jq(expression: &str, inputs: &str) -> Option<Vec<String>> {
    // Wrapped, so that an error of one input does not hide the next.
    let wrapped = format!("try ({expression}) catch \"failed\"");
    let mut child = Command::new("jq")
        .args(["-c", &wrapped])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("it is piped");
    let text = inputs.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("jq ends");
    writer.join().expect("the writer ends").expect("jq reads its input");
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Numbers as doubles, since jq prints them so; objects by key, since jq 1.6 may reorder.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.parse::<f64>().ok() == b.parse::<f64>().ok(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    b.iter().any(|(other, theirs)| other == key && same(value, theirs))
                })
        }
        (a, b) => a == b,
    }
}

fn read(text: &str) -> Json {
    let document = Document::parse(text).expect("jq prints JSON");
    document.value(document.root()).expect("jq prints whole characters")
}

#[test]
fn results_are_those_of_the_jq_program() {
    if jq(".", "1").is_none() {
        println!("skipped: there is no jq program here");
        return;
    }
    for name in ["MobileHMS.bundle", "plant-config.tar.gz", "tag-units.tar.gz"] {
        let Some(set) = data::unpack(name) else { continue };
        let texts: Vec<(String, String)> = set
            .files()
            .into_iter()
            .filter(|(_, file)| file.extension().is_some_and(|extension| extension == "json"))
            .map(|(path, file)| (path, std::fs::read_to_string(file).expect("UTF-8")))
            .filter(|(_, text)| Document::parse(text).is_ok())
            .collect();
        let inputs: String = texts.iter().map(|(_, text)| format!("{text}\n")).collect();
        let (mut compared, mut failed) = (0, 0);
        for expression in EXPRESSIONS {
            let theirs = jq(expression, &inputs).expect("it ran before");
            assert_eq!(theirs.len(), texts.len(), "{expression}");
            let program = Program::compile(expression).expect("it compiles");
            for ((path, text), theirs) in texts.iter().zip(&theirs) {
                let theirs = read(theirs);
                match program.run(&read(text)) {
                    Ok(ours) => assert!(same(&ours, &theirs), "{expression} of {path}"),
                    Err(error) => {
                        let expected = Json::String("failed".to_owned());
                        assert_eq!(theirs, expected, "{expression} of {path}: {error}");
                        failed += 1;
                    }
                }
                compared += 1;
            }
        }
        println!("{name}: {compared} results as jq gives them ({failed} of them errors)");
    }
}
