//! Who somebody is: the URI in the subject alternative name of a certificate.

use std::{fmt, str::FromStr};

use millwright_model::id::{ClusterId, GatewayName, Member, Name};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// An identity of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A coordinator node.
    Coordinator {
        /// Which cluster.
        cluster: ClusterId,
        /// Node name.
        node: Name,
    },
    /// An agent.
    Agent {
        /// Which cluster.
        cluster: ClusterId,
        /// Its gateway.
        gateway: GatewayName,
        /// Which node of it.
        member: Member,
    },
    /// A person or program.
    Operator {
        /// Which cluster.
        cluster: ClusterId,
        /// Its name.
        name: Name,
    },
}

/// Text or a certificate without a Millwright identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Millwright identity: {0}")]
pub struct InvalidIdentity(String);

impl Identity {
    /// Whose cluster.
    pub fn cluster(&self) -> &ClusterId {
        match self {
            Identity::Coordinator { cluster, .. }
            | Identity::Agent { cluster, .. }
            | Identity::Operator { cluster, .. } => cluster,
        }
    }

    /// Whether it may act as a server.
    pub fn is_coordinator(&self) -> bool {
        matches!(self, Identity::Coordinator { .. })
    }

    /// The identity in a certificate: exactly one URI is allowed.
    pub fn from_cert_der(der: &[u8]) -> Result<Self, InvalidIdentity> {
        let invalid = |why: &str| InvalidIdentity(why.to_owned());
        let (_, cert) =
            parse_x509_certificate(der).map_err(|_| invalid("the certificate cannot be read"))?;
        let names = cert
            .subject_alternative_name()
            .map_err(|_| invalid("the alternative names cannot be read"))?
            .ok_or_else(|| invalid("the certificate has no alternative name"))?;
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => uri.parse(),
            (None, _) => Err(invalid("the certificate has no URI")),
            (Some(_), Some(_)) => Err(invalid("the certificate has more than one URI")),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Coordinator { cluster, node } => {
                write!(f, "spiffe://{cluster}/coordinator/{node}")
            }
            Identity::Agent { cluster, gateway, member } => {
                write!(f, "spiffe://{cluster}/agent/{gateway}/{member}")
            }
            Identity::Operator { cluster, name } => write!(f, "spiffe://{cluster}/operator/{name}"),
        }
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIdentity(text.chars().take(120).collect());
        let rest = text.strip_prefix("spiffe://").ok_or_else(invalid)?;
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [cluster, "coordinator", node] => Ok(Identity::Coordinator {
                cluster: cluster.parse().map_err(|_| invalid())?,
                node: node.parse().map_err(|_| invalid())?,
            }),
            [cluster, "agent", gateway, member] => Ok(Identity::Agent {
                cluster: cluster.parse().map_err(|_| invalid())?,
                gateway: gateway.parse().map_err(|_| invalid())?,
                member: member.parse().map_err(|_| invalid())?,
            }),
            [cluster, "operator", name] => Ok(Identity::Operator {
                cluster: cluster.parse().map_err(|_| invalid())?,
                name: name.parse().map_err(|_| invalid())?,
            }),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_round_trip_and_nothing_else_passes() {
        for good in [
            "spiffe://c1/coordinator/n1",
            "spiffe://c1/agent/GW_1/backup",
            "spiffe://c1/operator/ann",
        ] {
            assert_eq!(good.parse::<Identity>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "spiffe://c1",
            "spiffe://c1/agent/x",
            "https://c1/operator/a",
            "spiffe://c1/operator/a/b",
            "spiffe://c1/root/a",
            "spiffe:///operator/a",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }
}
