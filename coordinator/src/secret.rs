//! Sealing of what people put into secrets, before it enters the log, and opening it for the agent that
//! needs it. Where values go is decided elsewhere.

use std::collections::BTreeMap;

use millwright_certs::seal::{self, ClusterKey, OpenFailed};
use millwright_coordinator_domain::State;
use millwright_model::resource::{Resource, Secret, SecretValue};
use millwright_proto::agent;

use crate::node::Shared;

/// Bound to its place: a sealed value that is moved to another key or secret does not open.
fn context(secret: &str, key: &str) -> String {
    format!("secret/{secret}/{key}")
}

/// A value that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "secret {secret}, {key}: a value cannot begin as a sealed one does; write it in plain text"
)]
pub struct Sealed {
    secret: String,
    key: String,
}

/// Seals the values of all secrets. A value that has not changed keeps its sealed form, so that
/// putting the same again changes nothing.
pub fn seal_all(
    cluster_key: &ClusterKey,
    state: &State,
    resources: &mut [Resource],
) -> Result<(), Sealed> {
    for resource in resources {
        let Resource::Secret(secret) = resource else { continue };
        let name = secret.metadata.name.clone();
        let known = state.secrets().get(&name).map(|stored| &stored.resource.spec.data);
        for (key, value) in &mut secret.spec.data {
            if value.to_sealed().is_some() {
                return Err(Sealed { secret: name.to_string(), key: key.clone() });
            }
            let context = context(name.as_str(), key);
            let before = known.and_then(|data| data.get(key)).filter(|before| {
                opened(cluster_key, &context, before).is_ok_and(|plain| plain == value.reveal())
            });
            *value = before.cloned().unwrap_or_else(|| {
                let plain = value.reveal().as_bytes();
                SecretValue::sealed(&seal::seal(cluster_key, &context, plain))
            });
        }
    }
    Ok(())
}

fn opened(key: &ClusterKey, context: &str, value: &SecretValue) -> Result<String, OpenFailed> {
    let plain = seal::open(key, context, &value.to_sealed().ok_or(OpenFailed)?)?;
    String::from_utf8(plain).map_err(|_| OpenFailed)
}

/// A secret in plain text, for an agent.
pub fn open(shared: &Shared, secret: &Secret) -> Result<agent::Secret, OpenFailed> {
    let name = secret.metadata.name.to_string();
    let one = |(key, value): (&String, &SecretValue)| {
        Ok((key.clone(), opened(&shared.cluster_key, &context(&name, key), value)?))
    };
    let data: BTreeMap<String, String> =
        secret.spec.data.iter().map(one).collect::<Result<_, _>>()?;
    Ok(agent::Secret { name: name.clone(), data: data.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str) -> Resource {
        let json = serde_json::json!({"apiVersion": "millwright.dev/v1", "kind": "Secret",
            "metadata": {"name": name}, "spec": {"data": {"KEY": value}}});
        Resource::from_json(json.to_string().as_bytes()).unwrap()
    }

    fn value(resource: &Resource) -> &SecretValue {
        match resource {
            Resource::Secret(secret) => &secret.spec.data["KEY"],
            _ => panic!("no secret"),
        }
    }

    #[test]
    fn a_sealed_value_opens_at_its_place_alone() {
        let key = ClusterKey::generate();
        let mut all = [secret("store", "hunter2")];
        seal_all(&key, &State::default(), &mut all).unwrap();
        assert!(!format!("{:?}", all[0].to_value()).contains("hunter2"));
        assert_eq!(opened(&key, "secret/store/KEY", value(&all[0])).unwrap(), "hunter2");
        assert!(opened(&key, "secret/store/OTHER", value(&all[0])).is_err());
        assert!(opened(&ClusterKey::generate(), "secret/store/KEY", value(&all[0])).is_err());
        assert!(seal_all(&key, &State::default(), &mut all).is_err(), "sealed twice");
    }
}
