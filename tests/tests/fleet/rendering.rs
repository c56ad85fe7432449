//! What a gateway would get, without asking its agent: `millctl render` and `millctl diff` against a
//! real coordinator.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use millwright_proto::control::{DiffRequest, RenderRequest, Side};
use playground::{
    cluster::Cluster,
    plant::{Files, Plant, Settings, project, resource},
    process::{binary, build_programs},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::client::{self, wait_for};

/// A repository on disk.
struct Repository(PathBuf);

impl Repository {
    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let done = std::process::Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@plant.example"])
            .args(["-c", "core.autocrlf=false", "-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(&self.0)
            .output()?;
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }

    fn create(dir: PathBuf, files: &Files) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let made = Self(dir);
        made.git(&["init", "-q", "-b", "main", "."])?;
        made.commit(files)?;
        Ok(made)
    }

    fn commit(&self, files: &Files) -> anyhow::Result<String> {
        for (path, content) in files {
            let at = self.0.join(path);
            std::fs::create_dir_all(at.parent().context("a path has a folder")?)?;
            std::fs::write(at, content)?;
        }
        self.git(&["add", "-A", "."])?;
        self.git(&["commit", "-q", "-m", "Change"])?;
        self.git(&["rev-parse", "HEAD"])
    }
}

/// What a run of `millctl` left.
struct Ran {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

async fn millctl(cluster: &Cluster, args: &[&str]) -> anyhow::Result<Ran> {
    let done = tokio::process::Command::new(binary("millctl")?)
        .arg("--config")
        .arg(&cluster.context)
        .args(args)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    Ok(Ran { code: done.status.code(), out: done.stdout, err })
}

async fn compared(cluster: &Cluster, args: &[&str]) -> anyhow::Result<Value> {
    let mut all = vec!["diff"];
    all.extend(args);
    all.extend(["-o", "json"]);
    let ran = millctl(cluster, &all).await?;
    let value: Value = serde_json::from_slice(&ran.out).with_context(|| ran.err.clone())?;
    let same = value["data"]["same"] == true;
    assert_eq!(ran.code, Some(i32::from(!same)), "{}", ran.err);
    Ok(value["data"].clone())
}

const PLAIN: &str =
    "{\n  \"systemName\": \"TEMPLATE\",\n  \"multicast\": 1.0E10,\n  \"note\": \"a \\u003d b\"\n}";
const SIGNED: &str = "core/ignition/database-connection/mes";

/// One directory for all areas: plain files at every depth, and one signed resource with a password.
fn area() -> Files {
    let mut files = project("area", &[("Main", "hello")]);
    let at = |path: &str| format!("projects/area/{path}config.json");
    for depth in ["", "one/", "one/two/", "one/two/three/four/"] {
        files.insert(at(depth), PLAIN.as_bytes().to_vec());
    }
    let other = "{\n  \"systemNames\": [\"TEMPLATE\"]\n}";
    files.insert(at("other/"), other.as_bytes().to_vec());
    let connection = "{\n  \"systemName\": \"TEMPLATE\",\n  \"password\": \"hunter2\"\n}";
    files.extend(resource(SIGNED, "config.json", connection));
    files
}

async fn two_areas(cluster: &Cluster, repository: &Path, dir: &Path) -> anyhow::Result<()> {
    let url = repository.display();
    let gateway = |name: &str| {
        format!(
            "---\napiVersion: millwright.dev/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n\
             spec: {{site: north, profile: area}}\n"
        )
    };
    let text = format!(
        "apiVersion: millwright.dev/v1\nkind: Repository\nmetadata: {{name: plant}}\n\
         spec: {{url: \"file://{url}\", ref: {{branch: main}}, poll: 200ms, jitter: 1ms}}\n---\n\
         apiVersion: millwright.dev/v1\nkind: SyncProfile\nmetadata: {{name: area}}\nspec:\n\
         \x20 mappings:\n\
         \x20   - {{source: projects/area, destination: projects/area}}\n\
         \x20   - {{source: core, destination: config/resources/core}}\n\
         \x20 normalize:\n\
         \x20   - {{set: {{.systemName: '{{{{.Site}}}}-{{{{.GatewayName}}}}'}}, create: false}}\n---\n\
         apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {{name: all}}\n\
         spec: {{repository: plant}}\n{}{}",
        gateway("area1"),
        gateway("area2")
    );
    let file = dir.join("areas.yaml");
    std::fs::write(&file, text)?;
    cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
    // The ref has to be resolved once.
    wait_for("a release", async || {
        let ran = millctl(cluster, &["render", "area1"]).await?;
        Ok((ran.code == Some(0)).then_some(()))
    })
    .await
}

/// Lines of a hunk that differ, without their sign.
fn changed_lines(file: &Value) -> Vec<&str> {
    let lines = file["diff"].as_str().unwrap_or_default().lines();
    lines.filter_map(|line| line.strip_prefix(['+', '-'])).map(str::trim).collect()
}

/// `docs/rendering.md` shows what a person sees.
async fn as_the_docs_show_it(cluster: &Cluster) -> anyhow::Result<()> {
    const SHOWN: &str = include_str!("../../../docs/rendering.md");
    let args = ["diff", "area1", "--against-gateway", "area2", "--path", "projects/area/one/two"];
    let ran = millctl(cluster, &args).await?;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    // On a terminal both are seen.
    let text = format!("{}{}", ran.err, ran.text());
    println!("{text}");
    // The commit is another one each time.
    let plain = |text: &str| {
        let line = |line: &str| match line.split_once("commit ") {
            Some((before, after)) => format!("{before}commit {}", &after[8..]),
            None => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let shown = SHOWN.split("```").find(|block| block.contains(&args.join(" ")));
    let shown = shown.context("the docs show this command")?;
    assert!(plain(shown).contains(&plain(text.trim_end())), "the docs show:\n{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_of_one_directory_differ_in_their_names_alone() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let repository = Repository::create(dir.path().join("plant"), &area())?;
    let cluster = Cluster::start(dir.path(), 1).await?;
    two_areas(&cluster, &repository.0, dir.path()).await?;

    let against = ["area1", "--against-gateway", "area2"];
    let projects = compared(&cluster, &[&against[..], &["--path", "projects"]].concat()).await?;
    let paths: Vec<&str> = projects["files"]
        .as_array()
        .context("files")?
        .iter()
        .filter_map(|f| f["path"].as_str())
        .collect();
    let wanted = ["", "one/two/three/four/", "one/two/", "one/"];
    let mut wanted: Vec<String> =
        wanted.iter().map(|at| format!("projects/area/{at}config.json")).collect();
    wanted.sort();
    assert_eq!(paths, wanted, "every depth, and no other file");
    for file in projects["files"].as_array().context("files")? {
        assert_eq!(
            changed_lines(file),
            ["\"systemName\": \"north-area2\",", "\"systemName\": \"north-area1\","],
            "{file}"
        );
    }
    // Of a signed resource the signature follows, and nothing else.
    let signed = compared(&cluster, &[&against[..], &["--path", "config"]].concat()).await?;
    let mut lines: Vec<&str> = Vec::new();
    for file in signed["files"].as_array().context("files")? {
        lines.extend(changed_lines(file));
    }
    assert_eq!(lines.len(), 4, "{signed}");
    assert!(lines[..2].iter().all(|line| line.starts_with("\"systemName\"")), "{lines:?}");
    let signature = |line: &&str| line.starts_with("\"lastModificationSignature\"");
    assert!(lines[2..].iter().all(signature), "{lines:?}");
    assert_eq!(signed["files"][0]["masked"], json!([".password"]));
    assert!(!signed.to_string().contains("hunter2"));
    as_the_docs_show_it(&cluster).await?;
    // A gateway does not differ from itself; what was never applied is nothing.
    let same = compared(&cluster, &["area1", "--from", "main"]).await?;
    assert_eq!(same["same"], true, "{same}");
    let first = compared(&cluster, &["area1"]).await?;
    assert_eq!((&first["base"]["standing"], &first["changed"]), (&json!("nothing"), &json!(0)));
    assert_eq!(first["added"], first["target"]["files"]);
    refs(&cluster, &repository).await?;
    exact_bytes(&cluster, dir.path()).await?;
    viewer(&cluster).await
}

/// Branches, tags and commits, and what is none.
async fn refs(cluster: &Cluster, repository: &Repository) -> anyhow::Result<()> {
    let base = repository.git(&["rev-parse", "HEAD"])?;
    repository.git(&["checkout", "-q", "-b", "fix"])?;
    let new = Files::from([("projects/area/new.txt".to_owned(), b"new\n".to_vec())]);
    let fix = repository.commit(&new)?;
    repository.git(&["tag", "-a", "v1", "-m", "first", &base])?;
    repository.git(&["tag", "fix", &base])?;
    repository.git(&["checkout", "-q", "main"])?;
    for (from, to, added) in [
        ("main", "heads/fix", 1),
        ("v1", &fix[..9], 1),
        ("tags/v1", "tags/fix", 0),
        (base.as_str(), fix.as_str(), 1),
    ] {
        let found = compared(cluster, &["area1", "--from", from, "--ref", to]).await?;
        assert_eq!((&found["added"], &found["changed"]), (&json!(added), &json!(0)), "{from} {to}");
    }
    for (wrong, why) in [
        ("fix", "is a branch and a tag: write heads/fix or tags/fix"),
        ("mian", "did you mean \"main\"?"),
        ("0123456", "has no commit 0123456"),
        ("../../main", "no branch, tag or commit"),
    ] {
        let ran = millctl(cluster, &["diff", "area1", "--ref", wrong]).await?;
        assert!(
            ran.code >= Some(2) && ran.err.contains(why),
            "{wrong}: {:?} {}",
            ran.code,
            ran.err
        );
    }
    Ok(())
}

/// What `render` gives is what `diff` speaks of.
async fn exact_bytes(cluster: &Cluster, dir: &Path) -> anyhow::Result<()> {
    let path = "projects/area/one/config.json";
    let ran = millctl(cluster, &["render", "area1", path]).await?;
    assert_eq!(ran.text(), PLAIN.replace("TEMPLATE", "north-area1"), "{}", ran.err);
    let out = dir.join("out");
    let place = out.display().to_string();
    let listed = cluster.json(&["render", "area2"]).await?;
    let written = cluster.json(&["render", "area2", "--out", &place]).await?;
    let files = listed["files"].as_array().context("files")?;
    assert_eq!(written["files"], json!(files.len()));
    let sizes: BTreeMap<&str, u64> =
        files.iter().filter_map(|f| Some((f["path"].as_str()?, f["size"].as_u64()?))).collect();
    for (path, size) in sizes {
        assert_eq!(std::fs::metadata(out.join(path))?.len(), size, "{path}");
    }
    let password = "config/resources/core/ignition/database-connection/mes/config.json";
    assert!(std::fs::read_to_string(out.join(password))?.contains("hunter2"), "exact is exact");
    let ran = millctl(cluster, &["render", "area1", "projects/nowhere"]).await?;
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    Ok(())
}

/// A viewer compares, and gets every file but those with secrets.
async fn viewer(cluster: &Cluster) -> anyhow::Result<()> {
    let address = &cluster.nodes[0].api;
    let mut admin = client::control(address, &client::operator(cluster)?);
    let vic = json!({"apiVersion": "millwright.dev/v1", "kind": "Operator",
        "metadata": {"name": "vic"}, "spec": {"role": "viewer"}});
    client::apply(&mut admin, &vic).await?;
    let token = client::token(&mut admin, "operator", "vic", 0).await?;
    let store = client::enrol(address, &token, "vic").await?;
    let mut control = client::control(address, &store);
    let side = |gateway: &str| Some(Side { gateway: gateway.to_owned(), ..Side::default() });
    let request =
        DiffRequest { base: side("area2"), target: side("area1"), ..DiffRequest::default() };
    let mut parts = control.diff(request).await?.into_inner();
    let mut text = Vec::new();
    while let Some(part) = parts.message().await? {
        for file in part.files {
            text.extend_from_slice(&file.old);
            text.extend_from_slice(&file.new);
        }
    }
    let text = String::from_utf8(text)?;
    assert!(text.contains("north-area1") && !text.contains("hunter2"), "{text}");
    for (path, code) in [("projects", None), ("config", Some(Code::PermissionDenied))] {
        let request =
            RenderRequest { of: side("area1"), path: path.to_owned(), ..Default::default() };
        let mut parts = control.render(request).await?.into_inner();
        let ended = loop {
            match parts.message().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(status) => break Some(status),
            }
        };
        assert_eq!(ended.as_ref().map(tonic::Status::code), code, "{path}: {ended:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_runs_is_compared_with_what_it_would_get() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut plant = Plant::start(dir.path(), Settings::default()).await?;
    plant.start_agent(None, None)?;
    let first = plant.commit(&project("area", &[("Main", "one"), ("Old", "gone")]))?;
    plant.bring(&first, "applied").await?;
    let same = compared(&plant.cluster, &["line1"]).await?;
    assert_eq!((&same["same"], &same["base"]["standing"]), (&json!(true), &json!("running")));
    let second = plant.commit(&project("area", &[("Main", "two"), ("New", "come")]))?;
    let found = compared(&plant.cluster, &["line1", "--ref", &second]).await?;
    assert_eq!(found["base"]["commit"], json!(first));
    // A view is two files.
    assert_eq!(
        (&found["added"], &found["changed"], &found["removed"]),
        (&json!(2), &json!(2), &json!(2)),
        "{found}"
    );
    plant.bring(&second, "applied").await?;
    let back = compared(&plant.cluster, &["line1", "--ref", &first]).await?;
    assert_eq!((&back["base"]["commit"], &back["added"]), (&json!(second), &json!(2)));
    let has = plant.cluster.json(&["render", "line1", "--running"]).await?;
    assert_eq!(has["of"]["commit"], json!(second));
    plant.kill_agent().await
}
