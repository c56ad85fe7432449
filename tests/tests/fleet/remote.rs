//! Snapshots in a second store. S3 is spoken by `moto_server`, a program of others: without it, in the
//! folder of `MILLWRIGHT_TEST_TOOLS` or on the path, that test says that it skips. Google Cloud Storage
//! is spoken by [`gcs`], since no emulator at hand knows the XML API by which we reach it.

mod gcs;
mod proxy;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use playground::{
    plant::{Files, Plant, Settings, project},
    process::{build_programs, free_port},
};
use serde_json::Value;

use self::{
    gcs::Gcs,
    proxy::{Passed, Proxy},
};

const BUCKET: &str = "plant-snapshots";
const CREDENTIAL: &str = "secret-of-the-store";
/// Reached only when something is wrong; Python starts slowly.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server of somebody else.
struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What a store is called in a profile and in addresses, and who tells the agent its credentials.
struct Store<'a> {
    url: &'a str,
    kind: &'static str,
    scheme: &'static str,
    from_cluster: bool,
}

fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("MILLWRIGHT_TEST_TOOLS").into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> =
        folders.map(PathBuf::from).chain(std::env::split_paths(&path)).collect();
    let found = all.into_iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: {name} is neither in MILLWRIGHT_TEST_TOOLS nor on the path");
    }
    found
}

impl Moto {
    async fn new() -> anyhow::Result<Option<Self>> {
        let Some(program) = tool("moto_server") else { return Ok(None) };
        let port = free_port()?.to_string();
        let args = ["-H", "127.0.0.1", "-p", &port];
        let moto = Self::start(&program, &args, &port).await?;
        let made = reqwest::Client::new().put(format!("{}/{BUCKET}", moto.url)).send().await?;
        anyhow::ensure!(made.status().is_success(), "no bucket: {made:?}");
        Ok(Some(moto))
    }

    async fn start(program: &Path, args: &[&str], port: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
            if child.try_wait()?.is_some() || tokio::time::Instant::now() >= deadline {
                bail!("{} does not listen", program.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }
}

fn settings(store: &Store<'_>, proxy: &Proxy) -> Settings {
    let secret_ref = if store.from_cluster { "secretRef: store, " } else { "" };
    let profile = format!(
        "  verify: {{settle: 50ms}}\n  snapshots: {{minFreeBytes: 0, keep: 20, remote: {{kind: {}, bucket: {BUCKET}, prefix: plants, endpoint: \"{}\", region: us-east-1, {secret_ref}waitForUpload: true}}}}\n",
        store.kind, proxy.url
    );
    let (mut env, mut resources) = (Vec::new(), String::new());
    if store.from_cluster {
        resources = format!(
            "{{apiVersion: millwright.dev/v1, kind: Secret, metadata: {{name: store}},\n \
             spec: {{data: {{GOOGLE_BEARER_TOKEN: {CREDENTIAL}}}}}}}\n"
        );
    } else {
        env = vec![
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIAL.to_owned()),
        ];
    }
    Settings { profile, resources, env, ..Settings::default() }
}

const VIEWS: u32 = 30;

/// A project of many views and one file that does not shrink below the size of one part.
fn files(changed: &str) -> Files {
    let names: Vec<String> = (0..VIEWS).map(|number| format!("v{number}")).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("text of {name}")).collect();
    let mut views: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    views[0].1 = changed;
    let mut files = project("line", &views);
    // A fixed noise: the same in every commit.
    let mut noise = Vec::with_capacity(9 << 20);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while noise.len() < 9 << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    files.insert("projects/line/noise.bin".to_owned(), noise);
    files
}

fn tree(plant: &Plant) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![plant.data_dir.join("projects/line")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&plant.data_dir)?.display().to_string();
                found.insert(name, std::fs::read(path)?);
            }
        }
    }
    Ok(found)
}

/// Names of contents that were stored, one for each time; parts of a large one count once, at its end.
fn stored(passed: &[Passed]) -> Vec<String> {
    let whole = |one: &&Passed| {
        let plain = one.method == "PUT" && !one.target.contains("partNumber=");
        let end = one.method == "POST" && one.target.contains("uploadId=");
        (plain || end) && one.target.contains("/blobs/") && one.status == 200
    };
    let name = |one: &Passed| {
        let path = one.target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    };
    passed.iter().filter(whole).map(name).collect()
}

