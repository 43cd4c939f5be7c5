//! An authority of our own, and the certificate that it has given the webhook: what is kept in the
//! cluster, and what has to become of it next.
//!
//! Whoever trusts us is told a *bundle* of authorities. A new authority joins the bundle first, and
//! gives out certificates only once it is trusted; an old one leaves when it has expired. So at no
//! time a certificate is served that is not trusted, and no step has to happen at the same time
//! anywhere.

mod issue;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::pair::{Pair, certificates};
use super::validity::validity;

/// What certificates are to be like.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The names of the webhook; the first is the shortest.
    pub(super) names: Vec<String>,
    /// How long a certificate is good for. It is renewed when a third of that is left.
    pub(super) lifetime: Duration,
    /// The same of an authority: at least three times as long, so that it outlives what it signs.
    pub(super) authority_lifetime: Duration,
}

/// The state that all replicas share.
#[derive(Clone)]
pub(super) struct Authority {
    /// The authorities to trust. The first is the one that signs from now on.
    bundle: Vec<CertificateDer<'static>>,
    /// The key of the first.
    key: String,
    certificate: String,
    certificate_key: String,
}

/// What was changed, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    NewAuthority,
    NewCertificate,
    ExpiredAuthority,
}

/// Why a Secret holds no such state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("its {0} cannot be read")]
    Broken(&'static str),
    #[error("its ca.key is not the key of the first certificate in ca.crt")]
    OtherKey,
}

/// A certificate or key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("a certificate could not be made: {0}")]
pub(super) struct CannotIssue(#[from] rcgen::Error);

impl Authority {
    /// An authority that nobody trusts yet, and its first certificate.
    pub(super) fn new(rules: &Rules, now: u64) -> Result<Self, CannotIssue> {
        let (root, key) = issue::authority(rules, now)?;
        let (certificate, certificate_key) = issue::certificate(&key, rules, now)?;
        let key = key.serialize_pem();
        Ok(Self { bundle: vec![root], key, certificate, certificate_key })
    }

    /// What has to be instead, if anything. `trusted` is whether the whole bundle is known to be
    /// trusted by everybody.
    pub(super) fn next(
        &self,
        rules: &Rules,
        now: u64,
        trusted: bool,
    ) -> Result<Option<(Self, Change)>, CannotIssue> {
        let third = |lifetime: Duration| lifetime.as_secs() / 3;
        let left = |until: u64| until.saturating_sub(now);
        let root_expires = self.bundle.first().and_then(|root| validity(root)).map_or(0, |v| v.1);
        if left(root_expires) <= third(rules.authority_lifetime) {
            return Ok(Some((self.succeeded(rules, now)?, Change::NewAuthority)));
        }
        let expires = self.pair().map_or(0, |pair| pair.expires);
        let is_good = self.bundle_trusts(&self.bundle, rules, now);
        let is_old = left(expires) <= third(rules.lifetime)
            || !self.bundle_trusts(&self.bundle[..1], rules, now);
        // Where the old one is of no use anyway, there is nothing to wait for.
        if !is_good || (is_old && trusted) {
            return Ok(Some((self.renewed(rules, now)?, Change::NewCertificate)));
        }
        let mut shorter = self.clone();
        shorter.bundle.retain(|root| validity(root).is_some_and(|(_, until)| until > now));
        let has_expired = shorter.bundle.len() < self.bundle.len();
        Ok(has_expired.then_some((shorter, Change::ExpiredAuthority)))
    }

    /// The same certificate, and an authority that will sign the next one. The key of the one
    /// before is kept by nobody.
    pub(super) fn succeeded(&self, rules: &Rules, now: u64) -> Result<Self, CannotIssue> {
        let (root, key) = issue::authority(rules, now)?;
        let mut next = self.clone();
        next.bundle.insert(0, root);
        next.bundle.truncate(MOST_AUTHORITIES);
        next.key = key.serialize_pem();
        Ok(next)
    }

    fn renewed(&self, rules: &Rules, now: u64) -> Result<Self, CannotIssue> {
        let key = KeyPair::from_pem(&self.key)?;
        let (certificate, certificate_key) = issue::certificate(&key, rules, now)?;
        Ok(Self { certificate, certificate_key, ..self.clone() })
    }

    /// Whether those who trust `roots` believe the certificate, for each of its names.
    fn bundle_trusts(&self, roots: &[CertificateDer<'static>], rules: &Rules, now: u64) -> bool {
        let Some(chain) = certificates(self.certificate.as_bytes()) else { return false };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
        let (Ok(verifier), Some((first, rest))) = (verifier.build(), chain.split_first()) else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        rules.names.iter().all(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| verifier.verify_server_cert(first, rest, &name, &[], now).is_ok())
        })
    }

    /// The certificate with its key, if they are of use.
    pub(super) fn pair(&self) -> Option<Pair> {
        Pair::from_pem(self.certificate.as_bytes(), self.certificate_key.as_bytes()).ok()
    }

    /// The bundle in PEM, the newest authority first.
    pub(super) fn bundle_pem(&self) -> String {
        self.bundle.iter().map(|root| issue::pem(root)).collect()
    }

    /// Whether a bundle in PEM has all our authorities.
    pub(super) fn is_trusted_by(&self, pem: &[u8]) -> bool {
        let theirs = certificates(pem).unwrap_or_default();
        self.bundle.iter().all(|root| theirs.contains(root))
    }

    /// The data of a Secret.
    pub(super) fn to_data(&self) -> BTreeMap<&'static str, String> {
        let encoded = |text: &str| STANDARD.encode(text);
        BTreeMap::from([
            (BUNDLE, encoded(&self.bundle_pem())),
            (KEY, encoded(&self.key)),
            (CERTIFICATE, encoded(&self.certificate)),
            (CERTIFICATE_KEY, encoded(&self.certificate_key)),
        ])
    }

    /// Reads the data of a Secret.
    pub(super) fn from_data(data: &serde_json::Value) -> Result<Self, Unusable> {
        let text = |name: &'static str| {
            let encoded = data[name].as_str().filter(|text| !text.is_empty());
            let bytes = STANDARD.decode(encoded.ok_or(Unusable::Missing(name))?);
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or(Unusable::Broken(name))
        };
        let bundle = certificates(text(BUNDLE)?.as_bytes()).ok_or(Unusable::Broken(BUNDLE))?;
        let this = Self {
            bundle,
            key: text(KEY)?,
            certificate: text(CERTIFICATE)?,
            certificate_key: text(CERTIFICATE_KEY)?,
        };
        let key = KeyPair::from_pem(&this.key).map_err(|_| Unusable::Broken(KEY))?;
        let root = this.bundle.first().ok_or(Unusable::Broken(BUNDLE))?;
        let root = ParsedCertificate::try_from(root).map_err(|_| Unusable::Broken(BUNDLE))?;
        if root.subject_public_key_info().as_ref() != key.subject_public_key_info() {
            return Err(Unusable::OtherKey);
        }
        this.pair().map(|_| ()).ok_or(Unusable::Broken(CERTIFICATE))?;
        Ok(this)
    }
}

/// Nothing of the keys.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("authorities", &self.bundle.len()).finish_non_exhaustive()
    }
}

/// The names in the Secret, the last two as in Secrets of the type `kubernetes.io/tls`.
const BUNDLE: &str = "ca.crt";
const KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const CERTIFICATE_KEY: &str = "tls.key";
/// Far more than one after the other makes: each lives three times as long as a certificate.
const MOST_AUTHORITIES: usize = 8;

#[cfg(test)]
mod tests;
