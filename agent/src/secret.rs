//! Credentials that a coordinator has sent: kept in memory alone, for as long as the process lives.

use std::{collections::BTreeMap, time::Duration};

use millwright_model::resource::SecretValue;
use millwright_proto::agent;
use tokio::sync::watch;

/// How long a change may wait for a secret: as long as for content.
const PATIENCE: Duration = Duration::from_mins(5);

/// A secret of the cluster; nameless when the policies name none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Values by key.
    pub data: BTreeMap<String, SecretValue>,
}

impl From<agent::Secret> for Secret {
    fn from(wire: agent::Secret) -> Self {
        let agent::Secret { name, data } = wire;
        let data = data.into_iter().map(|(key, value)| (key, SecretValue::plain(value)));
        Self { name, data: data.collect() }
    }
}

/// The secret of this name, once it has come; `None` when it does not.
pub async fn wait_for(mut secret: watch::Receiver<Secret>, name: &str) -> Option<Secret> {
    let there = secret.wait_for(|secret| secret.name == name);
    Some(tokio::time::timeout(PATIENCE, there).await.ok()?.ok()?.clone())
}
