//! A certificate and the key that goes with it, as the webhook serves them.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::validity::validity;

/// A certificate with its key, known to belong together. Shown, it says nothing of the key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// Until when it is valid, in seconds since 1970.
    pub(super) expires: u64,
}

/// Why two texts are no such pair. Never with what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPair {
    #[error("the certificate is not in PEM, or broken")]
    Certificate,
    #[error("the key is not in PEM, or broken, or has a passphrase")]
    Key,
    #[error("certificate and key do not belong together")]
    Mismatch,
    #[error("the key is of no use: {0}")]
    Useless(String),
}

impl Pair {
    /// Reads a chain of certificates and a key, both in PEM.
    pub(super) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, NoPair> {
        let chain = certificates(chain).ok_or(NoPair::Certificate)?;
        let expires = chain.first().and_then(|first| validity(first)).ok_or(NoPair::Certificate)?.1;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| NoPair::Key)?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => NoPair::Mismatch,
            other => NoPair::Useless(other.to_string()),
        })?;
        Ok(Self { certified: Arc::new(certified), expires })
    }

    /// Whether both show the same certificate.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

/// All certificates of a text in PEM, of which there must be one and none broken.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    fn made() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(["a".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_key_goes_with_its_own_certificate_alone() {
        let ((cert, key), (other, _)) = (made(), made());
        let pair = Pair::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        assert!(!format!("{pair:?}").contains("PRIVATE"), "{pair:?}");
        let read = |cert: &str, key: &str| {
            Pair::from_pem(cert.as_bytes(), key.as_bytes()).map(|_| ()).unwrap_err()
        };
        assert_eq!(read(&other, &key), NoPair::Mismatch);
        assert_eq!(read("", &key), NoPair::Certificate);
        assert_eq!(read(&key, &key), NoPair::Certificate);
        assert_eq!(read(&cert, &cert), NoPair::Key);
        assert_eq!(read(&cert[..cert.len() / 2], &key), NoPair::Certificate);
        assert_eq!(read(&cert, &key[..key.len() / 2]), NoPair::Key);
    }
}
