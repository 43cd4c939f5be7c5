//! Whom to believe that they are who they say, and how to tell a person why not.

use super::certificates;
use crate::config::{SourceTls, Trust};
use crate::scrape::error::Cause;
use crate::scrape::file;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use std::io;
use std::sync::Arc;

/// Who decides whether a certificate is believed. `authorities` is the file of [`Trust::File`].
pub(super) fn verifier(
    trust: &Trust,
    authorities: Option<&[u8]>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Cause> {
    let (roots, pinned) = match (trust, authorities) {
        (Trust::Anybody, _) => return Ok(Arc::new(Credulous(provider))),
        (Trust::File(path), Some(pem)) => {
            let found = certificates("ca", path, pem)?;
            let mut roots = RootCertStore::empty();
            for certificate in &found {
                roots.add(certificate.clone()).map_err(|error| {
                    file::wrong("ca", path, format!("holds a certificate of no use ({error})"))
                })?;
            }
            (roots, found)
        }
        _ => (system()?, Vec::new()),
    };
    let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let strict = strict.map_err(|error| Cause::Tls(error.to_string()))?;
    Ok(Arc::new(Discerning { strict, pinned }))
}

/// What a failed greeting comes to, as a sentence with what may help.
pub(super) fn cause(error: &io::Error, settings: &SourceTls, host: &str) -> Cause {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                let why = "the connection ended before TLS was agreed on; is it http://?";
                Cause::Tls(why.to_owned())
            }
            _ => Cause::Tls(error.to_string()),
        };
    };
    Cause::Tls(match error {
        Error::InvalidCertificate(wrong) => certificate(wrong, settings, host),
        Error::InvalidMessage(_) => "what answers there is not TLS; is it http://?".to_owned(),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
        ) => format!("it refused our certificate, or wants one (cert=, key=): {error}"),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("it does not know the name {host}; give it another with server-name=")
        }
        other => other.to_string(),
    })
}

fn certificate(wrong: &CertificateError, settings: &SourceTls, host: &str) -> String {
    match wrong {
        CertificateError::UnknownIssuer => match settings.trust {
            Trust::File(_) => "its certificate is from nobody in the file of ca=".to_owned(),
            _ => "its certificate is from nobody whom this system trusts; name a file with the \
                  certificate of its authority, or with its own, with ca="
                .to_owned(),
        },
        CertificateError::NotValidForName => {
            format!("its certificate is not for {host}; name whom it is for with server-name=")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            if names.is_empty() {
                return "its certificate is for no host at all (it has no subjectAltName); it can \
                        be believed only where ca= names a file with that very certificate"
                    .to_owned();
            }
            let names = names.join(", ");
            format!(
                "its certificate is not for {host} but for {names}; name whom it is for with \
                 server-name="
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        other => format!("its certificate cannot be believed ({other})"),
    }
}

/// The name in `DnsName("shop.example")` or `IpAddress(127.0.0.1)`.
fn bare(presented: &str) -> &str {
    let inside = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(presented).trim_matches('"')
}

/// The authorities that the system trusts.
fn system() -> Result<RootCertStore, Cause> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "this system has no list of authorities to trust; name a file of them with ca=";
        return Err(Cause::Tls(why.to_owned()));
    }
    Ok(roots)
}

/// Believes what the authorities have signed, and the certificates in their file themselves.
#[derive(Debug)]
struct Discerning {
    strict: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Discerning {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let strict = self.strict.verify_server_cert(certificate, intermediates, name, stapled, now);
        let Err(Error::InvalidCertificate(wrong)) = &strict else { return strict };
        if !self.pinned.iter().any(|pinned| pinned == certificate) {
            return strict;
        }
        // Whoever names this very certificate means it, also where it has what the certificate of
        // a server should not. Dates are looked at first, so they are good.
        let named = match wrong {
            // It is its own authority, as `openssl req -x509` makes them.
            CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            }
            other => Err(Error::InvalidCertificate(other.clone())),
        };
        match named {
            // It is for nobody by name, or only in the way that was given up in 2000 (RFC 2818, 3.1).
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            })) if presented.is_empty() => Ok(ServerCertVerified::assertion()),
            named => named.map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// Believes everybody that they are whoever they say (`insecure-skip-verify=true`). That they have
/// the key of the certificate they show is still asked for.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
