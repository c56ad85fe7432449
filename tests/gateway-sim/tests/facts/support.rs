//! A gateway in a folder of its own, and a client that follows no redirects.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::Context;
use gateway_sim::{
    Command, Kind, Sim, SimConfig,
    scan::gson,
    signature::{Form, Resource},
};
use reqwest::{Client, Method, Response, redirect::Policy};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway and a client with its token.
pub(crate) struct Rig {
    pub(crate) sim: Sim,
    pub(crate) client: Client,
    pub(crate) token: String,
    pub(crate) dir: TempDir,
}

pub(crate) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().redirect(Policy::none()).timeout(PATIENCE).build()?)
}

impl Rig {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adapt: impl FnOnce(&mut SimConfig)) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut config = SimConfig::new(dir.path().to_owned(), "gw1");
        config.knobs.scan.min_ms = 20;
        config.knobs.scan.max_ms = 40;
        adapt(&mut config);
        let sim = Sim::start(config).await?;
        let token = sim.token_header();
        Ok(Self { sim, client: client()?, token, dir })
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.sim.url());
        let request = self.client.request(method, url).header("X-Ignition-API-Token", &self.token);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        Ok(request.send().await?)
    }

    /// Status, content type and body.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String, String)> {
        let response = self.send(Method::from_bytes(method.as_bytes())?, path, body).await?;
        let kind =
            response.headers().get("content-type").map(|value| value.to_str().map(str::to_owned));
        let kind = kind.transpose()?.unwrap_or_default();
        Ok((response.status().as_u16(), kind, response.text().await?))
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, _, body) = self.ask("GET", path, "").await?;
        anyhow::ensure!(status == 200, "GET {path}: {status} {body}");
        serde_json::from_str(&body).with_context(|| format!("GET {path}: {body}"))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let (status, _, body) = self.ask("POST", path, &body.to_string()).await?;
        Ok((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
    }

    /// Writes a file behind the gateway's back.
    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        put(self.dir.path(), path, content)
    }

    pub(crate) fn text(&self, path: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.dir.path().join(path)).with_context(|| path.to_owned())
    }

    pub(crate) async fn run(&self, command: Value) -> anyhow::Result<Value> {
        let command: Command = serde_json::from_value(command)?;
        self.sim.run(command).await
    }

    /// Scans by REST and waits as a client should.
    pub(crate) async fn scan(&self, kind: Kind) -> anyhow::Result<()> {
        let path = format!("/data/api/v1/scan/{}", kind.name());
        let before = self.get(&path).await?["lastScanTimestamp"].clone();
        let (status, _) = self.post(&path, &Value::Null).await?;
        anyhow::ensure!(status == 200, "the trigger answers {status}");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.get(&path).await?;
            let newer = now["lastScanTimestamp"].as_i64() > before.as_i64();
            if now["scanActive"] == false && newer {
                return Ok(());
            }
            anyhow::ensure!(tokio::time::Instant::now() < deadline, "the scan does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for a line in the log.
    pub(crate) async fn line(&self, part: &str) -> anyhow::Result<gateway_sim::LogLine> {
        self.sim
            .until(PATIENCE, |sim| sim.log().into_iter().find(|line| line.message.contains(part)))
            .await
    }
}

pub(crate) fn put(dir: &Path, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let whole = dir.join(path);
    fs::create_dir_all(whole.parent().context("a parent")?)?;
    Ok(fs::write(whole, content)?)
}

/// A project with one script, correctly signed.
pub(crate) fn project(dir: &Path, name: &str, code: &str) -> anyhow::Result<()> {
    let properties = json!({"title": "", "description": "", "enabled": true, "inheritable": false, "parent": ""});
    put(dir, &format!("projects/{name}/project.json"), gson(&properties)?)?;
    let folder = format!("projects/{name}/ignition/script-python/a/b");
    put(dir, &format!("{folder}/code.py"), code)?;
    let meta = signed(
        &json!({"scope": "A", "version": 1, "restricted": false, "overridable": true,
            "files": ["code.py"], "attributes": {"hintScope": 2,
            "lastModification": {"actor": "millwright", "timestamp": "2026-01-02T03:04:05Z"}}}),
        &[("code.py", code)],
    )?;
    put(dir, &format!("{folder}/resource.json"), meta)
}

/// Bytes of a signed `resource.json`.
pub(crate) fn signed(meta: &Value, files: &[(&str, &str)]) -> anyhow::Result<String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let resource = Resource::parse(gson(meta)?.as_bytes())?;
    let content = |name: &str| files.get(name).map(|text| text.as_bytes().to_vec());
    let signature = resource.sign(Form::V83, &content).context("every file is there")?;
    let mut meta = meta.clone();
    meta["attributes"]["lastModificationSignature"] = signature.into();
    gson(&meta)
}

/// A database connection in a collection; without a uuid if none is given.
pub(crate) fn connection(
    dir: &Path,
    collection: &str,
    name: &str,
    url: &str,
    uuid: Option<&str>,
) -> anyhow::Result<()> {
    let folder = format!("config/resources/{collection}/ignition/database-connection/{name}");
    let config = gson(&json!({"connectURL": url, "validationQuery": null}))?;
    let mut meta = json!({"scope": "A", "version": 1, "restricted": false, "overridable": true,
        "files": ["config.json"], "attributes": {"enabled": true}});
    if let Some(uuid) = uuid {
        meta["attributes"]["uuid"] = uuid.into();
    }
    put(dir, &format!("{folder}/config.json"), config)?;
    put(dir, &format!("{folder}/resource.json"), gson(&meta)?)
}

pub(crate) const UUID: &str = "3f2a1c9e-5d47-4b8e-9a10-7c6d5e4f3b2a";
