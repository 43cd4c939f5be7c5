//! Where an API server is, whom to believe there, and who we are: as a pod is told, or as a
//! kubeconfig says.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::injector::pair::certificates;

/// The way to an API server. Shown, it says nothing that is secret.
pub(in crate::injector) struct Access {
    pub(super) server: Server,
    pub(super) roots: Text,
    /// The name in the certificate, where it is not the host.
    pub(super) server_name: Option<String>,
    pub(super) identity: Identity,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) tls: bool,
    /// A name or an address, that of IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What comes before the path of each object.
    pub(super) prefix: String,
}

/// A text that is here, or in a file that is read for each use.
pub(super) enum Text {
    Here(Vec<u8>),
    File(PathBuf),
    /// Authorities: those that the system trusts.
    System,
}

/// Who we are to the API server.
pub(super) enum Identity {
    Nobody,
    Token(Text),
    Certificate { chain: Text, key: Text },
}

impl Access {
    /// As a pod is told: the service account's folder, and the address of the API server.
    pub(in crate::injector) fn of_pod(host: &str, port: u16, account: &Path) -> Self {
        Self {
            server: Server { tls: true, host: host.to_owned(), port, prefix: String::new() },
            roots: Text::File(account.join("ca.crt")),
            server_name: None,
            identity: Identity::Token(Text::File(account.join("token"))),
        }
    }

    /// The header that says who we are.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let Identity::Token(token) = &self.identity else { return Ok(None) };
        let token = token.read("the token")?;
        let bearer = [b"Bearer ", token.trim_ascii()].concat();
        let mut value = HeaderValue::from_bytes(&bearer)
            .map_err(|_| "cannot be asked, as the token is no text for a header".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// How to speak TLS, and with whom; `None` is without.
    pub(super) fn tls(&self) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, String> {
        if !self.server.tls {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Text::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            text => {
                let found = certificates(&text.read("its authorities")?);
                roots.add_parsable_certificates(found.unwrap_or_default());
            }
        }
        if roots.is_empty() {
            return Err("cannot be trusted, as there is no authority to believe".to_owned());
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Identity::Certificate { chain, key } => {
                let chain = certificates(&chain.read("our certificate")?)
                    .ok_or("cannot be asked, as our certificate is not in PEM")?;
                let key = PrivateKeyDer::from_pem_slice(&key.read("our key")?)
                    .map_err(|_| "cannot be asked, as our key is not in PEM")?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("cannot be asked with our certificate ({error})"))?
            }
            Identity::Nobody | Identity::Token(_) => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = self.server_name.as_ref().unwrap_or(&self.server.host).clone();
        let name = ServerName::try_from(name)
            .map_err(|error| format!("has no name that a certificate can be for ({error})"))?;
        Ok(Some((Arc::new(config), name)))
    }
}

impl Server {
    /// Host and port as in a URL.
    pub(super) fn authority(&self) -> String {
        // Of names and addresses only those of IPv6 have colons.
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Text {
    fn read(&self, what: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Here(bytes) => Ok(bytes.clone()),
            Self::File(path) => fs::read(path).map_err(|error| {
                format!("cannot be asked, as {what} in {} cannot be read ({error})", path.display())
            }),
            Self::System => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;

    #[test]
    fn a_pods_account_is_read_anew_for_each_request() {
        let account = tempfile::tempdir().unwrap();
        let access = Access::of_pod("10.96.0.1", 443, account.path());
        assert_eq!(access.server.authority(), "10.96.0.1:443");
        assert!(access.authorization().unwrap_err().contains("the token in "));
        assert!(access.tls().unwrap_err().contains("its authorities in "));
        let write = |name: &str, text: &str| fs::write(account.path().join(name), text).unwrap();
        for token in ["one", "two"] {
            write("token", &format!("{token}\n"));
            let header = access.authorization().unwrap().unwrap();
            assert_eq!(header, format!("Bearer {token}"));
            assert!(header.is_sensitive());
        }
        write("ca.crt", "nothing of the kind");
        assert!(access.tls().unwrap_err().contains("no authority to believe"));
        let authority = generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem();
        write("ca.crt", &authority);
        let (_, name) = access.tls().unwrap().unwrap();
        assert_eq!(name, ServerName::try_from("10.96.0.1").unwrap());
        assert!(!format!("{access:?}").contains("two"));
    }
}
