//! Rollouts past gates with real processes: a service that allows, denies, puts off, hangs, lies and floods,
//! the leader killed before it is heard and while it thinks, and what the service itself has heard of it.

mod receiver;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context;
use playground::{
    process::build_programs,
    story::{Company, Plan},
};
use serde_json::Value;

use self::receiver::{Mode, Receiver};
use crate::client::wait_for;

/// Signs the requests.
const KEY: &str = "a key that nobody guesses";

fn resources(gate: &Receiver) -> String {
    let address = gate.address;
    format!(
        "apiVersion: millwright.dev/v1
kind: Secret
metadata: {{name: gate-key}}
spec: {{data: {{key: {KEY}}}}}
---
apiVersion: millwright.dev/v1
kind: Fleet
metadata: {{name: plants}}
spec:
  repository: plant
  stages: [{{name: all, maxConcurrent: 2}}]
  gates:
    - {{name: qa, phase: preStage, url: 'http://{address}/qa', secretRef: gate-key, retries: 5}}
    - {{name: lab, phase: postStage, url: 'http://{address}/lab', timeout: 1s, retries: 0, failurePolicy: ignore}}
"
    )
}

struct Story {
    company: Company,
    gate: Receiver,
    changes: u32,
}

impl Story {
    async fn start(dir: &Path) -> anyhow::Result<Self> {
        build_programs()?;
        let plan = Plan { dir: dir.to_owned(), gateways: 2, sites: 2, foreign: None };
        let company = Company::start(&plan).await?;
        company.arrived(&company.repository.head().await?).await?;
        let gate = Receiver::start().await?;
        let file = dir.join("gates.yaml");
        std::fs::write(&file, resources(&gate))?;
        company.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
        let story = Self { company, gate, changes: 0 };
        story.phase(&story.company.repository.head().await?, "Completed").await?;
        Ok(story)
    }

    /// Something changes on every gateway.
    async fn commit(&mut self) -> anyhow::Result<String> {
        self.changes += 1;
        self.company.repository.write_script("module3", &format!("speed = {}\n", self.changes))?;
        self.company.repository.commit(&format!("Speed {}\n\nFor all lines.", self.changes)).await
    }

    /// The newest rollout, once it brings this commit and a gate of it is so.
    async fn gate_is(&self, commit: &str, name: &str, state: &str) -> anyhow::Result<Value> {
        let found =
            |rollout: &Value| gate(rollout, name).is_some_and(|gate| gate["state"] == state);
        self.company.cluster.rollout_of(commit, &format!("gate {name} is {state}"), found).await
    }

    async fn phase(&self, commit: &str, phase: &str) -> anyhow::Result<Value> {
        self.company
            .cluster
            .rollout_of(commit, phase, |rollout| rollout["status"]["phase"] == phase)
            .await
    }

    async fn resume(&self, rollout: &Value) -> anyhow::Result<()> {
        let id = rollout["metadata"]["name"].as_str().context("a name")?;
        self.company.cluster.ctl(&["rollout", "resume", id, "-m", "asked the lab"]).await?;
        Ok(())
    }

    fn scans(&self) -> Vec<usize> {
        self.company.gateways.iter().map(|gateway| gateway.sim.scans().len()).collect()
    }
}

fn gate<'r>(rollout: &'r Value, name: &str) -> Option<&'r Value> {
    rollout["status"]["gates"].as_array()?.iter().find(|gate| gate["gate"] == name)
}

/// What a receiver does, in another language and with another implementation of the algorithm.
const CHECK: &str = r#"
import hashlib, hmac, sys
fields = dict(part.split("=", 1) for part in sys.argv[2].split(","))
signed = fields["t"].encode() + b"." + sys.stdin.buffer.read()
wanted = hmac.new(sys.argv[1].encode(), signed, hashlib.sha256).hexdigest()
sys.exit(0 if hmac.compare_digest(wanted, fields["v1"]) else 3)
"#;

