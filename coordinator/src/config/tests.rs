//! What the configuration takes and how it refuses.

use super::*;

/// The default file with every key that it shows in a comment.
fn with_all_keys() -> String {
    let sections = ["node", "listen", "certificates", "raft"];
    let uncommented = DEFAULT.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
        Some(_) | None => line,
    });
    let text: Vec<&str> = uncommented.collect();
    for section in sections {
        assert!(text.contains(&format!("[{section}]").as_str()), "[{section}] is not documented");
    }
    text.join("\n")
}

fn defaults() -> Config {
    let address = |port: u16| format!("127.0.0.1:{port}");
    Config {
        node: Node { name: "n1".parse().unwrap(), join: Vec::new() },
        listen: Listen { api: address(7700), peer: address(7701), http: address(7702) },
        certificates: Certificates::default(),
        raft: Timing::default(),
    }
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    assert_eq!(Config::parse(DEFAULT), Ok(defaults()));
    assert_eq!(Config::parse(&with_all_keys()), Ok(defaults()));
    // Each commented key is one that exists: with another value the result differs.
    for line in with_all_keys().lines().filter(|line| DEFAULT.contains(&format!("# {line}\n"))) {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let other = if key.ends_with("_life") { "\"31d\"" } else { "400" };
        let other = if key == "log_file_bytes" { "70000" } else { other };
        let text = DEFAULT.replace(&format!("# {line}\n"), &format!("{key} = {other}\n"));
        let read = Config::parse(&text);
        assert!(read.is_err() || read != Ok(defaults()), "{key} changes nothing");
        assert!(!format!("{read:?}").contains("unknown"), "{read:?}");
    }
}

#[test]
fn a_new_nodes_file_has_its_values() {
    let listen =
        Listen { api: "a:1".to_owned(), peer: "b:2".to_owned(), http: "[::1]:3".to_owned() };
    let join = ["c:4".to_owned(), "d:5".to_owned()];
    let text = template(&"n7".parse().unwrap(), &listen, &join, Span(6_000));
    let config = Config::parse(&text).unwrap();
    assert_eq!((config.node.name.as_str(), config.node.join), ("n7", join.to_vec()));
    assert_eq!(config.listen, listen);
    assert_eq!(config.certificates.agent, Span(6_000));
    assert_eq!(config.certificates.operator, Certificates::default().operator);
}

#[test]
fn lives_may_differ_by_role() {
    let text = DEFAULT.replace("# agent_life = \"24h\"", "agent_life = \"6s\"");
    let certificates = Config::parse(&text).unwrap().certificates;
    assert_eq!(certificates, Certificates { agent: Span(6_000), ..Certificates::default() });
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = "\
[node]
nmae = \"n1\"
join = \"x:1\"

[listen]
api = \"localhost\"
peer = 7701
http = \"127.0.0.1:0\"

[certificates]
agent_life = \"1s\"
operator_life = \"soon\"

[raft]
heartbeat_ms = 200
election_min_ms = 300
  snapshot_entries = -5
log_file_bytes = 10

[logging]
level = \"debug\"
";
    let faults = Config::parse(text).unwrap_err();
    let expected = [
        "line 1, column 1: node.name: is missing",
        "line 2, column 1: node.nmae: unknown key; did you mean name?",
        "line 3, column 8: node.join: is a string, not a list of strings",
        "line 6, column 7: listen.api: \"localhost\" is not host:port",
        "line 7, column 8: listen.peer: is a number, not a string",
        "line 8, column 8: listen.http: \"127.0.0.1:0\" is not host:port",
        "line 11, column 14: certificates.agent_life: 1s is shorter than 3s",
        "line 12, column 17: certificates.operator_life: \"soon\" is not a duration: write it like \
         30s, 10m or 1h30m",
        "line 16, column 19: raft.election_min_ms: must be three times heartbeat_ms at least",
        "line 17, column 22: raft.snapshot_entries: -5 is no whole number of at least 0",
        "line 18, column 18: raft.log_file_bytes: must be between 65536 (64 KiB) and 1073741824 \
         (1 GiB)",
        "line 20, column 2: logging: unknown section or key; known are node, listen, \
         certificates, raft",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn text_that_is_no_toml_is_told_beside_the_other_faults() {
    let text = DEFAULT.replace("name = \"n1\"", "name = \"n1").replace("api =", "apy =");
    let faults = Config::parse(&text).unwrap_err();
    let all = faults.join("\n");
    assert!(faults.iter().any(|fault| fault.starts_with("line 6, column")), "{all}");
    assert!(all.contains("listen.apy: unknown key; did you mean api?"), "{all}");
}

#[test]
fn the_error_names_the_file_and_lists_the_faults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("coordinator.toml");
    std::fs::write(&path, DEFAULT.replace("life = \"24h\"\n# Of", "lif = \"24h\"\n# Of")).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    let expected = format!(
        "{} is not valid; millwright-coordinator config default shows every key:\n\
         line 21, column 1: certificates.lif: unknown key; did you mean life?",
        path.display()
    );
    assert_eq!(error, expected);
    let absent = Config::load(&dir.path().join("none")).unwrap_err();
    assert!(matches!(absent, InvalidConfig::Read { .. }));
}
