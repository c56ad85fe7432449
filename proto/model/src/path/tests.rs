//! Paths: tables of what is refused, and every spelling of what is forbidden.

use proptest::prelude::*;

use super::*;

#[test]
fn paths_that_are_refused() {
    for bad in [
        "",
        "/a",
        "a//b",
        "a/",
        "../a",
        "a/../b",
        "./a",
        "a\\b",
        "c:/x",
        "a/b?",
        "a*",
        "a|b",
        "a\0b",
        "a\nb",
        "a /b",
        "a./b",
        " a",
        "con",
        "a/NUL.txt",
        "com1.json",
        "a`b",
        "a\"b",
    ] {
        assert!(ManagedPath::parse(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "projects/P 1/x & y (2)/a%3ab/view.json", "a/Température ✓", "console"] {
        assert!(ManagedPath::parse(good).is_ok(), "{good:?}");
    }
}

#[test]
fn the_never_touch_list_holds() {
    for path in [
        "db/config.idb",
        "DB/x",
        "logs/a",
        "valueStore.idb",
        "x/y.LOG",
        "gateway.xml",
        "Commissioning.json",
        "modules.json",
        "redundancy.xml",
        "projects/.resources/a",
        "projects/p/.git/config",
        "config/resources/core/.resources/x",
        "config/local/a/b",
        "config/resources/local/x",
        "config/resources/prod/config-mode.json",
        "config/resources/core/ignition/tag-definition/System/x",
        "config/resources/core/ignition/gateway-network-incoming/a/config.json",
        "config/resources/core/ignition/local-system-properties/config.json",
        "projects/p/a.tmp",
        "projects/p/a.bak",
        "request-1",
        "var/x",
        ".uuid",
        "projects/p/conversion-report.txt",
        "migration-log-2026.md",
        "a.digest.json",
    ] {
        assert!(never_touch(&ManagedPath::parse(path).unwrap()).is_some(), "{path}");
    }
    for path in [
        "projects/p/project.json",
        "config/resources/core/ignition/tag-provider/P/config.json",
        "config/resources/prod/ignition/database-connection/X/config.json",
        "projects/p/db/x.json",
        "projects/p/logs/view.json",
    ] {
        assert!(never_touch(&ManagedPath::parse(path).unwrap()).is_none(), "{path}");
    }
    let asks = "config/resources/core/ignition/api-token/x/config.json";
    assert!(needs_permission(&ManagedPath::parse(asks).unwrap()).is_some());
}

#[test]
fn case_and_normal_form_collide() {
    let key = |text: &str| ManagedPath::parse(text).unwrap().case_key();
    assert_eq!(key("a/View"), key("a/view"));
    assert_eq!(key("b/\u{e9}"), key("b/e\u{301}"));
    assert_ne!(key("b/\u{e9}"), key("b/e"));
}

const FORBIDDEN: [&str; 14] = [
    "db/config.idb",
    "metricsdb/x",
    "keystore/ssl.pfx",
    "certificates/x",
    "logs/wrapper.log",
    "config/local/x",
    "config/resources/local/ignition/a/config.json",
    "config/resources/core/config-mode.json",
    "config/resources/core/ignition/tag-definition/System/x",
    "config/resources/core/ignition/gateway-network-incoming/x",
    "config/resources/core/ignition/local-system-properties/config.json",
    "projects/p/.git/config",
    "projects/p/x/valueStore.idb",
    "projects/p/.resources/x",
];
/// Put before and after one segment: what a file system may drop, or a walk may resolve.
const TRICKS: [(&str, &str); 13] = [
    ("", ""),
    ("", "."),
    ("", " "),
    ("", ".."),
    ("./", ""),
    ("../data/", ""),
    ("/", ""),
    ("x/../", ""),
    ("", "/."),
    ("", "\\"),
    ("", "::$DATA"),
    ("\\\\?\\", ""),
    ("", "\u{0}"),
];

proptest! {
    #[test]
    fn no_spelling_of_a_forbidden_path_passes(upper in proptest::collection::vec(any::<bool>(), 13)) {
        let text: String = "config/local/".chars().zip(upper)
            .map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
        let path = ManagedPath::parse(&format!("{text}x")).unwrap();
        prop_assert!(never_touch(&path).is_some());
    }

    #[test]
    fn no_trick_leads_to_a_forbidden_path(
        which in 0..FORBIDDEN.len(),
        flips in proptest::collection::vec(any::<bool>(), 80),
        decomposed in any::<bool>(),
        trick in 0..TRICKS.len(),
        at in 0..8_usize,
    ) {
        let spelled: String = FORBIDDEN[which].chars().zip(flips.iter().cycle())
            .map(|(c, flip)| if *flip { c.to_ascii_uppercase() } else { c }).collect();
        // The sign of Kelvin is a capital k to every platform that folds case.
        let spelled = if decomposed { spelled.nfd().collect() } else { spelled.replace('K', "\u{212a}") };
        let mut segments: Vec<String> = spelled.split('/').map(str::to_owned).collect();
        let place = at % segments.len();
        let (before, after) = TRICKS[trick];
        segments[place] = format!("{before}{}{after}", segments[place]);
        let text = segments.join("/");
        if let Ok(path) = ManagedPath::parse(&text) {
            prop_assert!(never_touch(&path).is_some(), "{text}");
        }
    }

    #[test]
    fn a_parsed_path_stays_below_its_root(text in ".{0,60}") {
        if let Ok(path) = ManagedPath::parse(&text) {
            prop_assert!(!path.as_str().split('/').any(|s| s == ".." || s.is_empty()));
            prop_assert!(!path.as_str().contains(['\\', '\0', ':']));
        }
    }
}
