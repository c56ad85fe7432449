//! The manifests of many gateways out of one large repository, in one process, as a coordinator makes
//! them: cold, after a commit of one file, after a restart, and once more in an engine of its own, which
//! must agree on every digest.
//!
//! Every gateway has three files of its own, whose resources are stamped again. Times go from the
//! resources to the manifests in memory; what git needs to fetch is told apart.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context, bail};
use millwright_coordinator::content::Content;
use millwright_model::{
    digest::{Digest, GitId},
    id::{Member, Name},
    manifest::Manifest,
    resource::{Gateway, RefSpec, Resource, SyncProfile, parse_documents},
    template::Release,
};
use millwright_render::spec::{Inputs, ParsedProfile, render_spec};
use playground::{process::run as program, repository::Repository};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    gitrepo::GitRepo,
    machine::{self, milliseconds},
    output::{Output, say},
    stats::{median, percentile, rounded},
};

/// Goals: milliseconds for all gateways, cold; bytes of the process then; milliseconds for all of them
/// after a commit of one file, beyond the listing of its tree.
const COLD_MS: f64 = 2_000.0;
const BYTES: u64 = 300 << 20;
const COMMIT_MS: f64 = 20.0;
/// Files of its own that a gateway has.
const OWN_FILES: usize = 3;
/// Where the repository goes.
const ROOT: &str = "projects/site";

/// `render`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Git repository or bundle to render: its root becomes one project.
    #[arg(long)]
    repo: std::path::PathBuf,
    /// Gateways.
    #[arg(long, default_value_t = 1_000)]
    gateways: usize,
    /// Commits of one file; the slowest counts.
    #[arg(long, default_value_t = 5)]
    commits: usize,
}

/// What every gateway is made of.
struct Company {
    profile: SyncProfile,
    gateways: Vec<Gateway>,
    repository: Name,
    url: String,
    reference: RefSpec,
}

impl Company {
    fn new(count: usize, url: String, branch: &str, own: &[String]) -> anyhow::Result<Self> {
        let rules: Vec<_> = own
            .iter()
            .map(|path| {
                let set = json!({".custom.millwright": "{{.Site}}-{{.GatewayName}}"});
                json!({"files": format!("{ROOT}/{path}"), "set": set, "create": true})
            })
            .collect();
        let mapping = json!({"source": ".", "destination": ROOT});
        let profile = json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile",
            "metadata": {"name": "site"}, "spec": {"mappings": [mapping], "normalize": rules}});
        let mut company = None;
        let mut gateways = Vec::with_capacity(count);
        let gateway = |n: usize| {
            json!({"apiVersion": "millwright.dev/v1", "kind": "Gateway",
                "metadata": {"name": format!("gw{n:04}")},
                "spec": {"site": format!("site{}", n % 50), "profile": "site"}})
        };
        for text in (0..count).map(gateway).chain([profile]) {
            let parsed = parse_documents(&text.to_string(), "bench");
            for resource in parsed.map_err(|errors| anyhow::anyhow!("{errors:?}"))? {
                match resource {
                    Resource::Gateway(gateway) => gateways.push(gateway),
                    Resource::SyncProfile(profile) => company = Some(profile),
                    _ => bail!("a resource of another kind"),
                }
            }
        }
        let reference = RefSpec { branch: Some(branch.to_owned()), ..RefSpec::default() };
        let profile = company.context("the profile")?;
        Ok(Self { profile, gateways, repository: "site".parse()?, url, reference })
    }

    async fn fetch(&self, content: &Content) -> anyhow::Result<(GitId, f64)> {
        let began = Instant::now();
        let refs = vec![self.reference.clone()];
        let mut found = content.resolve(&self.repository, &self.url, refs).await?;
        let resolved = found.pop().context("the ref")??;
        Ok((resolved.commit, milliseconds(began.elapsed())))
    }

    /// The manifests of all gateways.
    async fn render(&self, content: &Content, commit: GitId) -> anyhow::Result<Rendered> {
        let began = Instant::now();
        let (mut first_ms, mut cpu) = (0.0, 0.0);
        let mut manifests = Vec::with_capacity(self.gateways.len());
        let vars = BTreeMap::new();
        let profile = ParsedProfile::new(&self.profile, &[]);
        let release = Release::new("branch main", commit);
        for gateway in &self.gateways {
            let spec = render_spec(&Inputs {
                gateway,
                profile: &profile,
                fleet_vars: &vars,
                repository: &self.repository,
                release: &release,
                member: Member::Single,
            })?;
            manifests.push(content.render(&self.url, Arc::new(spec)).await?);
            if manifests.len() == 1 {
                first_ms = milliseconds(began.elapsed());
                cpu = machine::own_cpu_ms();
            }
        }
        let (all_ms, rest_cpu_ms) = (milliseconds(began.elapsed()), machine::own_cpu_ms() - cpu);
        Ok(Rendered { manifests, first_ms, all_ms, rest_cpu_ms })
    }
}

struct Rendered {
    manifests: Vec<Arc<Manifest>>,
    /// The first one lists the tree.
    first_ms: f64,
    all_ms: f64,
    /// Processor time of all but the first one.
    rest_cpu_ms: f64,
}

impl Rendered {
    fn rest_ms(&self) -> f64 {
        self.all_ms - self.first_ms
    }

    fn digests(&self) -> Vec<Digest> {
        self.manifests.iter().map(|manifest| manifest.digest()).collect()
    }
}

