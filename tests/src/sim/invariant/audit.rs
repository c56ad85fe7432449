//! The audit holds, and no rollout begins or comes to another phase without an entry of it.

use millwright_model::audit::{Entry, verify};

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    let (before, after) = (seen.before.audit().head(), seen.after.audit());
    let new = after.after(before.index);
    let new: Vec<&Entry> = new.iter().map(AsRef::as_ref).collect();
    // The first ones go on from what the cluster is called.
    if before.index > 0 {
        let end = verify(before, new.iter().copied()).map_err(|broken| broken.to_string())?;
        end.reaches(&after.head()).map_err(|broken| broken.to_string())?;
    }
    for (id, rollout) in seen.after.rollouts() {
        let was = seen.before.rollouts().get(id).map(|known| known.phase);
        let named = |entry: &&Entry| entry.kind == "Rollout" && entry.name == id.as_str();
        if was != Some(rollout.phase) && !new.iter().any(named) {
            return Err(format!("{id}: {was:?} -> {:?} is not in the audit", rollout.phase));
        }
    }
    Ok(())
}
