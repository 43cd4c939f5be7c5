//! The fields of a head that matter, gathered over all its lines.

use super::line;
use crate::observe::grpc::{self, ContentKind, GrpcStatus};
use crate::observe::is_kubelet;
use crate::observe::sniff::is_token;
use crate::observe::trace::{Told, TraceName};

/// The fields that framing needs, gathered over all lines.
#[expect(clippy::struct_excessive_bools, reason = "each is a token that was seen or was not")]
pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) length: Length,
    pub(super) coding: Coding,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) connection_upgrade: bool,
    pub(super) upgrade: Option<&'a [u8]>,
    pub(super) h2c_settings: Option<&'a [u8]>,
    pub(super) content: ContentKind,
    pub(super) grpc_status: GrpcStatus,
    pub(super) probe: bool,
    pub(super) trace: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    None,
    One(u64),
    /// The same value more than once, in one field or in several.
    Repeated(u64),
    Conflicting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    /// `chunked` once, and last.
    Chunked,
    /// Codings, but not `chunked`.
    Other,
    /// `chunked` once, and then another.
    ChunkedInside,
    /// `chunked` twice.
    Conflicting,
}

impl<'a> Fields<'a> {
    /// Reads field lines up to the empty one, and gives what comes after that; `None` if any is
    /// malformed or missing.
    pub(super) fn read(mut lines: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut fields = Self {
            host: None,
            length: Length::None,
            coding: Coding::None,
            close: false,
            keep_alive: false,
            connection_upgrade: false,
            upgrade: None,
            h2c_settings: None,
            content: ContentKind::Other,
            grpc_status: GrpcStatus::NONE,
            probe: false,
            trace: Told::default(),
        };
        loop {
            let (field, rest) = line(lines)?;
            lines = rest;
            if field.is_empty() {
                return Some((fields, rest));
            }
            let colon = field.iter().position(|&b| !is_token(b))?;
            if field[colon] != b':' || colon == 0 {
                return None;
            }
            fields.take(&field[..colon], &field[colon + 1..]);
        }
    }

    /// Takes in one field; white space around `value` does not belong to it.
    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                // Two Hosts: servers differ on which one counts, so neither does.
                self.host = Some(if self.host.is_none() { trim(value) } else { b"" });
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = Some(value),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                }
            }
            10 if name.eq_ignore_ascii_case(b"user-agent") => {
                self.probe = is_kubelet(trim(value));
            }
            11 if name.eq_ignore_ascii_case(b"grpc-status") => {
                self.grpc_status = GrpcStatus::read(trim(value));
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                self.content = grpc::content_kind(trim(value));
            }
            14 if name.eq_ignore_ascii_case(b"http2-settings") => {
                self.h2c_settings = Some(trim(value));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                for item in value.split(|&b| b == b',') {
                    self.length = self.length.and(decimal(trim(item)));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                // An empty field is there all the same: servers differ on what it means.
                self.coding = if self.coding == Coding::None { Coding::Other } else { self.coding };
                for coding in list(value) {
                    self.coding = match (self.coding, coding.eq_ignore_ascii_case(b"chunked")) {
                        (Coding::None | Coding::Other, true) => Coding::Chunked,
                        (_, true) => Coding::Conflicting,
                        (Coding::Chunked, false) => Coding::ChunkedInside,
                        (other, false) => other,
                    };
                }
            }
            _ => {
                if let Some(name) = TraceName::of(name) {
                    self.trace.take(name.with(trim(value)));
                }
            }
        }
    }

    /// Whether the connection ends after this message (RFC 9112, 9.3).
    pub(super) fn is_last(&self, minor: u8) -> bool {
        self.close || (minor == 0 && !self.keep_alive)
    }
}

impl Length {
    fn and(self, next: Option<u64>) -> Self {
        match (self, next) {
            (Self::None, Some(length)) => Self::One(length),
            (Self::One(seen) | Self::Repeated(seen), Some(length)) if seen == length => {
                Self::Repeated(length)
            }
            _ => Self::Conflicting,
        }
    }
}

/// The non-empty members of a comma-separated list (RFC 9110, 5.6.1).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim).filter(|item| !item.is_empty())
}

/// Digits only; `None` also where they do not fit.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then_some(u64::from(digit & 0xf))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
