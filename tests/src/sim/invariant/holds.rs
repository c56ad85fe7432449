//! No gateway goes forward to a commit that is held.

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        let held = seen.before.holds().values().any(|hold| {
            hold.lifted.is_none()
                && hold.repository == begun.rollout.repository
                && hold.commit == begun.rollout.commit
        });
        if held {
            return Err(format!("{} began with a held commit", begun.gateway));
        }
    }
    Ok(())
}
