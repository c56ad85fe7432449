//! *Applied* is true: the gateway really had these files when the attempt ended.

use std::collections::BTreeMap;

use millwright_model::{digest::Digest, generation::Generation, id::GatewayName};

use super::Seen;

pub(super) fn check(
    seen: &Seen<'_>,
    truth: &BTreeMap<(GatewayName, Generation, u32), Option<Digest>>,
) -> Result<(), String> {
    for name in seen.after.gateways_named() {
        let Some(applied) = seen.after.gateway_status(name).and_then(|s| s.applied.as_ref()) else {
            continue;
        };
        let key = (name.clone(), applied.generation, applied.attempt);
        match truth.get(&key) {
            Some(files) if *files == applied.manifest => {}
            Some(_) => return Err(format!("{name} has other files than *applied* says")),
            None => return Err(format!("{name}: *applied* without an attempt")),
        }
    }
    Ok(())
}
