//! Why a coordinator refused our certificate, for people: TLS says it in one word only.

use std::{error::Error, io};

use rustls::AlertDescription;

/// What a coordinator has against our certificate. Its text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// We showed none.
    #[error(
        "the coordinator wants a client certificate of its cluster; enrol first with a join token \
         (millctl token create)"
    )]
    NoCertificate,
    /// It is not valid now.
    #[error(
        "the coordinator refused this certificate: it has expired or is not valid yet; check the \
         clock, then renew the certificate or enrol again with a new join token"
    )]
    Expired,
    /// Its key has lost its right.
    #[error(
        "the coordinator refused this certificate: its owner was evicted or banned; after an \
         eviction enrol again with a new join token, after a ban ask an admin of the cluster"
    )]
    Revoked,
    /// Somebody else has signed it.
    #[error(
        "the coordinator refused this certificate: it belongs to another cluster or was not signed \
         by this one; check the address, or enrol with a join token of this cluster"
    )]
    Foreign,
}

impl Refusal {
    fn of(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::CertificateRequired => Some(Refusal::NoCertificate),
            AlertDescription::CertificateExpired => Some(Refusal::Expired),
            AlertDescription::CertificateRevoked => Some(Refusal::Revoked),
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError => Some(Refusal::Foreign),
            _ => None,
        }
    }

    /// The refusal behind an error of a call or connection, if there is one.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(*refusal);
            }
            // An I/O error hides what it wraps from the chain of sources.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = wrapped.and_then(|wrapped| Self::behind(wrapped)) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// The same error, in words when it is a refusal.
pub(crate) fn explained(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => match Refusal::of(*alert) {
            Some(refusal) => io::Error::new(io::ErrorKind::PermissionDenied, refusal),
            None => error,
        },
        // What our own check of the server found is already in words.
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))) => {
            io::Error::new(io::ErrorKind::PermissionDenied, other.0.to_string())
        }
        Some(_) | None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_becomes_words_and_is_found_behind_other_errors() {
        for (alert, refusal) in [
            (AlertDescription::CertificateRequired, Refusal::NoCertificate),
            (AlertDescription::CertificateExpired, Refusal::Expired),
            (AlertDescription::CertificateRevoked, Refusal::Revoked),
            (AlertDescription::UnknownCA, Refusal::Foreign),
        ] {
            let raw = io::Error::other(rustls::Error::AlertReceived(alert));
            let error = explained(raw);
            assert_eq!(error.to_string(), refusal.to_string());
            assert_eq!(Refusal::behind(&io::Error::other(error)), Some(refusal));
        }
        let other = io::Error::other(rustls::Error::AlertReceived(AlertDescription::InternalError));
        assert_eq!(Refusal::behind(&explained(other)), None);
    }
}
