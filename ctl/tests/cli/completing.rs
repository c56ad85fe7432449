//! Completion: live names, quickly, and silence when there is nobody.

use std::time::{Duration, Instant};

use crate::{
    canned,
    fake::{Fake, Ran},
};

/// What bash would be offered after these words.
async fn offered(fake: &Fake, words: &[&str]) -> (Vec<String>, Ran) {
    let mut args = vec!["--", "millctl"];
    args.extend(words);
    let index = words.len().to_string();
    let env = [
        ("MILLCTL_COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", index.as_str()),
        ("_CLAP_COMPLETE_COMP_TYPE", "9"),
        ("_CLAP_COMPLETE_SPACE", "true"),
        ("_CLAP_IFS", "\n"),
    ];
    let ran = fake.run_in(&args, &env).await;
    (ran.out.lines().map(str::to_owned).collect(), ran)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_live() {
    let fake = Fake::start(canned::company()).await;
    for (words, expected) in [
        (vec!["get", "gateways", ""], vec!["line1", "line2", "line3"]),
        (vec!["describe", "fleet", ""], vec!["plants"]),
        (vec!["delete", "repository", ""], vec!["plant"]),
        (vec!["get", "tokens", ""], vec!["3fa85f64c1d2"]),
        (vec!["rollout", "watch", "pl"], vec!["plants-1", "plants-2"]),
        (vec!["rollout", "list", "--fleet", ""], vec!["plants"]),
        (vec!["agent", "evict", "line2"], vec!["line2"]),
        (vec!["token", "create", "agent", "li"], vec!["line1", "line2", "line3"]),
        (vec!["token", "create", "coordinator", "n"], vec!["n1", "n2", "n3"]),
        (vec!["gateway", "sync", ""], vec!["line1", "line2", "line3"]),
        (vec!["snapshot", "list", ""], vec!["line1", "line2", "line3"]),
        (vec!["history", "gateway", ""], vec!["line1", "line2", "line3"]),
        (vec!["snapshot", "pin", "line1", ""], vec![canned::SNAPSHOT, "20261011t090000z"]),
        (vec!["snapshot", "restore", "line1", "2026"], vec![canned::SNAPSHOT]),
        (vec!["gateway", "rollback", "line1", "--to", ""], vec![canned::SNAPSHOT, "4bf57a65"]),
        (vec!["gateway", "rollback", "--yes", "line1", "--to", "e"], vec!["e58a73fa"]),
        (vec!["gateway", "dr"], vec!["dry-run", "drift"]),
        (vec!["context", "use", ""], vec!["lab"]),
        (vec!["status", "--context", ""], vec!["lab"]),
        (vec!["roll"], vec!["rollout"]),
        (vec!["explain", "fl"], vec!["fleets"]),
    ] {
        let (names, ran) = offered(&fake, &words).await;
        for name in &expected {
            assert!(names.iter().any(|one| one == name), "{words:?}: {}", ran.all());
        }
        assert!(ran.err.is_empty(), "{}", ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_silence() {
    let mut fake = Fake::start(canned::company()).await;
    fake.stop().await;
    let (names, ran) = offered(&fake, &["rollout", "watch", "p"]).await;
    assert!(names.is_empty() && ran.err.is_empty() && ran.code == 0, "{}", ran.all());
    std::fs::remove_file(fake.config()).expect("removed");
    let (names, ran) = offered(&fake, &["rollout", "watch", "p"]).await;
    assert!(names.is_empty() && ran.err.is_empty() && ran.code == 0, "{}", ran.all());
}

/// A listener that never answers: the handshake stalls, the shell must not.
#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_stalls_costs_half_a_second() {
    let mut fake = Fake::start(canned::company()).await;
    fake.stop().await;
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = deaf.local_addr().expect("an address").to_string();
    let text = std::fs::read_to_string(fake.config()).expect("there");
    std::fs::write(fake.config(), text.replace(&fake.address, &address)).expect("written");
    let began = Instant::now();
    let (names, ran) = offered(&fake, &["rollout", "watch", "p"]).await;
    assert!(names.is_empty() && ran.err.is_empty(), "{}", ran.all());
    // The budget is half a second; the rest is the start of a process on a busy machine.
    let took = began.elapsed();
    assert!(took > Duration::from_millis(400) && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_has_a_script_that_asks() {
    let fake = Fake::start(canned::company()).await;
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = fake.run(&["completion", shell]).await;
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(ran.out.contains("MILLCTL_COMPLETE"), "{shell}: {}", ran.out);
    }
}
