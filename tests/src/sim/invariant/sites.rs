//! No more gateways of one site are at work on a rollout than its line bears.

use std::collections::BTreeMap;

use millwright_coordinator_domain::state::MemberState;

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        let Some(limit) = begun.rollout.policy.limits.max_concurrent_fetches else { continue };
        let mut busy: BTreeMap<&str, u32> = BTreeMap::new();
        for (gateway, member) in &begun.rollout.members {
            let at_work = matches!(
                member.state,
                MemberState::Assigned { .. } | MemberState::Reverting { .. }
            );
            if let Some(known) = seen.after.gateway(gateway).filter(|_| at_work) {
                *busy.entry(known.spec.site.as_str()).or_default() += 1;
            }
        }
        if let Some((site, count)) = busy.into_iter().find(|(_, count)| *count > limit) {
            return Err(format!(
                "{}: {count} gateways of site {site} fetch, its line bears {limit}",
                begun.id
            ));
        }
    }
    Ok(())
}
