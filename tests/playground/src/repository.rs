//! A generated Ignition repository: shared scripts, a project per site and per area, and an 8.3
//! configuration collection, with sizes as real repositories have them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gateway_sim::{
    scan::gson,
    signature::{Form, Resource},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::process::run;

/// A bare repository and a work tree that pushes to it.
#[derive(Debug)]
pub struct Repository {
    /// The bare repository.
    pub bare: PathBuf,
    /// A work tree of it.
    pub work: PathBuf,
}

async fn git(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let shown = dir.display().to_string();
    let mut all = vec![
        "-C",
        &shown,
        "-c",
        "user.name=Ann Fitter",
        "-c",
        "user.email=ann@plant.example",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.autocrlf=false",
    ];
    all.extend(args);
    run(Path::new("git"), &all).await
}

impl Repository {
    /// Makes an empty repository below `dir`.
    pub async fn create(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let bare = dir.join(format!("{name}.git"));
        let work = dir.join(format!("{name}-work"));
        fs::create_dir_all(&bare)?;
        fs::create_dir_all(&work)?;
        git(&bare, &["init", "--quiet", "--bare"]).await?;
        git(&work, &["init", "--quiet"]).await?;
        Ok(Self { bare, work })
    }

    /// Clones a repository of somebody else, bare.
    pub async fn mirror(dir: &Path, name: &str, url: &str) -> anyhow::Result<Self> {
        let bare = dir.join(format!("{name}.git"));
        let to = bare.display().to_string();
        // git runs in another folder: a path of ours would mean something else there.
        let url = match fs::canonicalize(url) {
            Ok(path) => path.display().to_string(),
            Err(_) => url.to_owned(),
        };
        git(dir, &["clone", "--quiet", "--bare", &url, &to]).await?;
        Ok(Self { bare, work: dir.to_owned() })
    }

    /// Commits everything and pushes; returns the commit.
    pub async fn commit(&self, message: &str) -> anyhow::Result<String> {
        let bare = self.bare.display().to_string();
        git(&self.work, &["add", "--all"]).await?;
        git(&self.work, &["commit", "--quiet", "-m", message]).await?;
        git(&self.work, &["push", "--quiet", &bare, "HEAD:refs/heads/main"]).await?;
        self.head().await
    }

    /// Lets a tag mean the newest commit.
    pub async fn tag(&self, name: &str) -> anyhow::Result<()> {
        git(&self.bare, &["tag", "--force", name, "HEAD"]).await?;
        Ok(())
    }

