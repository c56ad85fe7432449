//! The contexts file, login and renewal.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use insta::assert_snapshot;
use millwright_certs::{store::CredentialStore, token::JoinToken};

use crate::{canned, fake::Fake};

#[tokio::test(flavor = "multi_thread")]
async fn where_each_value_came_from() {
    let fake = Fake::start(canned::company()).await;
    let pin: String = fake.ca_fingerprint().iter().map(|b| format!("{b:02x}")).collect();
    let tidy = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("certificate until"));
        // The width of a column follows the longest value, which differs from run to run.
        let words = |line: &str| {
            line.replace(&pin, "PIN")
                .split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" | ")
        };
        lines.map(|line| words(line) + "\n").collect::<String>()
    };
    let ran = fake.run(&["config", "explain"]).await;
    assert_snapshot!("explain-environment", tidy(&ran.out));
    let config = fake.config().display().to_string();
    let args = ["config", "explain", "--config", &config, "--context", "lab", "-o", "wide"];
    let ran = fake.run_in(&args, &[("MILLWRIGHT_CONTEXT", "other"), ("NO_COLOR", "1")]).await;
    assert_snapshot!("explain-flags", tidy(&ran.out));
    let ran = fake.run_in(&["config", "explain"], &[("MILLWRIGHT_CONTEXT", "other")]).await;
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.out.contains("contexts file"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_may_read_is_refused() {
    let fake = Fake::start(canned::company()).await;
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(fake.config(), open.clone()).expect("changed");
    let ran = fake.run(&["status"]).await;
    assert_snapshot!("open-file", ran.all());
    std::fs::set_permissions(fake.config(), std::fs::Permissions::from_mode(0o600))
        .expect("changed");
    std::fs::set_permissions(fake.home.path().join("identity/key.pem"), open).expect("changed");
    assert_snapshot!("open-key", fake.run(&["status"]).await.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ca_than_the_pinned_one_is_refused() {
    let fake = Fake::start(canned::company()).await;
    let text = std::fs::read_to_string(fake.config()).expect("there");
    let pin: String = fake.ca_fingerprint().iter().map(|b| format!("{b:02x}")).collect();
    let forged = text.replace(&pin, &"0".repeat(64));
    std::fs::write(fake.config(), forged).expect("written");
    let ran = fake.run(&["status"]).await;
    assert_eq!(ran.code, 6, "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_added_used_shown_and_removed() {
    let fake = Fake::start(canned::company()).await;
    let dir = fake.home.path().join("identity").display().to_string();
    let add = ["context", "add", "prod", "--coordinator", &fake.address, "--identity-dir", &dir];
    let ran = fake.run(&[&add[..], &["--protected"]].concat()).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "context prod added\n"), "{}", ran.all());
    assert_eq!(fake.run(&add).await.code, 5, "there is one already");
    let wrong = [&add[..], &["--replace", "--ca-fingerprint", "00"]].concat();
    assert_eq!(fake.run(&wrong).await.code, 6, "the pin does not fit");
    assert_snapshot!("context-list", fake.run(&["context", "list"]).await.all());
    assert_eq!(fake.run(&["context", "use", "prod"]).await.out, "context prod is in use\n");
    let shown = fake.run(&["context", "show", "-o", "json"]).await.data();
    assert_eq!((&shown["name"], &shown["protected"]), (&"prod".into(), &true.into()));
    let other =
        fake.run_in(&["context", "show", "-o", "name"], &[("MILLWRIGHT_CONTEXT", "lab")]).await;
    assert_eq!(other.out, "context/lab\n");
    assert_eq!(fake.run(&["context", "remove", "prod"]).await.out, "context prod removed\n");
    let ran = fake.run(&["status"]).await;
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(ran.err.contains("no current context"), "{}", ran.all());
    assert!(std::path::Path::new(&dir).join("key.pem").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_an_operator() {
    let fake = Fake::start(canned::company()).await;
    let token = JoinToken::generate(fake.cluster.clone(), fake.ca_fingerprint()).reveal();
    std::fs::remove_file(fake.config()).expect("removed");
    let login = ["login", "--token", &token, "--coordinator", &fake.address];
    let ran = fake.run(&login).await;
    assert_eq!(ran.code, 6, "{}", ran.all());
    assert!(ran.err.contains("--name NAME"), "{}", ran.all());
    let ran = fake.run(&[&login[..], &["--name", "ann", "--as", "prod"]].concat()).await;
    assert_snapshot!("login", ran.all());
    let mode = std::fs::metadata(fake.config()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(fake.config()).expect("there");
    assert!(text.contains("127.0.0.1:2"), "all coordinators are kept: {text}");
    assert_eq!(fake.run(&["status"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_cluster_reaches_nobody() {
    let fake = Fake::start(canned::company()).await;
    let token = JoinToken::generate(fake.cluster.clone(), [7; 32]).reveal();
    let ran = fake
        .run(&["login", "--token", &token, "--coordinator", &fake.address, "--name", "ann"])
        .await;
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert!(ran.err.contains("another cluster"), "{}", ran.all());
    assert!(fake.asked().is_empty());
    assert!(!ran.all().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_at_two_thirds_of_their_life() {
    let fake = Fake::start(canned::company()).await;
    let store = || CredentialStore::load_dir(&fake.home.path().join("identity")).expect("loads");
    let hour = Duration::from_hours(1);
    for (age, due) in [(30, false), (50, true), (90, true)] {
        fake.log_in(hour, SystemTime::now() - Duration::from_mins(age), false);
        let before = store();
        let ran = fake.run(&["status"]).await;
        assert_eq!(ran.code, 0, "{age}: {}", ran.all());
        let renewed = fake.asked().iter().any(|what| what == "renew spiffe://c0ffee/operator/ann");
        assert_eq!(renewed, due, "{age} minutes of 60");
        assert_eq!(store().expires_at() > before.expires_at(), due, "{age} minutes of 60");
        assert!(!store().renewal_due(SystemTime::now()) || !due);
    }
}
