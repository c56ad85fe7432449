//! The program and its control port.

use std::{process::Stdio, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{PATIENCE, client};

/// A gateway as a process; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) line: Value,
}

impl Process {
    pub(crate) async fn start(dir: &std::path::Path, args: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gateway-sim"))
            .args(["--data-dir", &dir.display().to_string(), "--quick"])
            .args(["--control", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().context("piped")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??.context("a line")?;
        Ok(Self { child, line: serde_json::from_str(&line)? })
    }

    pub(crate) fn at(&self, key: &str) -> String {
        self.line[key].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn order(&self, command: &Value) -> anyhow::Result<(u16, Value)> {
        let url = format!("{}/sim/command", self.at("control"));
        let response = client()?.post(url).body(command.to_string()).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    pub(crate) async fn look(&self, what: &str) -> anyhow::Result<Value> {
        let url = format!("{}/sim/{what}", self.at("control"));
        Ok(client()?.get(url).send().await?.json().await?)
    }
}

#[tokio::test]
async fn everything_is_reachable_over_the_control_port() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut process = Process::start(dir.path(), &["--name", "gw7"]).await?;
    let ping = client()?.get(format!("{}/StatusPing", process.at("url"))).send().await?;
    assert_eq!(ping.text().await?, r#"{"state":"RUNNING"}"#);
    let (status, opened) = process
        .order(
            &json!({"do": "open", "session": {"kind": "designer", "user": "ann", "project": "p"}}),
        )
        .await?;
    assert_eq!(status, 200);
    let (_, _) = process.order(&json!({"do": "scan", "kind": "projects"})).await?;
    let (status, _) = process.order(&json!({"do": "set", "knobs": {"scan": {"minMs": 1}}})).await?;
    assert_eq!(status, 200);
    let state = process.look("state").await?;
    assert_eq!(state["sessions"][0]["id"], opened["id"]);
    assert_eq!(state["knobs"]["scan"]["minMs"], 1);
    assert_eq!(process.look("scans").await?[0]["kind"], "projects");
    assert_eq!(process.look("counters").await?["projectScans"], 1);
    assert!(process.look("log").await?.to_string().contains("Gateway started"));
    for (wrong, code) in [
        (json!({"do": "nothing"}), 400),
        (json!({"do": "set", "knobs": {"scna": 1}}), 409),
        (json!({"do": "close", "id": "none"}), 409),
    ] {
        let (status, answer) = process.order(&wrong).await?;
        assert_eq!((status, answer["error"].is_string()), (code, true), "{wrong}");
    }
    let pid = process.child.id().context("it runs")?.to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().await?;
    assert!(killed.success());
    let ended = tokio::time::timeout(Duration::from_secs(10), process.child.wait()).await??;
    assert!(ended.success());
    Ok(())
}
