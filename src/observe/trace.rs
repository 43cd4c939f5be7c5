//! Which trace a request belongs to, as its head says: W3C Trace Context or B3.
//!
//! Only a trace that is kept somewhere is of use to who reads numbers, so one that is not sampled
//! is none. The headers are the client's word; they choose nothing but what is shown as an example.

use std::num::NonZeroU64;

/// A trace that is being recorded, and the span that a request is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    // Bytes, as numbers would ask for more room in what is kept of each stream.
    span: [u8; 8],
}

/// The number of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId {
    high: [u8; 8],
    low: [u8; 8],
    is_short: bool,
}

impl Trace {
    /// The request of a span.
    pub fn new(id: TraceId, span: NonZeroU64) -> Self {
        Self { id, span: span.get().to_ne_bytes() }
    }

    /// The number of the span.
    pub fn span(self) -> u64 {
        u64::from_ne_bytes(self.span)
    }
}

impl TraceId {
    /// One of 128 bits, by its halves.
    pub fn long(high: u64, low: u64) -> Self {
        Self { high: high.to_ne_bytes(), low: low.to_ne_bytes(), is_short: false }
    }

    /// One that was told in 64 bits, as older tracers do, and is looked for in that spelling.
    pub fn short(low: u64) -> Self {
        Self { is_short: true, ..Self::long(0, low) }
    }

    /// Its upper half.
    pub fn high(self) -> u64 {
        u64::from_ne_bytes(self.high)
    }

    /// Its lower half.
    pub fn low(self) -> u64 {
        u64::from_ne_bytes(self.low)
    }

    /// Whether it was told in 64 bits.
    pub fn is_short(self) -> bool {
        self.is_short
    }

    /// As it is spelt everywhere: hexadecimal digits, lower case.
    pub fn to_text(self) -> String {
        if self.is_short {
            return format!("{:016x}", self.low());
        }
        format!("{:016x}{:016x}", self.high(), self.low())
    }
}

/// A header field that says something of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TraceName {
    /// `traceparent` (W3C Trace Context, 3.2).
    Traceparent,
    /// `b3`, all in one.
    B3,
    /// `x-b3-traceid`
    Id,
    /// `x-b3-spanid`
    Span,
    /// `x-b3-sampled`
    Sampled,
    /// `x-b3-flags`, of which 1 is a trace that is recorded whoever else decides.
    Flags,
}

impl TraceName {
    /// The field that is called so, whatever the case of its letters.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let (known, field): (&[u8], _) = match name.len() {
            2 => (b"b3", Self::B3),
            10 => (b"x-b3-flags", Self::Flags),
            11 if name[0] | 0x20 == b't' => (b"traceparent", Self::Traceparent),
            11 => (b"x-b3-spanid", Self::Span),
            12 if name[5] | 0x20 == b't' => (b"x-b3-traceid", Self::Id),
            12 => (b"x-b3-sampled", Self::Sampled),
            _ => return None,
        };
        name.eq_ignore_ascii_case(known).then_some(field)
    }

    /// What the field says if it has this value.
    pub(super) fn with(self, value: &[u8]) -> Said {
        match self {
            Self::Traceparent => Said::Parent(traceparent(value)),
            Self::B3 => Said::B3(b3(value)),
            Self::Id => Said::Id(trace_id(value)),
            Self::Span => Said::Span(span_id(value)),
            Self::Sampled => Said::Sampled(value == b"1" || value.eq_ignore_ascii_case(b"true")),
            Self::Flags => Said::Debug(value == b"1"),
        }
    }
}

/// A trace that was told of in one field; none that is sampled, perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context(Option<Trace>);

/// What one field says, or that it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Parent(Option<Context>),
    B3(Option<Context>),
    Id(Option<TraceId>),
    Span(Option<NonZeroU64>),
    Sampled(bool),
    Debug(bool),
}

/// All that one head says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    parent: Option<Context>,
    /// There is more than one, and none holds (W3C Trace Context, 3.2).
    has_parent: bool,
    b3: Option<Context>,
    id: Option<TraceId>,
    span: Option<NonZeroU64>,
    sampled: bool,
    debug: bool,
}

impl Told {
    pub(super) fn take(&mut self, said: Said) {
        match said {
            Said::Parent(parent) => {
                self.parent = if self.has_parent { None } else { parent };
                self.has_parent = true;
            }
            Said::B3(trace) => self.b3 = trace,
            Said::Id(id) => self.id = id,
            Said::Span(span) => self.span = span,
            Said::Sampled(sampled) => self.sampled = sampled,
            Said::Debug(debug) => self.debug = debug,
        }
    }

    /// The trace, if it is sampled. What is younger and standard goes first.
    pub(super) fn trace(&self) -> Option<Trace> {
        if let Some(Context(trace)) = self.parent.or(self.b3) {
            return trace;
        }
        let (id, span) = (self.id?, self.span?);
        (self.sampled || self.debug).then_some(Trace::new(id, span))
    }
}

/// `version-traceid-parentid-flags`. Later versions may add to it, but not change what there is.
fn traceparent(value: &[u8]) -> Option<Context> {
    let (value, rest) = value.split_at_checked(55)?;
    let version = hex(&value[..2])?;
    let is_known = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.first().is_none_or(|&b| b == b'-'),
    };
    let is_lower = !value.iter().any(u8::is_ascii_uppercase);
    let is_parted = [2, 35, 52].iter().all(|&at| value[at] == b'-');
    if !is_known || !is_lower || !is_parted {
        return None;
    }
    let id = trace_id(&value[3..35])?;
    let span = span_id(&value[36..52])?;
    let sampled = hex(&value[53..])? & 1 == 1;
    Some(Context(sampled.then_some(Trace::new(id, span))))
}

