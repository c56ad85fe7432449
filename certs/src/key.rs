//! Private keys (ECDSA P-256) and the files they live in. A key never leaves its machine.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};

/// A key operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("key: {0}")]
pub struct KeyFailed(String);

impl From<rcgen::Error> for KeyFailed {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

/// A fresh key.
pub fn generate() -> Result<KeyPair, KeyFailed> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// A certificate request signed by the key. It names nobody: the issuer decides who this is.
pub fn csr_der(key: &KeyPair) -> Result<Vec<u8>, KeyFailed> {
    Ok(CertificateParams::default().serialize_request(key)?.der().to_vec())
}

/// SHA-256 of the public key (SPKI, DER).
pub fn spki_digest(key: &KeyPair) -> [u8; 32] {
    sha256(&key.subject_public_key_info())
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Writes a file that only its owner may read: beside, fsynced, renamed.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => fs::File::open(dir)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// Reads a file that only its owner may read; another mode is refused.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{} has mode {mode:04o}: others may read it; run chmod 600 on it",
                path.display()
            ),
        ));
    }
    fs::read(path)
}
