//! Which node of a pair may be written, and when a backup has taken the files over. A backup is never
//! written: the next synchronisation of the pair would overwrite it.

use millwright_model::{
    id::Member,
    policy::{NotActive, PeerUnreachable, Redundancy},
    report::{Failure, FailureKind, Retry, Step},
    time::Span,
};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `Independent`, `Master`, `Backup`: configuration, never changed by a failover.
    pub role: String,
    /// Exactly `Active` serves.
    pub activity: String,
    /// Whether it sees its peer.
    pub peer_connected: bool,
    /// `Good`, `SyncError`, …
    pub project_state: String,
    /// Whether a synchronisation is under way.
    pub sync_pending: bool,
    /// End of the last synchronisation by its own clock; -1 for never.
    pub last_sync: i64,
}

/// The one activity that serves.
const ACTIVE: &str = "Active";

/// The answer for the node that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may be written.
    Write {
        /// What people should know.
        notices: Vec<Failure>,
    },
    /// Ask again after a pause.
    Wait {
        /// For people.
        reason: String,
    },
    /// It may not.
    Refuse(Failure),
}

fn refuse(message: String, remedy: &str) -> Failure {
    Failure::new(Step::Preflight, FailureKind::NotActive, message).remedy(remedy)
}

/// Decides whether this node may be written. `peer` is how active the other node is by its own agent,
/// empty when nobody knows; `waited` is how long the wait has lasted.
pub fn may_write(
    member: Member,
    node: &Node,
    peer: &str,
    policy: &Redundancy,
    waited: Span,
) -> Gate {
    let role = node.role.as_str();
    let expected = match member {
        Member::Single => "Independent",
        Member::Master => "Master",
        Member::Backup => {
            let message = "a backup is never written".to_owned();
            return Gate::Refuse(refuse(message, "nothing: the master is").retry(Retry::Never));
        }
    };
    // A gateway that does not tell its role is a single one.
    if !(role == expected || (member == Member::Single && role.is_empty())) {
        let message =
            format!("this agent is enrolled as {member}, but the gateway's role is {role}");
        let remedy = "enrol the agent with the right --member, or correct the gateway's role";
        return Gate::Refuse(refuse(message, remedy).retry(Retry::Never));
    }
    if member == Member::Single {
        return Gate::Write { notices: Vec::new() };
    }
    let Some(reason) = why_not(node, peer) else {
        return Gate::Write { notices: Vec::new() };
    };
    let alone = node.activity == ACTIVE && peer != ACTIVE;
    if alone && policy.peer_unreachable == PeerUnreachable::Proceed {
        let message = "the master does not see its backup";
        let notice = Failure::new(Step::Preflight, FailureKind::NotActive, message);
        return Gate::Write { notices: vec![notice] };
    }
    match policy.not_active {
        NotActive::Wait if waited < policy.timeout => Gate::Wait { reason },
        NotActive::Wait | NotActive::Fail => {
            Gate::Refuse(refuse(reason, "bring the pair back to its master, then retry"))
        }
    }
}

/// What keeps the master of a pair from being written; for people.
fn why_not(node: &Node, peer: &str) -> Option<String> {
    let own = word(&node.activity);
    Some(match (node.activity == ACTIVE, peer, node.peer_connected) {
        (true, ACTIVE, _) => {
            "both the master and the backup are Active: the pair is split".to_owned()
        }
        (true, _, true) => return None,
        (true, _, false) => "the master does not see its backup, so both may be active".to_owned(),
        (false, ACTIVE, _) => format!("the master is {own}, the backup serves"),
        (false, "", true) => format!("the master is {own}: the backup serves, or neither does"),
        (false, "", false) => {
            format!("the master is {own} and does not see its backup, so perhaps neither serves")
        }
        (false, other, _) => {
            format!("neither node is Active: the master is {own}, the backup is {other}")
        }
    })
}

fn word(activity: &str) -> &str {
    if activity.is_empty() { "of unknown activity" } else { activity }
}

/// Whether the sync state is an error; spelled in three ways by three versions.
pub fn is_sync_error(project_state: &str) -> bool {
    let plain: String = project_state
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    !matches!(plain.as_str(), "good" | "unknown" | "")
}

