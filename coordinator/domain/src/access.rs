//! Which operator may do what.

use millwright_model::{id::Name, resource::Role};

use crate::State;

/// Something an operator may want to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Read.
    Read,
    /// Read files with the secrets in them.
    Reveal,
    /// Change resources.
    Write,
    /// Make identities: tokens, bans, operators.
    Admit,
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
        Deed::Admit => Role::Admin,
    };
    if role >= needed {
        return Ok(());
    }
    Err(format!("operator {operator} has role {role:?}, this needs {needed:?}"))
}