    /// The newest commit.
    pub async fn head(&self) -> anyhow::Result<String> {
        Ok(git(&self.bare, &["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// Writes the first version: `sites` sites with three areas.
    pub fn generate(&self, sites: usize) -> anyhow::Result<()> {
        let mut rng = StdRng::seed_from_u64(20_261_012);
        fs::write(self.work.join(".gitattributes"), "* -text\n")?;
        let shared = self.work.join("projects/shared");
        project(&shared, "Shared scripts", "", true)?;
        for n in 0..12 {
            let code = code(&mut rng, n);
            let dir = shared.join(format!("ignition/script-python/plant/module{n}"));
            resource(&dir, "A", &[("code.py", code.into_bytes())])?;
        }
        for site in 1..=sites {
            let dir = self.work.join(format!("projects/site-{site}"));
            project(&dir, &format!("Site {site}"), "shared", false)?;
            for n in 0..20 {
                view(&dir, &format!("Overview/View {n}"), &mut rng)?;
            }
        }
        for area in ["packing", "filling", "utilities"] {
            let dir = self.work.join(format!("projects/area-{area}"));
            project(&dir, area, "shared", false)?;
            for n in 0..15 {
                view(&dir, &format!("{area}/Screen {n}"), &mut rng)?;
            }
            let query = format!("SELECT speed\r\nFROM {area}\r\nWHERE line = :line\r\n");
            let dir = dir.join("ignition/named-query/Line speed");
            resource(&dir, "DG", &[("query.sql", query.into_bytes())])?;
        }
        for n in 0..8 {
            let dir = self.work.join(format!("config/ignition/database-connection/Plant DB {n}"));
            let config = gson(
                &json!({"settings": {"url": format!("jdbc:postgresql://db{n}/plant"), "poolSize": 8}}),
            )?;
            named(&dir, config)?;
        }
        Ok(())
    }

    /// Puts another text into a shared script.
    pub fn write_script(&self, module: &str, code: &str) -> anyhow::Result<()> {
        let dir = self.work.join("projects/shared/ignition/script-python/plant").join(module);
        resource(&dir, "A", &[("code.py", code.as_bytes().to_vec())])
    }

    /// Changes one shared script, adds a view and removes one.
    pub fn change(&self) -> anyhow::Result<()> {
        let mut rng = StdRng::seed_from_u64(20_261_013);
        let dir = self.work.join("projects/shared/ignition/script-python/plant/module3");
        resource(
            &dir,
            "A",
            &[("code.py", b"def speed(line):\n    return line.speed * 60\n".to_vec())],
        )?;
        view(&self.work.join("projects/site-1"), "Overview/Andon", &mut rng)?;
        let gone = "projects/site-1/com.inductiveautomation.perspective/views/Overview/View 7";
        fs::remove_dir_all(self.work.join(gone))?;
        Ok(())
    }
}

fn project(dir: &Path, title: &str, parent: &str, inheritable: bool) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let value = json!({"title": title, "description": "", "enabled": true,
        "inheritable": inheritable, "parent": parent});
    Ok(fs::write(dir.join("project.json"), gson(&value)?)?)
}

/// A resource with a correct 8.3 signature.
fn resource(dir: &Path, scope: &str, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let value = json!({
        "scope": scope, "version": 1, "restricted": false, "overridable": true, "files": names,
        "attributes": {"lastModification": {"actor": "admin", "timestamp": "2026-10-12T08:00:00Z"}},
    });
    sign(dir, value, files)
}

fn named(dir: &Path, config: String) -> anyhow::Result<()> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let digest = name
        .bytes()
        .fold(0xcbf2_9ce4_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_01b3));
    let uuid = format!("3f2a1c9e-5d47-4b8e-9a10-{:012x}", digest & 0xffff_ffff_ffff);
    let value = json!({
        "scope": "A", "version": 1, "restricted": false, "overridable": true,
        "files": ["config.json"],
        "attributes": {"lastModification": {"actor": "external", "timestamp": "2026-10-12T08:00:00Z"},
            "uuid": uuid, "enabled": true},
    });
    sign(dir, value, &[("config.json", config.into_bytes())])
}

fn sign(dir: &Path, mut value: serde_json::Value, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, content) in files {
        fs::write(dir.join(name), content)?;
    }
    let parsed = Resource::parse(&serde_json::to_vec(&value)?)?;
    let content = |name: &str| {
        files.iter().find(|(known, _)| *known == name).map(|(_, content)| content.clone())
    };
    if let Some(signature) = parsed.sign(Form::V83, &content) {
        value["attributes"]["lastModificationSignature"] = signature.into();
    }
    Ok(fs::write(dir.join("resource.json"), gson(&value)?)?)
}

fn view(project: &Path, name: &str, rng: &mut StdRng) -> anyhow::Result<()> {
    // Half of all views are small, a few are large.
    let components = match rng.random_range(0..100) {
        0..70 => rng.random_range(2..10),
        70..97 => rng.random_range(10..80),
        _ => rng.random_range(200..800),
    };
    let children: Vec<_> = (0..components)
        .map(|n| {
            json!({"meta": {"name": format!("Label {n}")}, "type": "ia.display.label",
                "position": {"x": rng.random_range(0..1600), "y": rng.random_range(0..900)},
                "props": {"text": format!("value = {}", rng.random::<u32>())}})
        })
        .collect();
    let body =
        gson(&json!({"custom": {}, "params": {}, "props": {"defaultSize": {"height": 900}},
        "root": {"children": children, "type": "ia.container.coord"}}))?;
    let thumbnail: Vec<u8> = (0..rng.random_range(800..6000)).map(|_| rng.random()).collect();
    let dir = project.join("com.inductiveautomation.perspective/views").join(name);
    resource(&dir, "G", &[("view.json", body.into_bytes()), ("thumbnail.png", thumbnail)])
}

fn code(rng: &mut StdRng, n: usize) -> String {
    let mut text = format!("# Module {n}\n");
    for f in 0..rng.random_range(3..30) {
        text.push_str(&format!("def f{f}(x):\n\treturn x * {}\n\n", rng.random::<u16>()));
    }
    text
}