/// Whether the backup has taken over what the master was given. `before` is its own last sync when
/// the master was done; `equal` says whether its files are equal apart from stamps. The reason is
/// for people.
pub fn converged(node: &Node, before: i64, equal: bool) -> Result<(), String> {
    if !node.peer_connected {
        return Err("the backup does not see its master".to_owned());
    }
    if is_sync_error(&node.project_state) {
        return Err(format!("the backup's project state is {}", node.project_state));
    }
    if node.sync_pending {
        return Err("a synchronisation is pending".to_owned());
    }
    if !equal {
        return Err("the backup's files differ from the master's".to_owned());
    }
    if node.last_sync <= before {
        return Err("the backup has not synchronised since".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(role: &str, activity: &str, peer_connected: bool) -> Node {
        Node {
            role: role.to_owned(),
            activity: activity.to_owned(),
            peer_connected,
            project_state: "Good".to_owned(),
            sync_pending: false,
            last_sync: 5,
        }
    }

    fn word_of(gate: &Gate) -> &'static str {
        match gate {
            Gate::Write { .. } => "write",
            Gate::Wait { .. } => "wait",
            Gate::Refuse(_) => "refuse",
        }
    }

    #[test]
    fn only_the_active_master_is_written() {
        let policy = Redundancy::default();
        let late = Span(policy.timeout.0 + 1);
        for (member, role, activity, sees, peer, soon, end) in [
            (Member::Single, "Independent", "Active", false, "", "write", "write"),
            (Member::Single, "", "", false, "", "write", "write"),
            (Member::Single, "Master", "Active", true, "", "refuse", "refuse"),
            (Member::Master, "Master", "Active", true, "", "write", "write"),
            (Member::Master, "Master", "Active", true, "Cold", "write", "write"),
            (Member::Master, "Master", "Active", true, "Active", "wait", "refuse"),
            (Member::Master, "Master", "Cold", true, "Active", "wait", "refuse"),
            (Member::Master, "Master", "Active", false, "Cold", "wait", "refuse"),
            (Member::Master, "Master", "Undecided", false, "", "wait", "refuse"),
            (Member::Master, "Backup", "Active", true, "", "refuse", "refuse"),
            (Member::Backup, "Backup", "Active", true, "", "refuse", "refuse"),
        ] {
            let node = node(role, activity, sees);
            let got = word_of(&may_write(member, &node, peer, &policy, Span(0)));
            assert_eq!(got, soon, "{member} {role} {activity} {sees} {peer}");
            let got = word_of(&may_write(member, &node, peer, &policy, late));
            assert_eq!(got, end, "{member} {role} {activity} {sees} {peer}, late");
        }
        let fail = Redundancy { not_active: NotActive::Fail, ..policy.clone() };
        let cold = node("Master", "Cold", true);
        assert_eq!(word_of(&may_write(Member::Master, &cold, "", &fail, Span(0))), "refuse");
        let proceed = Redundancy { peer_unreachable: PeerUnreachable::Proceed, ..policy };
        let alone = node("Master", "Active", false);
        for (peer, expected) in [("", "write"), ("Cold", "write"), ("Active", "wait")] {
            let got = may_write(Member::Master, &alone, peer, &proceed, Span(0));
            assert_eq!(word_of(&got), expected, "{peer}");
        }
    }

    #[test]
    fn it_is_said_who_serves() {
        for (activity, sees, peer, expected) in [
            ("Active", true, "Cold", None),
            ("Active", true, "Active", Some("both")),
            ("Active", false, "", Some("both may be")),
            ("Cold", true, "Active", Some("the backup serves")),
            ("Cold", true, "", Some("or neither does")),
            ("Cold", false, "", Some("perhaps neither serves")),
            (
                "Cold",
                true,
                "Warm",
                Some("neither node is Active: the master is Cold, the backup is Warm"),
            ),
            ("", false, "", Some("of unknown activity")),
        ] {
            let why = why_not(&node("Master", activity, sees), peer);
            assert_eq!(why.is_some(), expected.is_some(), "{activity} {sees} {peer}: {why:?}");
            if let (Some(why), Some(part)) = (why, expected) {
                assert!(why.contains(part), "{why}");
            }
        }
    }

    #[test]
    fn a_backup_has_converged_only_with_all_the_evidence() {
        let good = node("Backup", "Cold", true);
        assert_eq!(converged(&good, 4, true), Ok(()));
        assert!(converged(&good, 5, true).is_err());
        assert!(converged(&good, 4, false).is_err());
        assert!(converged(&Node { sync_pending: true, ..good.clone() }, 4, true).is_err());
        assert!(converged(&Node { peer_connected: false, ..good.clone() }, 4, true).is_err());
        for (state, error) in [
            ("Good", false),
            ("Unknown", false),
            ("SyncError", true),
            ("Out_of_Date", true),
            ("OutOfDate", true),
            ("Out of Date", true),
            ("Incompatible", true),
        ] {
            assert_eq!(is_sync_error(state), error, "{state}");
        }
    }
}
