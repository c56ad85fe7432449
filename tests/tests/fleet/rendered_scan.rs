//! A gateway stamps a resource anew whose signature does not fit its files, and that is an edit that
//! nobody made. After a hundred resources were normalised its scan must find nothing to do. Rendering
//! and the simulated gateway meet here directly, without a coordinator between them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use gateway_sim::{ScanRecord, Sim, SimConfig};
use millwright_model::{
    digest::{Digest, GitId},
    resource::{Create, Limits, MaxDelete, Signatures},
};
use millwright_render::{
    json_edit::{Document, Kind},
    normalize::Rule,
    render::{Engine, FileKind, RenderError, Rendered, Source, SourceFile},
    spec::{RenderMapping, RenderSpec},
};
use playground::repository::Repository;
use rand::{SeedableRng, rngs::StdRng, seq::IteratorRandom};

/// Resources that are changed.
const CHOSEN: usize = 100;
/// A fixed seed: a failure can be looked at again.
const SEED: u64 = 100;
/// What decides whether a scan ended.
const PATIENCE: Duration = Duration::from_mins(1);

/// A work tree as a commit.
struct Folder {
    root: PathBuf,
    places: RefCell<BTreeMap<GitId, PathBuf>>,
}

fn failed(error: impl ToString) -> RenderError {
    RenderError::Content(error.to_string())
}

impl Folder {
    fn clone_of(source: &Path, root: PathBuf) -> anyhow::Result<Self> {
        let done = std::process::Command::new("git")
            .args(["-c", "core.autocrlf=false", "clone", "--quiet", "--branch", "main"])
            .args([source, root.as_path()])
            .status()?;
        anyhow::ensure!(done.success(), "git clone");
        Ok(Self { root, places: RefCell::default() })
    }

    fn walk(&self, dir: &Path, above: &str, out: &mut Vec<SourceFile>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let relative = if above.is_empty() { name } else { format!("{above}/{name}") };
            if relative == ".git" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path(), &relative, out)?;
                continue;
            }
            let content = std::fs::read(entry.path())?;
            let (digest, size) = (Digest::of(&content), content.len() as u64);
            let id = GitId::from_slice(&digest.as_bytes()[..20]).unwrap_or_default();
            self.places.borrow_mut().insert(id, entry.path());
            out.push(SourceFile { relative, id, kind: FileKind::Plain, digest, size });
        }
        Ok(())
    }
}

impl Source for Folder {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        let mut files = Vec::new();
        self.walk(&self.root.join(source), "", &mut files).map_err(failed)?;
        files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(files.into())
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        let path = self.places.borrow().get(&id).cloned();
        let path = path.ok_or_else(|| failed("an unknown file"))?;
        Ok(std::fs::read(path).map_err(failed)?.into())
    }

    fn changed_at(&self, _: &str) -> Result<i64, RenderError> {
        Ok(1_764_000_000)
    }
}

/// Files that a rule may change: JSON objects beside a signed `resource.json`, at paths that mean
/// themselves as patterns.
fn candidates(folder: &Folder, mapping: &RenderMapping) -> anyhow::Result<Vec<String>> {
    let listed = folder.list(&mapping.source)?;
    let signed: BTreeSet<&str> = listed
        .iter()
        .filter_map(|file| file.relative.strip_suffix("/resource.json"))
        .filter(|dir| {
            let path = folder.root.join(&mapping.source).join(dir).join("resource.json");
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("Signature"))
        })
        .collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._- ".contains(c);
    let mut found = Vec::new();
    for file in listed.iter() {
        let Some((dir, name)) = file.relative.rsplit_once('/') else { continue };
        let fits = Path::new(name).extension().is_some_and(|it| it == "json")
            && name != "resource.json"
            && signed.contains(dir);
        if !fits || !file.relative.chars().all(plain) {
            continue;
        }
        let content = folder.read(file.id)?;
        let Ok(text) = std::str::from_utf8(&content) else { continue };
        if Document::parse(text).is_ok_and(|json| json.kind(json.root()) == Kind::Object) {
            found.push(format!("{}/{}", mapping.destination, file.relative));
        }
    }
    Ok(found)
}

fn spec(mapping: RenderMapping, files: &[String]) -> anyhow::Result<RenderSpec> {
    let rule = |path: &String| Rule {
        files: path.as_str().into(),
        set: vec![(".millwright".into(), "\"seventy\"".to_owned())],
        jq: None,
        delete: Vec::new(),
        create: Create::Yes,
    };
    Ok(RenderSpec {
        repository: "plant".parse()?,
        commit: GitId([7; 20]),
        profile: "area".parse()?,
        mappings: vec![Arc::new(mapping)],
        exclude_patterns: Arc::default(),
        allow: Arc::default(),
        normalize: files.iter().map(rule).map(Arc::new).collect(),
        signatures: Signatures::default(),
        limits: Limits::default(),
        max_delete: MaxDelete::default(),
        vars: None,
    })
}