/// `traceid-spanid[-state[-parentspanid]]`, or the state alone. Without a state, whether it is
/// sampled is decided later, so nobody knows.
fn b3(value: &[u8]) -> Option<Context> {
    let mut parts = value.split(|&b| b == b'-');
    let first = parts.next()?;
    let Some(span) = parts.next() else {
        return matches!(first, b"0" | b"1" | b"d").then_some(Context(None));
    };
    let (id, span) = (trace_id(first)?, span_id(span)?);
    let sampled = match parts.next() {
        Some(b"1" | b"d") => true,
        Some(b"0") | None => false,
        Some(_) => return None,
    };
    // Nobody is told of the parent, but a header that is wrong in one part is believed in none.
    if let Some(parent) = parts.next() {
        span_id(parent)?;
    }
    if parts.next().is_some() {
        return None;
    }
    Some(Context(sampled.then_some(Trace::new(id, span))))
}

fn trace_id(text: &[u8]) -> Option<TraceId> {
    let id = match text.len() {
        16 => TraceId::short(hex(text)?),
        32 => TraceId::long(hex(&text[..16])?, hex(&text[16..])?),
        _ => return None,
    };
    (id.high() != 0 || id.low() != 0).then_some(id)
}

fn span_id(text: &[u8]) -> Option<NonZeroU64> {
    NonZeroU64::new(if text.len() == 16 { hex(text)? } else { 0 })
}

/// At most 16 digits.
fn hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(fields: &[(&str, &str)]) -> Option<(String, u64)> {
        let mut told = Told::default();
        for (name, value) in fields {
            let name = TraceName::of(name.as_bytes()).unwrap();
            told.take(name.with(value.as_bytes()));
        }
        told.trace().map(|trace| (trace.id.to_text(), trace.span()))
    }

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_sampled_traceparent_names_its_trace_and_span() {
        let found = Some((ID.to_owned(), 0x00f0_67aa_0ba9_02b7));
        for (value, expected) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &found),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", &found),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &found),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", &found),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", &None),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what", &None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &None),
            ("00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", &None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", &None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", &None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", &None),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &None),
            ("", &None),
        ] {
            assert_eq!(told(&[("Traceparent", value)]), *expected, "{value}");
        }
        let one = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(told(&[("traceparent", one), ("traceparent", one)]), None);
    }

    #[test]
    fn b3_names_its_trace_in_one_header_or_in_several() {
        let long = Some((ID.to_owned(), 1));
        let short = Some(("a3ce929d0e0e4736".to_owned(), 1));
        let span = "0000000000000001";
        for (value, expected) in [
            ("4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-1", &long),
            ("4BF92F3577B34DA6A3CE929D0E0E4736-0000000000000001-d", &long),
            ("4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-1-00000000000000aa", &long),
            ("a3ce929d0e0e4736-0000000000000001-1", &short),
            ("a3ce929d0e0e4736-0000000000000001-1-00000000000000a", &None),
            ("a3ce929d0e0e4736-0000000000000001-1-00000000000000ag", &None),
            ("a3ce929d0e0e4736-0000000000000001-1-", &None),
            ("a3ce929d0e0e4736-0000000000000001-1-00000000000000aa-1", &None),
            ("a3ce929d0e0e4736-0000000000000001-0", &None),
            ("a3ce929d0e0e4736-0000000000000001", &None),
            ("a3ce929d0e0e4736-0000000000000001-2", &None),
            ("a3ce929d0e0e4736", &None),
            ("1", &None),
            ("-", &None),
        ] {
            assert_eq!(told(&[("b3", value)]), *expected, "{value}");
        }
        let ids = [("X-B3-TraceId", ID), ("X-B3-SpanId", span)];
        let with = |more| told(&[ids[0], ids[1], more]);
        assert_eq!(with(("X-B3-Sampled", "1")), long);
        assert_eq!(with(("x-b3-sampled", "true")), long);
        assert_eq!(with(("x-b3-flags", "1")), long);
        assert_eq!(with(("x-b3-sampled", "0")), None);
        assert_eq!(told(&ids), None);
        assert_eq!(told(&[ids[0], ("X-B3-Sampled", "1")]), None);
    }

    #[test]
    fn what_is_standard_goes_first_and_what_is_malformed_is_not_there() {
        let b3 = ("b3", "a3ce929d0e0e4736-0000000000000001-1");
        let parent = |flags| format!("00-{ID}-00f067aa0ba902b7-{flags}");
        assert_eq!(told(&[("traceparent", &parent("01")), b3]).unwrap().0, ID);
        assert_eq!(told(&[("traceparent", &parent("00")), b3]), None);
        assert_eq!(told(&[("traceparent", &parent("0g")), b3]).unwrap().1, 1);
    }

    proptest! {
        #[test]
        fn no_value_is_more_than_misread(value: Vec<u8>, text in "[0-9a-fdx-]{0,70}") {
            use TraceName::{B3, Flags, Id, Sampled, Span, Traceparent};
            for name in [B3, Flags, Id, Sampled, Span, Traceparent] {
                name.with(&value);
                let mut told = Told::default();
                told.take(name.with(text.as_bytes()));
                if let Some(trace) = told.trace() {
                    prop_assert!(text.to_ascii_lowercase().contains(&trace.id.to_text()));
                }
            }
            TraceName::of(&value);
        }
    }
}
