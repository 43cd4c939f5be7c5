//! Where a probe asks, and where a redirect leads from there.

use http::Uri;
use http::uri::PathAndQuery;
use std::net::{IpAddr, SocketAddr};

/// Where a GET goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether through TLS.
    pub(super) tls: bool,
    pub(super) address: SocketAddr,
    /// Path and query.
    pub(super) target: Uri,
}

/// Where a `Location` leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the same host, without naming it.
    Within(Place),
    /// The same, and it names the host.
    Named(Place),
    /// To another host.
    Away,
    /// Nowhere that a GET could go.
    Nowhere,
}

impl Place {
    /// Resolves a `Location` (RFC 3986, 5.2). Hosts are the same when their addresses are: the
    /// kubelet asks by address, too, and knows no other name of the pod.
    pub(super) fn follow(&self, location: &str) -> Way {
        let location = location.split('#').next().unwrap_or_default();
        let scheme = if self.tls { "https" } else { "http" };
        let absolute = match location.split_once(':') {
            Some((before, _)) if is_scheme(before) => location.to_owned(),
            _ if location.starts_with("//") => format!("{scheme}:{location}"),
            _ => return self.within(location).map_or(Way::Nowhere, Way::Within),
        };
        let Some((scheme, rest)) = absolute.split_once("://") else { return Way::Away };
        // A path may be missing, and http::Uri knows no path that is none.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let Ok(authority) = authority.parse::<http::uri::Authority>() else { return Way::Nowhere };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.parse::<IpAddr>() != Ok(self.address.ip()) {
            return Way::Away;
        }
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Way::Nowhere,
        };
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let address = SocketAddr::new(self.address.ip(), port);
        let root = Self { tls, address, target: Uri::from_static("/") };
        root.within(path).map_or(Way::Nowhere, Way::Named)
    }

    /// The same with another path, as a reference names it.
    fn within(&self, reference: &str) -> Option<Self> {
        let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
        let known = self.target.path();
        let path = match path {
            "" => known.to_owned(),
            path if path.starts_with('/') => without_dots(path),
            path => {
                let folder = known.rfind('/').map_or("", |end| &known[..end]);
                without_dots(&format!("{folder}/{path}"))
            }
        };
        let target = PathAndQuery::try_from(format!("{path}{query}")).ok()?;
        Some(Self { target: target.into(), ..self.clone() })
    }
}

/// `http` and the like (RFC 3986, 3.1); a path with a colon begins otherwise.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// The path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => {
                kept.push(part);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        let (scheme, rest) = text.split_once("://").unwrap();
        let (address, path) = rest.split_at(rest.find('/').unwrap());
        let target = path.parse().unwrap();
        Place { tls: scheme == "https", address: address.parse().unwrap(), target }
    }

    #[test]
    fn a_location_on_the_same_host_is_resolved_as_the_standard_says() {
        let from = place("https://10.0.0.7:8443/a/b?c=d");
        for (location, leads) in [
            ("/x", "https://10.0.0.7:8443/x"),
            ("/x?y=z#there", "https://10.0.0.7:8443/x?y=z"),
            ("x", "https://10.0.0.7:8443/a/x"),
            ("./x/", "https://10.0.0.7:8443/a/x/"),
            ("../x", "https://10.0.0.7:8443/x"),
            ("../../../x/./y/..", "https://10.0.0.7:8443/x/"),
            ("?y", "https://10.0.0.7:8443/a/b?y"),
            ("/a:b", "https://10.0.0.7:8443/a:b"),
        ] {
            assert_eq!(from.follow(location), Way::Within(place(leads)), "{location}");
        }
        for (location, leads) in [
            ("https://10.0.0.7:8443/x", "https://10.0.0.7:8443/x"),
            ("//10.0.0.7:8443", "https://10.0.0.7:8443/"),
            ("http://10.0.0.7/x", "http://10.0.0.7:80/x"),
            ("HTTPS://10.0.0.7?x", "https://10.0.0.7:443/?x"),
        ] {
            assert_eq!(from.follow(location), Way::Named(place(leads)), "{location}");
        }
        let six = place("http://[fd00::7]:80/");
        let leads = Way::Named(place("http://[fd00::7]:81/x"));
        assert_eq!(six.follow("http://[fd00:0::7]:81/x"), leads);
    }

    #[test]
    fn another_host_is_away_and_what_is_no_url_leads_nowhere() {
        let from = place("https://10.0.0.7:8443/");
        for away in ["https://shop.example/x", "//10.0.0.8/", "http://localhost", "mailto:a@b"] {
            assert_eq!(from.follow(away), Way::Away, "{away}");
        }
        for nowhere in ["/a b", "https://[/x", "ftp://10.0.0.7/", "https:///x", "/\u{7f}"] {
            assert_eq!(from.follow(nowhere), Way::Nowhere, "{nowhere}");
        }
    }
}