async fn snapshots(plant: &Plant) -> anyhow::Result<Vec<Value>> {
    let status = plant.status().await?;
    Ok(status["snapshots"].as_array().cloned().unwrap_or_default())
}

/// In no file of the agent and of the coordinator: not in what they log, and not in what is replicated.
fn no_secret_is_told(plant: &Plant) -> anyhow::Result<()> {
    let mut open = vec![plant.agent_dir.clone(), plant.cluster.nodes[0].dir.clone()];
    let mut read = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let content = std::fs::read(&path)?;
                let told = content.windows(CREDENTIAL.len()).any(|w| w == CREDENTIAL.as_bytes());
                assert!(!told, "a credential is in {}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 10, "few files were looked at");
    Ok(())
}

async fn a_store_keeps_what_the_agent_lost(store: Store<'_>) -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let proxy = Proxy::start(store.url).await?;
    let mut plant = Plant::start(dir.path(), settings(&store, &proxy)).await?;
    plant.start_agent(None, None)?;
    let first = files("first");
    let commit = plant.commit(&first)?;
    plant.bring(&commit, "applied").await?;
    assert!(stored(&proxy.passed()).is_empty(), "there was nothing to keep");

    // Killed in the middle of an upload: the rest is sent afterwards, and nothing twice.
    proxy.hold_after(Some(7));
    let commit = plant.commit(&files("second"))?;
    plant.follow(&commit).await?;
    plant.sim.until(PATIENCE, |_| proxy.holds().then_some(())).await?;
    plant.kill_agent().await?;
    proxy.hold_after(None);
    let mut names = stored(&proxy.passed());
    let before = names.len();
    assert!(before > 0, "it was killed before anything was stored");
    plant.start_agent(None, None)?;
    let attempt = plant.ended(&commit, "applied").await?;
    let after = proxy.passed();
    names.extend(stored(&after));
    let distinct: std::collections::BTreeSet<&Vec<u8>> = first.values().collect();
    assert_eq!(names.len(), distinct.len(), "each content once, {before} before the kill");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), distinct.len(), "one was sent twice");
    assert!(
        after.iter().any(|one| one.target.contains("partNumber=2")),
        "no large object in parts"
    );
    let kept = attempt["snapshot"].as_str().unwrap_or_default().to_owned();

    // Only what the store lacks: the one view that the second commit changed.
    let commit = plant.commit(&files("third"))?;
    plant.bring(&commit, "applied").await?;
    let names = stored(&proxy.passed());
    assert_eq!(names.len(), 2, "a view and its resource.json: {names:?}");
    let told = |all: &[Value]| {
        all.iter().any(|one| {
            let name = format!("{}://{BUCKET}/plants/line1", store.scheme);
            one["id"] == kept.as_str()
                && one["stores"].as_array().is_some_and(|s| s.contains(&name.into()))
        })
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !told(&snapshots(&plant).await?) {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "the store is not named");
    }

    // The local store is gone, and so is what it knew.
    plant.kill_agent().await?;
    std::fs::remove_dir_all(plant.agent_dir.join("state/snapshots"))?;
    plant.start_agent(None, None)?;
    plant
        .cluster
        .ctl(&["gateway", "rollback", "line1", "--to", &kept, "-m", "back", "--yes"])
        .await?;
    let status = plant
        .until("the snapshot is restored", |status| {
            let last = &status["history"][0];
            last["trigger"].as_str().is_some_and(|trigger| trigger.contains(&kept))
        })
        .await?;
    assert_eq!(status["history"][0]["result"], "applied", "{:#}", status["history"][0]);
    assert_eq!(tree(&plant)?, first, "the files of the snapshot");
    no_secret_is_told(&plant)
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_in_s3_survive_the_agent() -> anyhow::Result<()> {
    let Some(moto) = Moto::new().await? else { return Ok(()) };
    a_store_keeps_what_the_agent_lost(Store {
        url: &moto.url,
        kind: "s3",
        scheme: "s3",
        from_cluster: false,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_in_google_cloud_storage_survive_the_agent() -> anyhow::Result<()> {
    let gcs = Gcs::start(BUCKET, CREDENTIAL).await?;
    let store = Store { url: &gcs.url, kind: "gcs", scheme: "gs", from_cluster: true };
    a_store_keeps_what_the_agent_lost(store).await?;
    assert_eq!(gcs.refused(), [""; 0], "a request that the API does not know");
    Ok(())
}