fn mapping(source: &str, destination: &str) -> anyhow::Result<RenderMapping> {
    Ok(RenderMapping {
        source: source.to_owned(),
        destination: destination.parse()?,
        keep_name: false,
        kind: None,
        include: Vec::new(),
        exclude: Vec::new(),
        required: true,
        template: false,
        max_size: None,
        label: "mappings[0] of area".to_owned(),
    })
}

/// Puts a rendered tree where the gateway looks.
fn write(data_dir: &Path, folder: &Folder, rendered: &Rendered) -> anyhow::Result<usize> {
    let made: BTreeMap<Digest, &Arc<[u8]>> =
        rendered.made.values().map(|made| (made.node.digest, &made.content)).collect();
    for file in rendered.manifest.files() {
        let at = data_dir.join(file.path.as_str());
        std::fs::create_dir_all(at.parent().context("a path has a folder")?)?;
        let content = match made.get(&file.digest) {
            Some(content) => Arc::clone(content),
            None => folder.read(GitId::from_slice(&file.digest.as_bytes()[..20])?)?,
        };
        anyhow::ensure!(Digest::of(&content) == file.digest, "{} has other bytes", file.path);
        std::fs::write(at, &content)?;
    }
    Ok(made.len())
}

/// Lets the gateway scan its projects and waits for the end.
async fn scan(sim: &Sim) -> anyhow::Result<ScanRecord> {
    let before = sim.scans().len();
    let url = format!("{}/data/api/v1/scan/projects", sim.url());
    let asked = reqwest::Client::new().post(url).header("X-Ignition-API-Token", sim.token_header());
    anyhow::ensure!(asked.send().await?.status().is_success(), "the scan was refused");
    sim.until(PATIENCE, |sim| {
        sim.scans().into_iter().skip(before).find(|scan| scan.ended_ms.is_some())
    })
    .await
}

async fn shown(name: &str, folder: &Folder, mapping: RenderMapping) -> anyhow::Result<()> {
    let all = candidates(folder, &mapping)?;
    let chosen = all.iter().cloned().choose_multiple(&mut StdRng::seed_from_u64(SEED), CHOSEN);
    anyhow::ensure!(!chosen.is_empty(), "{name} has nothing to change");
    let rendered = Engine::default().render(&spec(mapping, &chosen)?, folder)?;
    assert_eq!(rendered.warnings, [], "{name}");
    let dir = tempfile::tempdir()?;
    let sim = Sim::start(SimConfig::new(dir.path().to_owned(), "gw1")).await?;
    let made = write(dir.path(), folder, &rendered)?;
    // Each change and each stamp; two resources may have the same bytes.
    assert!(made > chosen.len(), "{name}: {made} files were made for {} changes", chosen.len());
    let scanned = scan(&sim).await?;
    println!(
        "{name}: {} of {} resources changed, {} files scanned, {} stamped again",
        chosen.len(),
        all.len(),
        scanned.files,
        scanned.restamped.len()
    );
    assert!(scanned.loaded && scanned.refused.is_empty(), "{name}: {scanned:?}");
    assert!(scanned.restamped.is_empty(), "{name}: {:?}", scanned.restamped);
    assert_eq!(sim.counters().restamps, 0, "{name}");
    assert!(sim.stale_signatures()?.is_empty(), "{name}");
    for file in rendered.manifest.files() {
        let content = std::fs::read(dir.path().join(file.path.as_str()))?;
        assert_eq!(Digest::of(&content), file.digest, "{name}: {} was rewritten", file.path);
    }
    // The same change without a stamp is found.
    let victim = dir.path().join(&chosen[0]);
    let text = std::fs::read_to_string(&victim)?;
    std::fs::write(&victim, text.replace("seventy", "x"))?;
    let scanned = scan(&sim).await?;
    assert_eq!(scanned.restamped.len(), 1, "{name}: {:?}", scanned.restamped);
    sim.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_scan_stamps_what_was_normalised() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let repository = Repository::create(dir.path(), "made").await?;
    repository.generate(2)?;
    repository.commit("Made").await?;
    let folder = Folder::clone_of(&repository.bare, dir.path().join("made-tree"))?;
    shown("a generated repository", &folder, mapping("projects", "projects")?).await?;
    let Some(bundle) = super::real_projects::bundle("MobileHMS.bundle") else { return Ok(()) };
    let folder = Folder::clone_of(&bundle, dir.path().join("real-tree"))?;
    shown("MobileHMS", &folder, mapping("", "projects/mobile")?).await
}
