//! Who did what, and what happened: recorded while the leader is killed, followed without a gap or a
//! repetition, verified at another coordinator and in an exported file, and a change of that found.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context;
use playground::{
    cluster::Cluster,
    process::{binary, build_programs},
    wait::PATIENCE,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::client::{self, wait_for};

const SECRET: &str = "apiVersion: millwright.dev/v1
kind: Secret
metadata: {name: store}
spec: {data: {KEY: hunter2-hunter2}}
";

fn repository(name: &str) -> String {
    format!(
        "apiVersion: millwright.dev/v1
kind: Repository
metadata: {{name: {name}}}
spec: {{url: 'file:///nowhere', ref: {{branch: main}}, poll: 1h}}
"
    )
}

async fn apply(cluster: &Cluster, dir: &Path, text: &str, why: &str) -> anyhow::Result<()> {
    let file = dir.join("resources.yaml");
    std::fs::write(&file, text)?;
    cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach", "-m", why]).await?;
    Ok(())
}

/// Events as a program follows them.
struct Followed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Followed {
    fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let context = cluster.context.display().to_string();
        let args = ["--config", &context, "events", "-f", "--since", "1", "-o", "json"];
        let mut command = Command::new(binary("millctl")?);
        command.args(args).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        Ok(Self { child, lines })
    }

    /// Place and line of each event, until one that says this.
    async fn until(&mut self, kind: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let mut seen = Vec::new();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line());
            let line = line.await.context("no event in time")??.context("the end")?;
            let mut value: Value = serde_json::from_str(&line)?;
            let event = value["data"].take();
            let is_last = event["kind"] == kind && event["name"] == name;
            seen.push(event);
            if is_last {
                return Ok(seen);
            }
        }
    }
}

/// The exported file of a node, once it goes up to an entry.
async fn exported(dir: &Path, up_to: u64) -> anyhow::Result<PathBuf> {
    let path = dir.join("audit/audit-0000000001.jsonl");
    wait_for("the export", async || {
        let text = std::fs::read_to_string(&path)?;
        let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        Ok((last["index"].as_u64() >= Some(up_to)).then_some(()))
    })
    .await?;
    Ok(path)
}

fn of<'a>(entries: &'a [Value], what: &str, name: &str) -> anyhow::Result<&'a Value> {
    let found = entries.iter().find(|entry| entry["what"] == what && entry["name"] == name);
    found.with_context(|| format!("no entry {what} of {name}: {entries:?}"))
}

