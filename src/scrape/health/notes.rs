//! What to know of how a source is asked, for whoever looks at `/sources`.

use crate::config::{AppMetrics, Authorization, HeaderText, Place, SourceMode, Trust};

/// What is said of a source whose certificate nobody looks at.
pub(super) const ANYBODY: &str = "insecure-skip-verify=true: any certificate is believed, so whoever is between can read and \
     change everything";

/// All there is to know of a source.
pub(super) fn of(source: &AppMetrics) -> Vec<&'static str> {
    let mut notes = Vec::new();
    match &source.mode {
        SourceMode::Plain => {}
        SourceMode::Label => notes.push("mode=label: its samples have a label for it"),
        SourceMode::Sum(_) => notes.push("mode=sum: its samples are added to others'"),
    }
    match source.tls.as_ref().map(|tls| &tls.trust) {
        Some(Trust::System) => notes.push("https, to whom the system's authorities vouch for"),
        Some(Trust::File(_)) => notes.push("https, to whom the authorities of ca= vouch for"),
        Some(Trust::Anybody) => notes.push(ANYBODY),
        None => {}
    }
    let secret = match &source.authorization {
        Authorization::None => source
            .headers
            .iter()
            .any(|header| header.name == http::header::AUTHORIZATION)
            .then_some("asked with the Authorization of a header of its own"),
        Authorization::Basic(_) | Authorization::BasicPassword { .. } => {
            Some("asked with a user and password from a file")
        }
        Authorization::Bearer(_) => Some("asked with a token from a file"),
        Authorization::Forwarded => Some("asked with the Authorization of whoever scrapes"),
    };
    notes.extend(secret);
    if source.headers.iter().any(|header| matches!(header.value, HeaderText::File(_))) {
        notes.push("asked with headers from files");
    }
    if secret.is_some() && source.tls.is_none() && !is_near(source.url.place()) {
        notes.push("not encrypted: its password or token can be read on the way");
    }
    notes
}

/// Whether the way there does not leave the pod.
fn is_near(place: &Place) -> bool {
    match place {
        Place::Socket(_) => true,
        Place::Network { host, .. } => {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}
