//! A generation of a gateway means one content, for ever, and generations only grow: so at most one
//! assignment is in flight, and no decision that came twice gave a second one.

use std::collections::BTreeMap;

use millwright_model::{digest::Digest, generation::Generation, id::GatewayName};

use super::Seen;

pub(super) fn check(
    seen: &Seen<'_>,
    promised: &mut BTreeMap<(GatewayName, Generation), Digest>,
) -> Result<(), String> {
    for name in seen.after.gateways_named() {
        let (before, after) = (seen.before.assignment(name), seen.after.assignment(name));
        let Some(after) = after else { continue };
        if let Some(before) = before {
            if after.generation < before.generation {
                return Err(format!("{name}: a generation came back"));
            }
            if after.generation.0 > before.generation.0 + 1 {
                return Err(format!("{name}: one command gave two generations"));
            }
        }
        let key = (name.clone(), after.generation);
        let known = promised.entry(key).or_insert(after.manifest);
        if *known != after.manifest {
            return Err(format!("{name}: generation {} means two contents", after.generation));
        }
    }
    Ok(())
}