fn python_accepts(signature: &str, body: &[u8]) -> anyhow::Result<Option<bool>> {
    let started =
        Command::new("python3").args(["-c", CHECK, KEY, signature]).stdin(Stdio::piped()).spawn();
    let Ok(mut python) = started else {
        println!("skipped: there is no python3 to check the signature with");
        return Ok(None);
    };
    python.stdin.take().context("its input")?.write_all(body)?;
    Ok(Some(python.wait()?.success()))
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_are_asked_once_whatever_becomes_of_the_leader() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut story = Story::start(dir.path()).await?;
    let before = story.scans();
    let commit = story.commit().await?;
    story.phase(&commit, "Completed").await?;
    let cost: Vec<usize> =
        story.scans().iter().zip(&before).map(|(after, before)| after - before).collect();
    let heard = story.gate.heard("/qa", &commit);
    assert_eq!(heard.len(), 1);
    told_everything(&heard[0].json(), &commit);
    assert!(python_accepts(&heard[0].signature, &heard[0].body)?.unwrap_or(true));
    let forged = [&heard[0].body[..], b" "].concat();
    assert!(!python_accepts(&heard[0].signature, &forged)?.unwrap_or(false));
    let lab = story.gate.heard("/lab", &commit);
    assert_eq!((lab.len(), lab[0].signature.as_str()), (1, ""));

    // The question is recorded, and its leader dies before anybody hears it.
    story.gate.close(true);
    let (before, commit) = (story.scans(), story.commit().await?);
    story.gate_is(&commit, "qa", "asking").await?;
    let gone = story.company.cluster.kill_leader().await?;
    story.gate.close(false);
    story.phase(&commit, "Completed").await?;
    assert_eq!(story.gate.heard("/qa", &commit).len(), 1);
    story.company.cluster.bring_back(&gone).await?;

    // The service has heard it and thinks when the leader dies: the next one asks under the same key, and
    // one answer counts.
    story.gate.set("/qa", Mode::Hang);
    let next = story.commit().await?;
    wait_for("the service hears it", async || {
        Ok((!story.gate.heard("/qa", &next).is_empty()).then_some(()))
    })
    .await?;
    let gone = story.company.cluster.kill_leader().await?;
    wait_for("the next leader asks", async || {
        Ok((story.gate.heard("/qa", &next).len() > 1).then_some(()))
    })
    .await?;
    story.gate.set("/qa", Mode::Allow);
    let ended = story.phase(&next, "Completed").await?;
    let heard = story.gate.heard("/qa", &next);
    assert!(heard.iter().all(|one| one.key == heard[0].key && !one.key.is_empty()));
    assert_eq!(gate(&ended, "qa").context("its record")?["attempt"], 1);
    story.company.cluster.bring_back(&gone).await?;

    // Nobody was assigned anything twice.
    let paid: Vec<usize> =
        story.scans().iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(paid, cost.iter().map(|cost| 2 * cost).collect::<Vec<_>>());
    Ok(())
}

fn told_everything(request: &Value, commit: &str) {
    assert_eq!(request["apiVersion"], "millwright.dev/v1");
    assert_eq!((&request["gate"], &request["phase"]), (&"qa".into(), &"preStage".into()));
    assert_eq!(request["subject"]["name"], "all");
    assert_eq!(request["commit"]["message"], "Speed 1\n\nFor all lines.\n");
    assert_eq!(request["repository"]["reference"], "branch main");
    assert_eq!(request["gateways"]["total"], 2);
    assert_ne!(request["gateways"]["items"][0]["running"], commit);
    // The changed script on both, and what its signature makes of it.
    assert_eq!(request["diff"]["added"], 0, "{request:#}");
    let paths = request["diff"]["paths"]["items"].to_string();
    assert!(paths.contains("plant/module3/code.py"), "{paths}");
    assert!(!request.to_string().contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_denies_puts_off_lies_floods_and_hangs() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut story = Story::start(dir.path()).await?;
    story.gate.set("/qa", Mode::Deny);
    let commit = story.commit().await?;
    for (mode, message) in [
        (Mode::Deny, "gate qa denied stage all (preStage): the line is being cleaned"),
        (Mode::Lie, "sent no valid answer: the answer is HTML instead of JSON"),
        (Mode::Flood, "sent more than 65536 bytes"),
    ] {
        let failed = |rollout: &Value| {
            let cause = rollout["status"]["stop"]["cause"].as_str().unwrap_or_default();
            rollout["status"]["phase"] == "Failed" && cause.contains(message)
        };
        story.gate.set("/qa", mode);
        let newest =
            story.company.cluster.rollout_of(&commit, "the commit's rollout", |_| true).await?;
        if newest["status"]["phase"] == "Failed" && mode != Mode::Deny {
            story.resume(&newest).await?;
        }
        story.company.cluster.rollout_of(&commit, message, failed).await?;
    }
    let stopped = story.phase(&commit, "Failed").await?;
    story.gate.set("/qa", Mode::Defer);
    story.resume(&stopped).await?;
    story.gate_is(&commit, "qa", "deferred").await?;
    let id = stopped["metadata"]["name"].as_str().context("a name")?;
    let why = story.company.cluster.json(&["why", "rollout", id]).await?;
    assert_eq!(why[0]["code"], "Gate");
    assert!(why[0]["message"].as_str().is_some_and(|why| why.ends_with(": a batch is running")));
    // Five seconds later it is asked again.
    story.gate.set("/qa", Mode::Allow);
    // And who must not hold a plant up is passed over when it hangs, which is counted.
    story.gate.set("/lab", Mode::Hang);
    let ended = story.phase(&commit, "Completed").await?;
    assert_eq!(gate(&ended, "lab").context("its record")?["state"], "passedOver");
    assert_eq!(ended["status"]["passedOver"], 1);
    assert_eq!(gate(&ended, "qa").context("its record")?["attempt"], 5);
    let leader = story.company.cluster.leader().await?;
    let metrics = reqwest::get(format!("http://{}/metrics", leader.http)).await?.text().await?;
    assert!(metrics.contains("millwright_gates_passed_over 1"), "{metrics}");
    Ok(())
}
