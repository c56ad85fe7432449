//! Nothing begins outside of the fleet's windows.

use millwright_model::window::evaluate;

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        let Some(windows) = seen.after.windows_of(&begun.rollout.fleet) else { continue };
        let labels = seen.after.labels_of(begun.gateway);
        let evaluation = evaluate(windows, &labels, seen.now);
        if !evaluation.automatic {
            return Err(format!("{} began though {evaluation}", begun.gateway));
        }
    }
    Ok(())
}
