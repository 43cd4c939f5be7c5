//! Reads a TLS client hello (RFC 8446, 4.1.2): what the client asks for before all is encrypted.
//!
//! Nothing is claimed of what follows. Where Encrypted Client Hello hides the real name, the outer
//! one is what there is to see.

use super::host::{HostId, KnownHosts};

/// What a client hello says in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tls {
    /// Which of the pod's own names the client wants (SNI); `None` where it names no host.
    pub server_name: Option<HostId>,
    /// The protocol it would like best (ALPN).
    pub alpn: Alpn,
    /// The highest version it offers.
    pub version: TlsVersion,
}

/// The first protocol that a client offers (RFC 7301).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alpn {
    /// None.
    #[default]
    None,
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
    /// Another.
    Other,
}

impl Alpn {
    /// As a metric label; empty for none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
            Self::Other => "other",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// The hello could not be read.
    #[default]
    Unknown,
    /// SSL 3.0.
    Ssl3,
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ssl3 => "ssl3",
            Self::Tls10 => "1.0",
            Self::Tls11 => "1.1",
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    /// Values that are reserved to keep others tolerant (GREASE, RFC 8701) are no versions.
    fn read(number: u16) -> Self {
        match number {
            0x0300 => Self::Ssl3,
            0x0301 => Self::Tls10,
            0x0302 => Self::Tls11,
            0x0303 => Self::Tls12,
            0x0304 => Self::Tls13,
            _ => Self::Unknown,
        }
    }
}

/// Puts a client hello together, which may come in any pieces and in several records.
#[derive(Debug, Default)]
pub(super) struct Hello {
    seen: Vec<u8>,
    /// It cannot be whole before so many bytes have come.
    needed: usize,
}

impl Hello {
    /// Takes more bytes. Gives what the hello says once it is whole, or cannot become so within
    /// `max` bytes.
    pub(super) fn take(&mut self, bytes: &[u8], hosts: &KnownHosts, max: usize) -> Option<Tls> {
        let room = max.saturating_sub(self.seen.len());
        self.seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.seen.len() < self.needed && bytes.len() <= room {
            return None;
        }
        match whole(&self.seen) {
            Ok(hello) => Some(read(&hello, hosts).unwrap_or_default()),
            Err(Missing::Until(needed)) if needed <= max && bytes.len() <= room => {
                self.needed = needed;
                None
            }
            Err(_) => Some(Tls::default()),
        }
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.seen.capacity()
    }
}

/// Why there is no whole hello.
enum Missing {
    /// So many bytes must have come.
    Until(usize),
    /// This is none.
    Broken,
}

/// The body of the client hello in the records that `seen` begins with (RFC 8446, 5.1).
fn whole(seen: &[u8]) -> Result<Vec<u8>, Missing> {
    let mut handshake = Vec::new();
    let mut at = 0;
    loop {
        let (head, end) = (seen.get(at..at + RECORD_HEAD), at + RECORD_HEAD);
        let Some(&[kind, major, _, l0, l1]) = head else { return Err(Missing::Until(end)) };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if kind != HANDSHAKE || major != 3 || length == 0 {
            return Err(Missing::Broken);
        }
        let fragment = seen.get(end..end + length).ok_or(Missing::Until(end + length))?;
        handshake.extend_from_slice(fragment);
        at = end + length;
        if let [kind, l0, l1, l2, body @ ..] = handshake.as_slice() {
            if *kind != CLIENT_HELLO {
                return Err(Missing::Broken);
            }
            let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
            if let Some(body) = body.get(..length) {
                return Ok(body.to_vec());
            }
        }
    }
}

fn read(mut hello: &[u8], hosts: &KnownHosts) -> Option<Tls> {
    let hello = &mut hello;
    let legacy = number(hello)?;
    take(hello, RANDOM)?;
    for length_bytes in [1, 2, 1] {
        // The session, the cipher suites, the compression methods.
        vector(hello, length_bytes)?;
    }
    let mut tls = Tls { version: TlsVersion::read(legacy), ..Tls::default() };
    if hello.is_empty() {
        return Some(tls);
    }
    let mut extensions = vector(hello, 2)?;
    while !extensions.is_empty() {
        let kind = number(&mut extensions)?;
        let mut value = vector(&mut extensions, 2)?;
        match kind {
            SERVER_NAME => server_name(&mut value, hosts, &mut tls)?,
            ALPN => tls.alpn = alpn(&mut value)?,
            SUPPORTED_VERSIONS => {
                let versions = vector(&mut value, 1)?.chunks_exact(2);
                let versions = versions.map(|v| TlsVersion::read(u16::from_be_bytes([v[0], v[1]])));
                tls.version = versions.max().unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(tls)
}

/// The host among the names (RFC 6066, 3); there is no other kind of name.
fn server_name(value: &mut &[u8], hosts: &KnownHosts, tls: &mut Tls) -> Option<()> {
    let mut names = vector(value, 2)?;
    while !names.is_empty() {
        let kind = take(&mut names, 1)?;
        let name = vector(&mut names, 2)?;
        if kind == [HOST_NAME] {
            tls.server_name.get_or_insert(hosts.find(name));
        }
    }
    Some(())
}

/// Names that are reserved to keep others tolerant (GREASE, RFC 8701) are two equal bytes that end
/// in `a`.
fn alpn(value: &mut &[u8]) -> Option<Alpn> {
    let mut names = vector(value, 2)?;
    while !names.is_empty() {
        match vector(&mut names, 1)? {
            [a, b] if a == b && a & 0xf == 0xa => {}
            b"h2" => return Some(Alpn::H2),
            b"http/1.1" => return Some(Alpn::Http11),
            _ => return Some(Alpn::Other),
        }
    }
    Some(Alpn::None)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (here, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(here)
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (here, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u16::from_be_bytes(*here))
}

/// As many bytes as the first ones say (RFC 8446, 3.4).
fn vector<'a>(rest: &mut &'a [u8], length_bytes: usize) -> Option<&'a [u8]> {
    let length = take(rest, length_bytes)?;
    let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
    take(rest, length)
}

const RECORD_HEAD: usize = 5;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RANDOM: usize = 32;
const HOST_NAME: u8 = 0;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

#[cfg(test)]
mod tests;
