//! A gateway and a disk that do wrong, one trial after the other: answers that lie, are cut or come
//! too early, probes that fail, files that are held, folders that may not be written.
//! Each trial says how the change ends, with which failure, and which files are there then.

use std::time::{Duration, SystemTime};

use gateway_sim::{Command, Kind};
use playground::plant::Settings;
use serde_json::{Value, json};

use super::safe_apply::{Case, VIEW, kinds, noticed};

/// Reached only when something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);
pub(super) const BASE: &str = "  snapshots: {minFreeBytes: 0}\n";
pub(super) const VERIFY: &str = "  verify: {settle: 50ms}\n";

/// One trial.
struct Trial {
    name: &'static str,
    /// Lines of the profile.
    profile: String,
    /// Begins once the change is staged; from its beginning else.
    once_staged: bool,
    /// What goes wrong.
    wrong: Vec<Value>,
    /// What mends it.
    mend: Vec<Value>,
    expect: Expect,
}

/// How a trial ends.
struct Expect {
    result: &'static str,
    kinds: &'static [&'static str],
    /// Part of the failure's message, or of the notice's.
    says: &'static str,
    notice: &'static str,
}

const fn ends(result: &'static str, kinds: &'static [&'static str], says: &'static str) -> Expect {
    Expect { result, kinds, says, notice: "" }
}

const fn notices(notice: &'static str, says: &'static str) -> Expect {
    Expect { result: "applied", kinds: &[], says, notice }
}

fn trial(name: &'static str, wrong: Vec<Value>, expect: Expect) -> Trial {
    Trial {
        name,
        profile: VERIFY.to_owned(),
        once_staged: true,
        wrong,
        mend: vec![json!({"do": "clearFaults"})],
        expect,
    }
}

fn with(profile: &str, trial: Trial) -> Trial {
    Trial { profile: profile.to_owned(), ..trial }
}

fn mended_by(mend: Value, mut trial: Trial) -> Trial {
    trial.mend.push(mend);
    trial
}

fn from_the_start(trial: Trial) -> Trial {
    Trial { once_staged: false, ..trial }
}

fn fault(method: &str, path: &str, times: Option<u32>, what: Value) -> Value {
    let path = format!("{}{path}", if path.starts_with("/S") { "" } else { "/data/api/v1/" });
    let mut fault = json!({"path": path, "method": method, "what": what});
    if let Some(times) = times {
        fault["times"] = times.into();
    }
    json!({"do": "fault", "fault": fault})
}

fn status(code: u16) -> Value {
    json!({"status": {"code": code}})
}

/// A profile that asks one page after each scan.
fn probing(url: &str, more: &str) -> String {
    format!(
        "  verify: {{settle: 50ms, probes: [{{url: \"{url}\", expectBody: fresh, within: 10ms}}]{more}}}\n"
    )
}

fn webdev(status: u16, body: &str) -> Value {
    json!({"do": "webDev", "path": "line/version", "status": status, "body": body})
}

const PAGE: &str = "/system/webdev/line/version";

fn scans() -> Vec<Trial> {
    let begun = json!({"scanActive": true, "lastScanTimestamp": 1, "lastScanDuration": 1});
    let nothing = json!({"answer": {"code": 200, "body": begun.to_string()}});
    vec![
        trial(
            "the trigger answers 200 and nothing begins",
            vec![fault("POST", "scan/projects", Some(1), nothing)],
            ends(
                "rolledBack",
                &["scan_timeout"],
                "the projects scan did not end in time, its state is unknown",
            ),
        ),
        trial(
            "the trigger answers 500",
            vec![fault("POST", "scan/projects", Some(1), status(500))],
            ends("rolledBack", &["scan_failed"], "scan/projects answered 500"),
        ),
        trial(
            "the gateway starts again under the trigger",
            vec![fault("POST", "scan/projects", Some(1), status(503))],
            ends("rolledBack", &["gateway_not_running"], "is starting (503)"),
        ),
        mended_by(
            json!({"do": "set", "knobs": {"scan": {"outcome": "normal"}}}),
            with(
                &probing(PAGE, ""),
                trial(
                    "the scan says that it is done and has read nothing, which only a probe can tell",
                    vec![
                        json!({"do": "set", "knobs": {"scan": {"outcome": "lie"}}}),
                        webdev(200, "stale"),
                    ],
                    ends("rolledBack", &["probe_failed"], "the answer does not contain \"fresh\""),
                ),
            ),
        ),
        trial(
            "the answer to the trigger is cut, but the scan runs",
            vec![fault("POST", "scan/projects", Some(1), json!({"reset": {"after": 5}}))],
            ends("applied", &[], ""),
        ),
        trial(
            "the state of the scan is cut short for a while",
            vec![fault("GET", "scan/projects", Some(2), json!({"truncate": {"to": 9}}))],
            ends("applied", &[], ""),
        ),
    ]
}

fn verifications() -> Vec<Trial> {
    let module =
        |state| json!({"do": "module", "id": "com.inductiveautomation.reporting", "state": state});
    vec![
        trial(
            "503 for a while",
            vec![fault("GET", "modules/healthy", Some(2), status(503))],
            ends("applied", &[], ""),
        ),
        trial(
            "it does not run any more",
            vec![fault(
                "GET",
                "/StatusPing",
                None,
                json!({"answer": {"code": 200, "body": "{\"state\":\"STARTING\"}"}}),
            )],
            ends("rolledBack", &["unhealthy"], "the gateway: it is STARTING, not RUNNING"),
        ),
        mended_by(
            module("ACTIVE"),
            trial(
                "a module stops",
                vec![module("FAULTED")],
                ends(
                    "rolledBack",
                    &["unhealthy"],
                    "the module com.inductiveautomation.reporting was active and is not any more",
                ),
            ),
        ),
        trial(
            "the log is cut short",
            vec![fault("GET", "logs", None, json!({"truncate": {"to": 9}}))],
            notices(
                "health_unknown",
                "the gateway's log cannot be read: /data/api/v1/logs: the answer is no JSON",
            ),
        ),
        trial(
            "503 when the log is asked for",
            vec![fault("GET", "logs", None, status(503))],
            notices("health_unknown", "the gateway's log cannot be read"),
        ),
    ]
}

fn probes() -> Vec<Trial> {
    let page = |name, status, body, says| {
        with(
            &probing(PAGE, ""),
            trial(name, vec![webdev(status, body)], ends("rolledBack", &["probe_failed"], says)),
        )
    };
    let nobody = |more: &str, expect| {
        with(
            &probing("http://127.0.0.1:1/", more),
            trial("nobody answers the probe", vec![], expect),
        )
    };
    vec![
        page(
            "a probe answers 500",
            500,
            "fresh",
            "probe /system/webdev/line/version: answered 500, not 200",
        ),
        page(
            "a probe answers something else",
            200,
            "stale",
            "the answer does not contain \"fresh\"",
        ),
        with(
            &probing(PAGE, ""),
            trial("a probe is right", vec![webdev(200, "all fresh")], ends("applied", &[], "")),
        ),
        nobody("", notices("health_unknown", "probe http://127.0.0.1:1/ could not be looked at")),
        nobody(
            ", onUnknown: restore",
            ends("rolledBack", &["health_unknown"], "could not be looked at"),
        ),
    ]
}

fn preflights() -> Vec<Trial> {
    vec![
        from_the_start(with(
            &format!("{VERIFY}  sessions: {{designer: {{policy: fail}}}}\n"),
            trial(
                "the list of Designers is cut short",
                vec![fault("GET", "designers", None, json!({"truncate": {"to": 9}}))],
                ends("failed", &["sessions_unknown"], "the answer is no JSON"),
            ),
        )),
        from_the_start(trial(
            "every failure of the preflight is named at once",
            vec![
                fault("GET", "modules/healthy", None, json!({"truncate": {"to": 9}})),
                json!({"do": "trial", "secondsLeft": 0}),
            ],
            ends("failed", &["trial_expired", "internal"], "the trial of the gateway has expired"),
        )),
    ]
}

pub(super) fn settings() -> Settings {
    let mut settings = Settings { profile: format!("{BASE}{VERIFY}"), ..Settings::default() };
    settings.agent = settings.agent.replace("wait = \"5s\"", "wait = \"2s\"");
    settings.agent = settings.agent.replace("scan_timeout = \"5s\"", "scan_timeout = \"3s\"");
    settings.agent.push_str("lock_wait = \"30s\"\n");
    settings
}

/// Follows the next text; what is to go wrong begins at its time.
async fn follow(case: &mut Case, once_staged: bool, wrong: &[Value]) -> anyhow::Result<String> {
    let staged = case.plant.agent_dir.join("state/manifest-next.pb");
    let stamp = || std::fs::metadata(&staged).and_then(|meta| meta.modified()).ok();
    let before: Option<SystemTime> = stamp();
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    if once_staged {
        // Somebody else's lock keeps the agent between its plan and its commit.
        let lock = Command::Lock { kind: Kind::Projects, actor: "x".into(), hold_ms: 60_000 };
        case.plant.sim.run(lock).await?;
        case.plant.follow(&commit).await?;
        case.plant.sim.until(PATIENCE, |_| (stamp() != before).then_some(())).await?;
    }
    for command in wrong {
        case.sim(command.clone()).await?;
    }
    if once_staged {
        case.plant.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    } else {
        case.plant.follow(&commit).await?;
    }
    Ok(commit)
}

async fn try_out(case: &mut Case, trial: Trial, good: &mut u32) -> anyhow::Result<()> {
    let Trial { name, profile, once_staged, wrong, mend, expect } = trial;
    case.plant.set_profile(&format!("{BASE}{profile}"));
    let commit = follow(case, once_staged, &wrong).await?;
    let attempt = case.plant.ended(&commit, expect.result).await;
    let attempt = attempt.map_err(|error| error.context(name))?;
    assert_eq!(kinds(&attempt), expect.kinds, "{name}: {attempt:#}");
    let said = attempt.to_string();
    let says = serde_json::to_string(expect.says)?;
    assert!(said.contains(says.trim_matches('"')), "{name}: {attempt:#}");
    match expect.notice {
        "" => assert_eq!(attempt["notices"], json!([]), "{name}"),
        notice => assert!(noticed(&attempt, notice), "{name}: {attempt:#}"),
    }
    if expect.result == "applied" {
        *good = case.text;
    }
    case.runs(*good)?;
    for command in mend {
        case.sim(command).await?;
    }
    // The next scan is later than the second that its log window reaches back.
    case.plant.sim.set(|knobs| knobs.clock_skew_ms += 10_000);
    Ok(())
}

async fn try_all(trials: Vec<Trial>) -> anyhow::Result<()> {
    let mut case = Case::of(settings()).await?;
    let mut good = case.text;
    for trial in trials {
        try_out(&mut case, trial, &mut good).await?;
    }
    // After all of it the gateway takes a change as ever, and never was there a scan of a mixture.
    case.plant.set_profile(&format!("{BASE}{VERIFY}"));
    case.sim(json!({"do": "trial", "secondsLeft": 7_200})).await?;
    case.change("applied").await?;
    case.runs(case.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_that_lie_fail_or_are_cut() -> anyhow::Result<()> {
    try_all(scans()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_well_afterwards_or_cannot_be_asked() -> anyhow::Result<()> {
    let mut trials = verifications();
    trials.extend(probes());
    trials.extend(preflights());
    try_all(trials).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_and_a_folder_without_rights() -> anyhow::Result<()> {
    let mut case = Case::of(settings()).await?;
    let hold = |path: &str| json!({"do": "hold", "path": path});
    if let Err(why) = case.sim(hold(VIEW)).await {
        println!("skipped: {why:#}");
        return Ok(());
    }
    // Held to the end: the commit is undone, and the path is named.
    case.sim(json!({"do": "letGo"})).await?;
    let commit = follow(&mut case, true, &[hold(VIEW)]).await?;
    let attempt = case.plant.ended(&commit, "rolledBack").await?;
    assert_eq!(kinds(&attempt), ["permission_denied"], "{attempt:#}");
    let message = attempt["failures"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("cannot replace ") && message.contains(VIEW), "{message}");
    assert_eq!(attempt["failures"][0]["remedy"], "let the agent's account write here, then retry");
    case.runs(1)?;

    // Let go after a moment: it is tried again meanwhile.
    let began = case.plant.sim.scans().len();
    let commit = follow(&mut case, true, &[json!({"do": "letGo"}), hold(VIEW)]).await?;
    let json = VIEW.replace("view.json", "resource.json");
    case.plant.until("the commit is held up", |status| status["state"] == "Syncing").await?;
    case.sim(json!({"do": "letGo"})).await?;
    case.plant.ended(&commit, "applied").await?;
    case.runs(3)?;
    assert!(case.plant.sim.scans().len() > began && case.plant.data_dir.join(json).is_file());

    // A folder that may not be written is told before anything is staged.
    let folder = VIEW.trim_end_matches("/view.json");
    let commit = follow(&mut case, false, &[hold(folder)]).await?;
    let attempt = case.plant.ended(&commit, "failed").await?;
    assert_eq!(kinds(&attempt), ["permission_denied"], "{attempt:#}");
    let message = attempt["failures"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("cannot write in ") && message.contains(folder), "{message}");
    assert_eq!(attempt["failures"][0]["step"], "preflight");
    case.runs(3)?;
    case.sim(json!({"do": "letGo"})).await?;
    case.change("applied").await?;
    case.runs(5)
}
