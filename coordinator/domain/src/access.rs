//! Which operator may do what.

use millwright_model::{
    id::Name,
    resource::{Kind, Role},
};

use crate::State;

/// Something an operator may want to do; later ones need more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Read.
    Read,
    /// Read files with the secrets in them.
    Reveal,
    /// Change resources.
    Write,
    /// Approve a stage of a rollout, or deny it.
    Approve,
    /// Make identities and give credentials: tokens, bans, operators, secrets.
    Admit,
}

/// What putting or deleting a resource of this kind is.
pub fn deed_of_change(kind: Kind) -> Deed {
    match kind {
        Kind::Operator | Kind::Secret | Kind::JoinToken => Deed::Admit,
        Kind::Repository | Kind::SyncProfile | Kind::Gateway | Kind::Fleet | Kind::Rollout => {
            Deed::Write
        }
    }
}

/// Whether an operator may; the error says why not.
pub fn may(state: &State, operator: &Name, deed: Deed) -> Result<(), String> {
    let Some(stored) = state.operators.get(operator) else {
        return Err(format!("operator {operator} does not exist"));
    };
    let role = stored.resource.spec.role;
    let needed = match deed {
        Deed::Read => Role::Viewer,
        Deed::Reveal | Deed::Write => Role::Operator,
        Deed::Approve => Role::Approver,
        Deed::Admit => Role::Admin,
    };
    if role >= needed {
        return Ok(());
    }
    Err(format!("operator {operator} has role {role:?}, this needs {needed:?}"))
}
