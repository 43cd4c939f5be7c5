//! The certificate that is shown to whoever connects, which may change at any time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};

use super::pair::Pair;

/// What is served now; nothing at first. A connection keeps what it began with.
#[derive(Default)]
pub(super) struct Served {
    current: Mutex<Option<Pair>>,
}

impl Served {
    /// Serves a pair from now on. Whether it is another one than before.
    pub(super) fn set(&self, pair: Pair) -> bool {
        let mut current = self.current();
        if current.as_ref().is_some_and(|known| known.is(&pair)) {
            return false;
        }
        *current = Some(pair);
        true
    }

    /// Until when the certificate is valid, in seconds since 1970.
    pub(super) fn expires(&self) -> Option<u64> {
        self.current().as_ref().map(|pair| pair.expires)
    }

    /// How to speak TLS with those who connect: 1.3 or 1.2, HTTP/1.1.
    pub(super) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        // A resumed session would go on with a certificate that is no longer served.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn current(&self) -> MutexGuard<'_, Option<Pair>> {
        // Whatever panicked, a pair is whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().as_ref().map(|pair| Arc::clone(&pair.certified))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("expires", &self.expires()).finish_non_exhaustive()
    }
}
