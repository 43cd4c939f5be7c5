//! Reads the addresses of listeners and targets, and knows which of them are the same place.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::error::{ConfigError, shown};

/// How a host name becomes addresses.
pub type Resolve<'a> = &'a dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Asks the system: `/etc/hosts` and the name servers.
pub(super) fn system_resolver(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Every IPv4 address of this host.
pub(super) const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// This host, from within.
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Reads one listener: an address, a port alone on `bare`, or `off`.
pub(super) fn listener(
    setting: &'static str,
    text: &str,
    bare: IpAddr,
    resolve: Resolve<'_>,
) -> Result<Option<SocketAddr>, ConfigError> {
    if text == "off" {
        return Ok(None);
    }
    match address(text, bare, resolve) {
        Ok(address) => Ok(Some(address)),
        Err(wrong) => Err(wrong.of(setting, text, || {
            format!("an address and port such as {bare}:15099, a port alone, or off")
        })),
    }
}

/// Reads an address and port: `127.0.0.1:80`, `[::1]:80`, `localhost:80`, or a port alone, which
/// is one of `bare`. A host name stands for its first IPv4 address, else for its first address.
pub(super) fn address(
    text: &str,
    bare: IpAddr,
    resolve: Resolve<'_>,
) -> Result<SocketAddr, WrongAddress> {
    if let Some(port) = port(text) {
        return Ok(SocketAddr::new(bare, port));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        // `::ffff:127.0.0.1` is 127.0.0.1 under another name.
        return Ok(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let (host, port) = text
        .rsplit_once(':')
        .and_then(|(host, digits)| Some((host, port(digits)?)))
        .filter(|(host, _)| is_host_name(host))
        .ok_or(WrongAddress::Shape)?;
    let unresolved = |reason| WrongAddress::Unresolved { host: host.to_owned(), reason };
    let found = resolve(host, port).map_err(|error| unresolved(error.to_string()))?;
    let best = found.iter().find(|address| address.is_ipv4()).or(found.first());
    best.copied().ok_or_else(|| unresolved("it has no address".to_owned()))
}

/// Why a text is no address.
pub(super) enum WrongAddress {
    Shape,
    Unresolved { host: String, reason: String },
}

impl WrongAddress {
    /// The sentence for it; `expected` says what the setting takes.
    pub(super) fn of(
        self,
        setting: &'static str,
        text: &str,
        expected: impl FnOnce() -> String,
    ) -> ConfigError {
        let value = shown(text);
        match self {
            Self::Shape => ConfigError::Invalid { setting, value, expected: expected() },
            Self::Unresolved { host, reason } => {
                ConfigError::Unresolved { setting, value, host: shown(&host), reason }
            }
        }
    }
}

/// Whether two listeners cannot both have their port. IPv6 listeners take IPv6 connections only,
/// so the families do not meet; port 0 becomes a free port each time.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Whether a connection to `target` surely arrives at the listener on `listen`. Of the addresses
/// of this host only the loopback ones are known here.
pub(super) fn reaches(target: SocketAddr, listen: SocketAddr) -> bool {
    // Connecting to the unspecified address means the loopback one (connect(2) on Linux).
    let ip = match target.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => LOOPBACK,
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    listen.port() != 0
        && target.port() == listen.port()
        && ip.is_ipv4() == listen.is_ipv4()
        && (ip == listen.ip() || (listen.ip().is_unspecified() && ip.is_loopback()))
}

/// Reads a port number: digits alone, no sign.
pub(super) fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a text may be asked of a name server (RFC 1123, 2.1, and the underscore that is common
/// in practice). What ends in a number is a misspelt address, never a name.
pub(super) fn is_host_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    text.len() <= 253 && text.split('.').all(label) && !number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_wildcard_overlaps_every_address_of_its_family() {
        for (one, other, overlaps) in [
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("10.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
            ("0.0.0.0:80", "0.0.0.0:81", false),
            ("0.0.0.0:0", "0.0.0.0:0", false),
            ("0.0.0.0:80", "[::]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
        ] {
            assert_eq!(overlap(at(one), at(other)), overlaps, "{one} and {other}");
        }
    }

    #[test]
    fn a_loopback_target_reaches_a_wildcard_listener_of_its_port() {
        for (target, listen, reached) in [
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.9.9.9:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::1]:80", "[::]:80", true),
            ("[::]:80", "[::1]:80", true),
            ("10.0.0.1:80", "10.0.0.1:80", true),
            ("10.0.0.1:80", "0.0.0.0:80", false),
            ("127.0.0.1:80", "[::]:80", false),
            ("127.0.0.1:80", "0.0.0.0:0", false),
        ] {
            assert_eq!(reaches(at(target), at(listen)), reached, "{target} to {listen}");
        }
    }

    #[test]
    fn a_misspelt_address_is_not_asked_of_a_name_server() {
        for text in ["300.1.1.1:80", "127.1:80", "0x7f000001:80", "::1:80", "a b:80", ":80", "a:"] {
            let asked = |_: &str, _| -> io::Result<Vec<SocketAddr>> { panic!("asked for {text}") };
            assert!(matches!(address(text, LOOPBACK, &asked), Err(WrongAddress::Shape)), "{text}");
        }
    }

    #[test]
    fn a_host_name_stands_for_its_first_ipv4_address() {
        let both = |_: &str, port| {
            Ok(vec![at("[::1]:1"), at("127.0.0.1:1"), at("10.0.0.1:1")]
                .into_iter()
                .map(|found: SocketAddr| SocketAddr::new(found.ip(), port))
                .collect())
        };
        assert_eq!(address("localhost:80", EVERYWHERE, &both).ok(), Some(at("127.0.0.1:80")));
        let mapped = address("[::ffff:127.0.0.1]:80", EVERYWHERE, &both);
        assert_eq!(mapped.ok(), Some(at("127.0.0.1:80")));
    }
}
