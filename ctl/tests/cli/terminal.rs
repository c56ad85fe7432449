//! What happens on a terminal only: questions, pictures, colours. The terminal is a real one as far
//! as the program can tell.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::Stdio,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{
    canned::{self, event, rollout},
    fake::{Fake, Script},
};

/// A terminal of a size: our end, and the program's.
fn terminal(columns: u16, rows: u16) -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("its name");
    let theirs =
        open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opened");
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).expect("sized");
    (File::from(ours), theirs)
}

/// Runs the program on a terminal where somebody types; yields its exit code and all it showed.
async fn on_terminal(
    fake: &Fake,
    args: &[&str],
    env: &[(&str, &str)],
    typed: &str,
    columns: u16,
) -> (i32, String) {
    let (mut ours, theirs) = terminal(columns, 24);
    let mut command = fake.command(args);
    let end = || Stdio::from(theirs.try_clone().expect("another handle"));
    command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
    command.envs(env.iter().copied());
    let mut child = command.spawn().expect("it runs");
    // Our handles on the program's end would keep the terminal open for ever.
    drop((command, theirs));
    ours.write_all(typed.as_bytes()).expect("typed");
    let shown = tokio::task::spawn_blocking(move || {
        let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
        // The end of a terminal is an error.
        while let Ok(count @ 1..) = ours.read(&mut chunk) {
            all.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    let ended = tokio::time::timeout(Duration::from_mins(1), child.wait()).await;
    let code = ended.expect("it ends in time").expect("it ran").code().unwrap_or(-1);
    (code, shown.await.expect("read"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_and_only_a_yes_deletes() {
    let fake = Fake::start(canned::company()).await;
    for (typed, code) in [("y\n", 0), ("yes\n", 0), ("n\n", 3), ("\n", 3)] {
        fake.asked();
        let (ended, shown) =
            on_terminal(&fake, &["delete", "gateway", "line3"], &[], typed, 80).await;
        assert_eq!(ended, code, "{typed:?}: {shown}");
        assert!(shown.contains("Deleting gateway line3? [y/N]"), "{shown}");
        let deleted = fake.asked().iter().any(|what| what.starts_with("delete"));
        assert_eq!(deleted, code == 0, "{typed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_context_asks_for_its_name() {
    let fake = Fake::start(canned::company()).await;
    fake.log_in(Duration::from_hours(24), SystemTime::now(), true);
    for (typed, code) in [("lab\n", 0), ("y\n", 3)] {
        let args = ["agent", "ban", "line1", "--yes"];
        let (ended, shown) = on_terminal(&fake, &args, &[], typed, 80).await;
        assert_eq!(ended, code, "{typed:?}: {shown}");
        assert!(shown.contains("type its name (lab)"), "{shown}");
    }
}

fn running() -> Script {
    let at = |phase: &str, first: &'static str, second: &'static str| {
        rollout("plants-3", phase, &[("line1", "canary", first), ("line2", "rest", second)])
    };
    Script {
        resources: vec![at("Running", "assigned", "pending")],
        index: 100,
        events: vec![
            event(101, &at("Running", "applied", "assigned")),
            event(102, &at("Completed", "applied", "applied")),
        ],
        cluster: canned::cluster(),
        ..Script::default()
    }
}

/// Without escape sequences.
fn bare(line: &str) -> String {
    let mut out = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else if letter != '\r' {
            out.push(letter);
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_a_picture_that_is_redrawn_within_the_width() {
    for columns in [80_u16, 160] {
        let fake = Fake::start(running()).await;
        let (code, shown) = on_terminal(&fake, &["rollout", "watch"], &[], "", columns).await;
        assert_eq!(code, 0, "{shown}");
        assert!(shown.contains("\u{1b}[6A"), "the picture is drawn over the last one: {shown:?}");
        let lines: Vec<String> = shown.lines().map(bare).collect();
        let wide = lines.iter().map(|line| line.chars().count()).max();
        assert!(wide.is_some_and(|wide| wide <= usize::from(columns)), "{lines:#?}");
        let last = lines.last().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with("plants-3 completed after"), "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_can_be_turned_off() {
    let fake = Fake::start(canned::company()).await;
    let green = "\u{1b}[32mInSync\u{1b}[0m";
    let shown = |args: &'static [&'static str], env: &'static [(&str, &str)]| {
        let fake = &fake;
        async move { on_terminal(fake, args, env, "", 120).await.1 }
    };
    assert!(shown(&["get", "gateways"], &[]).await.contains(green));
    for (args, env) in [
        (&["get", "gateways", "--no-color"][..], &[][..]),
        (&["get", "gateways"], &[("NO_COLOR", "1")]),
        (&["get", "gateways"], &[("TERM", "dumb")]),
    ] {
        let text = shown(args, env).await;
        assert!(text.contains("InSync") && !text.contains('\u{1b}'), "{text:?}");
    }
    let piped = fake.run_in(&["get", "gateways"], &[("TERM", "xterm")]).await;
    assert!(!piped.out.contains('\u{1b}'), "{}", piped.out);
}
