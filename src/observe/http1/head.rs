//! Reads the head of an HTTP/1 message: where it ends, and the few facts that framing needs.
//!
//! Strict on purpose: a head that two servers could read differently (a bare LF, a folded line,
//! white space before a colon, two lengths) is not understood rather than read one way
//! (RFC 9112, sections 2.2, 5 and 6.3).

mod fields;

use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::host::HostId;
use crate::observe::http2::H2cSettings;
use crate::observe::path::Path;
use crate::observe::sniff::is_token;
use crate::observe::trace::Trace;
use crate::observe::{Method, Reason, Rules, Version};
use fields::{Coding, Fields, Length, list, trim};

/// What a request's head says about itself and its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is said or is not")]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) version: Version,
    pub(super) host: HostId,
    pub(super) framing: Framing,
    /// The client will send no further request on this connection.
    pub(super) last: bool,
    /// The client offers to go on in another protocol (RFC 9110, 7.8).
    pub(super) upgrade: bool,
    /// Among them is `WebSocket`.
    pub(super) websocket: bool,
    /// Among them is HTTP/2, with these settings.
    pub(super) h2c: Option<H2cSettings>,
    /// gRPC-Web, by its content type.
    pub(super) content: ContentKind,
    /// The client is the kubelet, by its user agent.
    pub(super) probe: bool,
    /// The trace that it is part of, if that is sampled.
    pub(super) trace: Option<Trace>,
}

/// What a response's head says about itself and its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    /// How the body is framed, for a status and a method that allow one; the reason where that
    /// is open to debate.
    pub(super) framing: Result<Framing, Reason>,
    /// The app will send no further response on this connection.
    pub(super) last: bool,
    /// Where the connection goes on after a 101.
    pub(super) upgrade: Upgrade,
    /// A trailers-only answer of gRPC-Web has it here.
    pub(super) grpc_status: GrpcStatus,
}

/// The protocol that an `Upgrade` field of a response names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    WebSocket,
    H2c,
    Other,
}

/// How a message body ends (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No field says anything: no body in a request, until the connection closes in a response.
    Unsaid,
    Length(u64),
    Chunked,
}

/// Where the head that `bytes` begin with ends, if it ends here: after the first empty line.
/// Looks for it from `from` on, which may stand up to 3 bytes before news.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..])
        .map(|lf| from + lf)
        .find(|&lf| lf >= 3 && bytes[lf - 3..lf] == *b"\r\n\r")
        .map(|lf| lf + 1)
}

/// Reads the request head that `bytes` begin with, and gives its length. To one that is not whole
/// it says that it is malformed; the length is what [`end`] finds. A path that is new is only kept
/// where there is room for it.
pub(super) fn request(
    bytes: &[u8],
    rules: &Rules,
    has_room: bool,
) -> Result<(RequestHead, usize), Reason> {
    let (first, fields) = line(bytes).ok_or(Reason::MalformedRequest)?;
    let (method, target, minor) = request_line(first).ok_or(Reason::MalformedRequest)?;
    let (fields, rest) = Fields::read(fields).ok_or(Reason::MalformedRequest)?;
    let framing = match (fields.coding, fields.length) {
        (Coding::None, Length::None) => Framing::Unsaid,
        (Coding::None, Length::One(length)) => Framing::Length(length),
        // HTTP/1.0 has no transfer codings; with Content-Length beside, servers differ (RFC 9112, 6.1).
        (Coding::Chunked, Length::None) if minor == 1 => Framing::Chunked,
        _ => return Err(Reason::AmbiguousRequestLength),
    };
    let upgrade = fields.upgrade.filter(|_| fields.connection_upgrade && minor == 1);
    let offers = |protocol: &[u8]| {
        upgrade.is_some_and(|value| list(value).any(|item| item.eq_ignore_ascii_case(protocol)))
    };
    let head = RequestHead {
        method,
        path: rules.path(target, has_room && !(fields.probe && rules.probes_apart)),
        version: if minor == 1 { Version::Http11 } else { Version::Http10 },
        host: fields.host.map_or(HostId::UNKNOWN, |host| rules.hosts.find(host)),
        framing,
        last: fields.is_last(minor),
        upgrade: upgrade.is_some(),
        websocket: offers(b"websocket"),
        h2c: fields.h2c_settings.filter(|_| offers(b"h2c")).and_then(H2cSettings::read),
        content: fields.content,
        probe: fields.probe,
        trace: fields.trace.trace(),
    };
    Ok((head, bytes.len() - rest.len()))
}

/// Reads the well-formed response head that `bytes` begin with, and gives its length; `None` also
/// where it is not whole.
pub(super) fn response(bytes: &[u8]) -> Option<(ResponseHead, usize)> {
    let (first, fields) = line(bytes)?;
    let (status, minor) = status_line(first)?;
    let (fields, rest) = Fields::read(fields)?;
    let framing = match (fields.coding, fields.length) {
        (Coding::None, Length::None) => Ok(Framing::Unsaid),
        (Coding::None, Length::One(length) | Length::Repeated(length)) => {
            Ok(Framing::Length(length))
        }
        (Coding::Chunked, Length::None) if minor == 1 => Ok(Framing::Chunked),
        // A final coding that is not chunked ends with the connection (RFC 9112, 6.3).
        (Coding::Other | Coding::ChunkedInside, Length::None) if minor == 1 => Ok(Framing::Unsaid),
        _ => Err(Reason::AmbiguousResponseLength),
    };
    let upgrade = match fields.upgrade.map(trim) {
        Some(value) if value.eq_ignore_ascii_case(b"websocket") => Upgrade::WebSocket,
        Some(value) if value.eq_ignore_ascii_case(b"h2c") => Upgrade::H2c,
        _ => Upgrade::Other,
    };
    let (last, grpc_status) = (fields.is_last(minor), fields.grpc_status);
    let head = ResponseHead { status, framing, last, upgrade, grpc_status };
    Some((head, bytes.len() - rest.len()))
}

