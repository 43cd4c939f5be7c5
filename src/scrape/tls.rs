//! TLS to a source: whom to believe, and who we are.
//!
//! The cryptography is ring's: it is small, and a C compiler is all that building it takes, also for
//! musl.

mod trust;

use super::error::Cause;
use super::file;
use crate::config::{SourceTls, Trust};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to speak TLS with one source.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: SourceTls,
    /// Whom the certificate must be for.
    host: String,
    /// What was made of the files when they last changed.
    made: Mutex<Option<(Files, Arc<ClientConfig>)>>,
}

/// The files as they were read.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    pub(crate) fn new(settings: &SourceTls, host: &str) -> Self {
        let host = settings.server_name.as_deref().unwrap_or(host).to_owned();
        Self { settings: settings.clone(), host, made: Mutex::default() }
    }

    /// Speaks TLS on a connection.
    pub(crate) async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Cause> {
        let config = self.config()?;
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Cause::Tls(format!("{name} is no name that a certificate can be for")))?;
        let greeting = TlsConnector::from(config).connect(name, stream);
        greeting.await.map_err(|error| trust::cause(&error, &self.settings, &self.host))
    }

    /// The way to speak, anew where a file has changed.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Cause> {
        let authorities = match &self.settings.trust {
            Trust::File(path) => Some(file::read("ca", path)?),
            Trust::System | Trust::Anybody => None,
        };
        let identity = match &self.settings.identity {
            Some((cert, key)) => Some((file::read("cert", cert)?, file::read("key", key)?)),
            None => None,
        };
        let files = Files { authorities, identity };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, config)) = made.as_ref()
            && *known == files
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(&files)?);
        *made = Some((files, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self, files: &Files) -> Result<ClientConfig, Cause> {
        let provider = Arc::new(ring::default_provider());
        let builder = builder(&provider)?.dangerous();
        let verifier =
            trust::verifier(&self.settings.trust, files.authorities.as_deref(), provider)?;
        let builder = builder.with_custom_certificate_verifier(verifier);
        let mut config = match (&self.settings.identity, &files.identity) {
            (Some((cert_path, key_path)), Some((cert, key))) => {
                let chain = certificates("cert", cert_path, cert)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
                    file::wrong("key", key_path, "holds no private key in PEM".to_owned())
                })?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    file::wrong("key", key_path, format!("does not go with cert= ({error})"))
                })?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Cause> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::Tls(error.to_string()))
}

/// The certificates in a file, of which there must be one.
fn certificates(
    option: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| {
        file::wrong(option, path, "holds no certificate in PEM, or a broken one".to_owned())
    })
}