async fn audit(cluster: &Cluster) -> anyhow::Result<Vec<Value>> {
    Ok(cluster.json(&["audit"]).await?.as_array().cloned().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_outlives_the_leader_and_cannot_be_rewritten() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 3).await?;
    let mut followed = Followed::start(&cluster)?;

    // Several things at one log index, a secret, and what is refused: by the state, and by a role.
    let three: Vec<String> = ["a", "b", "c"].map(repository).to_vec();
    apply(&cluster, dir.path(), &three.join("---\n"), "three at once").await?;
    apply(&cluster, dir.path(), SECRET, "for the snapshots").await?;
    apply(&cluster, dir.path(), &SECRET.replace("hunter2", "hunter3"), "rotated").await?;
    let eve = "apiVersion: millwright.dev/v1\nkind: Operator\nmetadata: {name: eve}\nspec: {role: viewer}\n";
    apply(&cluster, dir.path(), eve, "she may look").await?;
    let last = cluster.ctl(&["delete", "operator", "admin", "--yes", "-m", "scrapped"]).await;
    assert!(last.is_err(), "somebody must be left");
    denied(&cluster).await?;

    // The leader goes; what happens after it is seen once, and what happened before is not seen again.
    let mut seen = followed.until("Operator", "eve").await?;
    cluster.leader().await?.kill().await?;
    wait_for("another leader", async || {
        Ok(Some(apply(&cluster, dir.path(), &repository("d"), "after the leader").await?))
    })
    .await?;
    seen.extend(followed.until("Repository", "d").await?);
    let place = |event: &Value| (event["index"].as_u64(), event["sub"].as_u64());
    let places: Vec<_> = seen.iter().map(place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    let kept = cluster.json(&["events", "--since", "1"]).await?;
    let kept = kept.as_array().context("events")?;
    assert_eq!(kept[..seen.len()], seen[..], "nothing is missing");
    followed.child.kill().await?;

    let entries = audit(&cluster).await?;
    let text = serde_json::to_string(&entries)?;
    assert!(!text.contains("hunter") && !text.contains("sealed"), "{text}");
    let rotated = entries.iter().rfind(|entry| entry["kind"] == "Secret").context("a secret")?;
    assert_eq!(rotated["fields"], serde_json::json!(["spec.data.KEY"]));
    let scrapped = of(&entries, "delete", "admin")?;
    assert_eq!((&scrapped["outcome"], &scrapped["why"]), (&"refused".into(), &"scrapped".into()));
    let denied = of(&entries, "ban", "line1")?;
    assert!(denied["who"].as_str().is_some_and(|who| who.ends_with("operator/eve")), "{denied}");
    assert!(denied["from"].as_str().is_some_and(|from| from.starts_with("127.0.0.1:")), "{denied}");
    assert!(denied["message"].as_str().is_some_and(|why| why.contains("role Viewer")), "{denied}");
    of(&entries, "apply", "d")?;

    // Whichever of the two that are left answers, the chain is the same, and so are their files.
    let up_to = entries.last().and_then(|last| last["index"].as_u64()).context("entries")?;
    let mut heads = Vec::new();
    for node in cluster.nodes.iter().filter(|node| node.process_id().is_some()) {
        let path = exported(&node.dir, up_to).await?;
        let file = path.display().to_string();
        let data = cluster.json(&["audit", "--verify", "--file", &file]).await?;
        heads.push(data["head"].as_str().context("a head")?.to_owned());
        let context = only(&cluster, &node.api, &node.dir)?;
        let said = ctl(&context, &["audit", "--verify", "--head", &heads[0]]).await?;
        assert!(said.starts_with("verified ") && said.contains(", 1.."), "{said}");

        let forged = dir.path().join("forged.jsonl");
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&forged, text.replacen("scrapped", "approved", 1))?;
        let forged = forged.display().to_string();
        let found = ctl(&context, &["audit", "--verify", "--file", &forged]).await;
        let found = format!("{:#}", found.expect_err("it was changed"));
        let named = format!("entry {} was changed", scrapped["index"]);
        assert!(found.contains(&named), "{found}");
    }
    assert_eq!(heads.len(), 2);
    assert_eq!(heads[0], heads[1]);
    Ok(())
}

/// A viewer tries to ban an agent.
async fn denied(cluster: &Cluster) -> anyhow::Result<()> {
    use millwright_proto::control::RevokeAgentRequest;
    let api = &cluster.nodes[0].api;
    let mut admin = client::control(api, &client::operator(cluster)?);
    let token = client::token(&mut admin, "operator", "eve", 0).await?;
    let eve = client::enrol(api, &token, "eve").await?;
    let request = RevokeAgentRequest {
        gateway: "line1".to_owned(),
        member: String::new(),
        ban: true,
        reason: "no more".to_owned(),
    };
    let refused = client::control(api, &eve).revoke_agent(request).await;
    let status = refused.err().context("a viewer may not")?;
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
    Ok(())
}

/// A contexts file that names one node alone.
fn only(cluster: &Cluster, api: &str, dir: &Path) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(&cluster.context)?;
    let identity = format!("\"{}\"", cluster.context.parent().unwrap_or(dir).display());
    let lines = text.lines().map(|line| match line.starts_with("coordinators") {
        true => format!("coordinators = [\"{api}\"]"),
        false => line.replace("\".\"", &identity),
    });
    let path = dir.join("only.toml");
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    millwright_certs::key::write_private(&path, text.as_bytes())?;
    Ok(path)
}

async fn ctl(context: &Path, args: &[&str]) -> anyhow::Result<String> {
    let context = context.display().to_string();
    let all = [&["--config", &context][..], args].concat();
    playground::process::run(&binary("millctl")?, &all).await
}