/// Reads a whole response head, as cut by [`end`], well-formed or not.
pub(super) fn any_response(head: &[u8]) -> Result<ResponseHead, Reason> {
    if let Some((read, _)) = response(head) {
        return Ok(read);
    }
    loose_response(head).ok_or(Reason::MalformedResponse)
}

/// Reads no more than the status: every client reads that, and none agree on what is malformed
/// after it. The first line may end in a bare LF.
pub(super) fn loose_response(head: &[u8]) -> Option<ResponseHead> {
    let first = head.get(..memchr::memchr(b'\n', head)?)?;
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let (status, _) = status_line(first).filter(|_| text_length(first) == first.len())?;
    Some(ResponseHead {
        status,
        framing: Err(Reason::MalformedResponse),
        last: true,
        upgrade: Upgrade::Other,
        grpc_status: GrpcStatus::NONE,
    })
}

/// How many bytes of `rest` it takes to the end of the first line, of the head that begins in
/// `partial`, that ends in LF alone. Some clients take that for the end of a line, so the head may
/// never come to an end that all agree on. `partial` holds no such line, nor a whole head.
pub(super) fn until_bare_lf(partial: &[u8], rest: &[u8]) -> Option<usize> {
    let before = |at: usize, back: usize| match at.checked_sub(back) {
        Some(at) => Some(rest[at]),
        None => partial.len().checked_sub(back - at).map(|at| partial[at]),
    };
    for lf in memchr::memchr_iter(b'\n', rest) {
        if before(lf, 1) != Some(b'\r') {
            return Some(lf + 1);
        }
        if before(lf, 2) == Some(b'\n') {
            // The empty line: the head ends here, and what follows is not part of it.
            return None;
        }
    }
    None
}

/// Whether `bytes` can still become a status line.
pub(super) fn could_be_status_line(bytes: &[u8]) -> bool {
    let prefix = b"HTTP/1.";
    let len = bytes.len().min(prefix.len());
    bytes[..len] == prefix[..len]
}

/// The line that `bytes` begin with, and what comes after its end. A line holds no control
/// characters but tabs (RFC 9110, 5.5).
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text_length(bytes);
    let rest = bytes[end..].strip_prefix(b"\r\n")?;
    Some((&bytes[..end], rest))
}

/// How many bytes come before the first control character that is no tab.
fn text_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (eights, rest) = bytes.as_chunks::<8>();
    let is_control = |&b: &u8| (b < b' ' && b != b'\t') || b == 0x7f;
    for (i, eight) in eights.iter().enumerate() {
        // Eight bytes at once: the high bit of those below a space or equal to DEL. A byte behind
        // the first such may be marked by mistake, and that does no harm.
        let word = u64::from_le_bytes(*eight);
        let deleted = word ^ (ONES * 0x7f);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (low | (deleted.wrapping_sub(ONES) & !deleted)) & (ONES * 0x80);
        if marks == 0 {
            continue;
        }
        let first = marks.trailing_zeros() as usize / 8;
        if eight[first] != b'\t' {
            return i * 8 + first;
        }
        if let Some(at) = eight.iter().position(is_control) {
            return i * 8 + at;
        }
    }
    let at = eights.len() * 8;
    at + rest.iter().position(is_control).unwrap_or(rest.len())
}

/// `method SP request-target SP HTTP-version` (RFC 9112, 3). Gives the target, and the minor
/// version.
fn request_line(line: &[u8]) -> Option<(Method, &[u8], u8)> {
    let space = memchr::memchr(b' ', line)?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    let (target, version) = rest.split_at_checked(rest.len().checked_sub(9)?)?;
    let minor = match version {
        b" HTTP/1.1" => 1,
        b" HTTP/1.0" => 0,
        _ => return None,
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return None;
    }
    // Servers agree on any target without white space; what they do not take they answer.
    if !target.iter().all(|&b| b > b' ' && b != 0x7f) {
        return None;
    }
    let method = Method::read(method);
    let has_form = match method {
        Method::Connect => !target.is_empty(),
        Method::Options if target == b"*" => true,
        _ => target.first() == Some(&b'/') || memchr::memmem::find(target, b"://").is_some(),
    };
    has_form.then_some((method, target, minor))
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112, 4); the last space is often
/// left out and everyone takes that.
fn status_line(line: &[u8]) -> Option<(u16, u8)> {
    let (version, rest) = line.split_at_checked(9)?;
    let minor = match version {
        b"HTTP/1.1 " => 1,
        b"HTTP/1.0 " => 0,
        _ => return None,
    };
    let (code, phrase) = rest.split_at_checked(3)?;
    let digits = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
    let phrase_ok = phrase.is_empty() || phrase[0] == b' ';
    let status = code.iter().fold(0, |status, &digit| status * 10 + u16::from(digit & 0xf));
    (digits && phrase_ok).then_some((status, minor))
}

#[cfg(test)]
mod tests;
