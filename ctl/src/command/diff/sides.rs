//! The two sides of a comparison: as asked for, as told to a person, as data.

use millwright_proto::control::{Side, SideInfo};
use serde_json::{Value, json};

use super::Args;

/// What is asked for.
pub(super) struct Sides {
    pub(super) base: Side,
    pub(super) target: Side,
}

impl Sides {
    pub(super) fn of(args: &Args) -> Self {
        let gateway = args.of.gateway.clone();
        let reference = args.reference.clone().unwrap_or_default();
        let base = match (&args.against_gateway, &args.from) {
            (Some(other), _) => {
                Side { gateway: other.clone(), reference: reference.clone(), running: false }
            }
            (None, Some(from)) => {
                Side { gateway: gateway.clone(), reference: from.clone(), running: false }
            }
            (None, None) => Side { gateway: gateway.clone(), running: true, ..Side::default() },
        };
        Self { base, target: Side { gateway, reference, running: false } }
    }
}

/// A side in words: `line1 as it runs: branch main, commit 4bf57a65, 412 files`.
pub(crate) fn told(side: &SideInfo) -> String {
    let SideInfo { gateway, reference, commit, files, standing, .. } = side;
    let how = match standing.as_str() {
        "running" => " as it runs",
        "nothing" => return format!("{gateway}, to which nothing was ever applied"),
        _ => "",
    };
    let short: String = commit.chars().take(8).collect();
    let followed =
        if reference.contains(&short) { String::new() } else { format!("{reference}, ") };
    format!("{gateway}{how}: {followed}commit {short}, {files} files")
}

/// A side as data.
pub(crate) fn value(side: &SideInfo) -> Value {
    json!({
        "gateway": side.gateway, "standing": side.standing, "reference": side.reference,
        "commit": side.commit, "manifest": side.manifest, "files": side.files,
        "bytes": side.bytes, "notes": side.notes,
    })
}
