//! Makes keys and certificates.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use std::fmt::Write as _;

use super::{CannotIssue, Rules};

/// A new authority, with its key.
pub(super) fn authority(
    rules: &Rules,
    now: u64,
) -> Result<(CertificateDer<'static>, KeyPair), CannotIssue> {
    let key = KeyPair::generate()?;
    let mut params = of_authority(&key);
    set_validity(&mut params, now, rules.authority_lifetime);
    Ok((params.self_signed(&key)?.der().clone(), key))
}

/// A new certificate and its key, both in PEM, signed by the authority of this key.
pub(super) fn certificate(
    authority: &KeyPair,
    rules: &Rules,
    now: u64,
) -> Result<(String, String), CannotIssue> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(rules.names.clone())?;
    params.distinguished_name = DistinguishedName::new();
    // Names have a place of their own, and this one takes 64 characters at most.
    params.distinguished_name.push(DnType::CommonName, "podmeter injector");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, rules.lifetime);
    let issuer = Issuer::new(of_authority(authority), authority);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((pem(certificate.der()), key.serialize_pem()))
}

/// A certificate in PEM.
pub(super) fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// What an authority is called follows from its key. So each has another name, by which those who
/// verify find the right one in a bundle, and the key alone is enough to sign.
fn of_authority(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = "podmeter injector authority ".to_owned();
    for byte in params.key_identifier(key).iter().take(4) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn set_validity(params: &mut CertificateParams, now: u64, lifetime: Duration) {
    let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(now.saturating_sub(SKEW));
    params.not_after = at(now + lifetime.as_secs());
}

/// How far the clock of whoever verifies may be behind ours, in seconds.
const SKEW: u64 = 300;
