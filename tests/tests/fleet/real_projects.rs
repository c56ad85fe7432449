//! A real Ignition project reaches gateways as git has it, and no gateway wants to stamp it anew.
//! The data is not part of the project: without it the test says so and ends.

use std::path::{Path, PathBuf};

use playground::{
    process::build_programs,
    story::{Company, Plan},
};

/// Where real projects are: `MILLWRIGHT_TEST_DATA`, else beside the checkout.
pub(crate) fn bundle(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("MILLWRIGHT_TEST_DATA").map_or(root, PathBuf::from);
    let file = folder.join(name);
    if !file.is_file() {
        println!("skipped: {} is not here", file.display());
    }
    file.is_file().then_some(file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_project_arrives_as_git_has_it() -> anyhow::Result<()> {
    let Some(bundle) = bundle("MobileHMS.bundle") else { return Ok(()) };
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let resources =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/root-project.yaml");
    let foreign = Some((bundle.display().to_string(), resources));
    let plan = Plan { dir: dir.path().to_owned(), gateways: 2, sites: 2, foreign };
    let mut company = Company::start(&plan).await?;
    let summary = company.play().await?;
    assert_eq!(summary["ok"], true, "{summary}");
    for gateway in summary["gateways"].as_array().expect("a list") {
        assert!(gateway["files"].as_u64().is_some_and(|files| files > 1_000), "{gateway}");
        assert_eq!(gateway["restamped"], 0, "the gateway rewrote a signature: {gateway}");
    }
    for gateway in &company.gateways {
        let stale = gateway.sim.stale_signatures()?;
        assert!(stale.is_empty(), "{}: {stale:?}", gateway.name);
    }
    Ok(())
}