/// Files that get rules: the first views whose paths mean themselves as patterns.
async fn own_files(bare: &Path) -> anyhow::Result<Vec<String>> {
    let dir = bare.display().to_string();
    let args = ["--git-dir", &dir, "ls-tree", "-r", "--name-only", "-z", "HEAD"];
    let listed = program(Path::new("git"), &args).await?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let views = listed.split('\0').filter(|path| path.ends_with("/view.json"));
    let found: Vec<String> =
        views.filter(|path| path.chars().all(plain)).take(OWN_FILES).map(str::to_owned).collect();
    anyhow::ensure!(found.len() == OWN_FILES, "the repository has fewer than {OWN_FILES} views");
    Ok(found)
}

fn verdict(good: bool) -> &'static str {
    if good { "met" } else { "missed" }
}

/// Runs it.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let git = dir.join("git");
    std::fs::create_dir_all(&git)?;
    let source = args.repo.display().to_string();
    let mirror = Repository::mirror(&git, "site", &source).await?;
    let repo = GitRepo::open(&mirror.bare).await?;
    let own = own_files(&mirror.bare).await?;
    let url = format!("file://{}", mirror.bare.display());
    let company = Company::new(args.gateways, url, repo.branch(), &own)?;
    let setting = json!({"repo": args.repo.file_name().map(|n| n.to_string_lossy()),
        "gateways": args.gateways, "ownFiles": OWN_FILES});

    let content = Content::open(&dir.join("one"))?;
    let (commit, fetch_ms) = company.fetch(&content).await?;
    let before = machine::resident_bytes(std::process::id())?;
    let cold = company.render(&content, commit).await?;
    let resident = machine::resident_bytes(std::process::id())?;
    let peak = machine::peak_bytes(std::process::id())?;
    let files = cold.manifests.first().map_or(0, |manifest| manifest.count());
    let distinct: std::collections::BTreeSet<Digest> = cold.digests().into_iter().collect();
    anyhow::ensure!(distinct.len() == args.gateways, "gateways share a manifest");
    let good = cold.all_ms <= COLD_MS && peak <= BYTES;
    say(&format!(
        "cold: {} manifests of {files} files in {:.0} ms (the first {:.0} ms), {} MiB, at most {} MiB; goal {COLD_MS} ms, {} MiB: {}",
        args.gateways,
        cold.all_ms,
        cold.first_ms,
        resident >> 20,
        peak >> 20,
        BYTES >> 20,
        verdict(good)
    ));
    output.emit(
        "cold",
        setting.clone(),
        json!({
            "fetchMs": rounded(fetch_ms), "allMs": rounded(cold.all_ms),
            "firstMs": rounded(cold.first_ms), "files": files, "residentBytes": resident,
            "residentBeforeBytes": before, "peakBytes": peak, "goalMs": COLD_MS, "goalBytes": BYTES,
        }),
    );
    drop(cold);

    commits(args, &company, &content, &repo, &own, output, &setting).await?;
    drop(content);
    agreement(&company, dir, output, &setting).await
}

/// Commits of one file that no rule means, then of one that every gateway has of its own.
async fn commits(
    args: &Args,
    company: &Company,
    content: &Content,
    repo: &GitRepo,
    own: &[String],
    output: &Output,
    setting: &serde_json::Value,
) -> anyhow::Result<()> {
    for (what, path) in [("plain", "millwright-bench.bin"), ("own", own[0].as_str())] {
        let (mut list, mut all, mut cpu) = (0.0_f64, Vec::new(), Vec::new());
        for n in 0..args.commits {
            let body = format!("{{\n  \"custom\": {{\n    \"n\": {n}\n  }}\n}}");
            repo.commit("One file", Some((path, body.as_bytes()))).await?;
            let (commit, _) = company.fetch(content).await?;
            let rendered = company.render(content, commit).await?;
            list = list.max(rendered.first_ms);
            all.push(rendered.rest_ms());
            cpu.push(rendered.rest_cpu_ms);
        }
        let (rest, middle) = (percentile(&all, 100.0), median(&all));
        let cpu = median(&cpu);
        say(&format!(
            "commit of one {what} file: listing and the first gateway {list:.1} ms, all others {rest:.1} ms (median {middle:.1} ms, {cpu:.1} ms of processor time); goal {COMMIT_MS} ms: {}",
            verdict(rest <= COMMIT_MS)
        ));
        output.emit(
            "commit",
            setting.clone(),
            json!({
                "file": what, "listMs": rounded(list), "restMs": rounded(rest),
                "restMedianMs": rounded(middle), "restCpuMs": rounded(cpu), "goalMs": COMMIT_MS,
            }),
        );
    }
    Ok(())
}

/// A restarted node and a new one make the same.
async fn agreement(
    company: &Company,
    dir: &Path,
    output: &Output,
    setting: &serde_json::Value,
) -> anyhow::Result<()> {
    let again = Content::open(&dir.join("one"))?;
    let (commit, _) = company.fetch(&again).await?;
    let restarted = company.render(&again, commit).await?;
    let digests = restarted.digests();
    let restart_ms = restarted.all_ms;
    drop((restarted, again));
    let other = Content::open(&dir.join("two"))?;
    let (same, _) = company.fetch(&other).await?;
    anyhow::ensure!(same == commit, "the other node sees another commit");
    let second = company.render(&other, commit).await?;
    anyhow::ensure!(second.digests() == digests, "two nodes made different manifests");
    say(&format!(
        "after a restart {restart_ms:.0} ms; two nodes agree on {} manifests ({:.0} ms)",
        digests.len(),
        second.all_ms
    ));
    output.emit(
        "agreement",
        setting.clone(),
        json!({
            "restartMs": rounded(restart_ms), "otherMs": rounded(second.all_ms),
            "equal": digests.len(),
        }),
    );
    Ok(())
}
