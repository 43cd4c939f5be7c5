//! A sample's value, kept as it was written so that it is written again to the last digit.

use std::io::Write as _;

/// The value of a sample or of an exemplar.
#[derive(Debug, Clone, Copy)]
pub enum Number<'a> {
    /// As the source wrote it; `NaN`, `+Inf` and `-Inf` in this spelling whatever the source's.
    Text(&'a str),
    /// A whole number of our own.
    Int(u64),
    /// A floating-point number of our own.
    Float(f64),
    /// A time as protobuf tells it: seconds since the epoch and nanoseconds from there on.
    Time(i64, u32),
}

impl<'a> Number<'a> {
    /// Reads a value as Go's `ParseFloat` does without hexadecimal and underscores, which is what
    /// Prometheus's parsers take. A number too large for an `f64` is no number.
    pub fn parse(text: &'a str) -> Option<Self> {
        match shape(text.as_bytes()) {
            Shape::Small => Some(Self::Text(text)),
            Shape::Large => text.parse::<f64>().ok()?.is_finite().then_some(Self::Text(text)),
            Shape::Other => special(text).map(Self::Text),
        }
    }

    /// The value as the 64-bit float that Prometheus stores.
    pub fn as_f64(&self) -> f64 {
        match *self {
            Self::Text(text) => text.parse().unwrap_or(f64::NAN),
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
            Self::Time(..) => self.to_text().parse().unwrap_or(f64::NAN),
        }
    }

    /// Appends the value as both formats spell it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Int(value) => write_integer(value, out),
            Self::Float(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
            Self::Float(f64::INFINITY) => out.extend_from_slice(b"+Inf"),
            Self::Float(f64::NEG_INFINITY) => out.extend_from_slice(b"-Inf"),
            // Plain decimals for what people read, exponents where those would run to 300 digits.
            Self::Float(value) if value == 0.0 || (1e-7..1e17).contains(&value.abs()) => {
                let _ = write!(out, "{value}");
            }
            Self::Float(value) => {
                let _ = write!(out, "{value:e}");
            }
            Self::Time(seconds, nanos) => write_time(seconds, nanos, out),
        }
    }

    /// The value as both formats spell it.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Equal when written alike or when the same number; NaN equals NaN.
impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        if let (Self::Text(a), Self::Text(b)) = (self, other)
            && a == b
        {
            return true;
        }
        let (a, b) = (self.as_f64(), other.as_f64());
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }
}

/// The number in `le` or `quantile`. As of values, one too large for an `f64` is none: it is not
/// infinity, which Go's readers do not make of it either.
pub(crate) fn read_bound(text: &str) -> Option<f64> {
    let bound = text.parse::<f64>().ok()?;
    let in_range = bound.is_finite() || !text.bytes().any(|b| b.is_ascii_digit());
    in_range.then_some(bound)
}

/// Seconds as a decimal fraction without zeros at the end.
pub(crate) fn write_time(seconds: i64, nanos: u32, out: &mut Vec<u8>) {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (whole, rest) =
        (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    let sign = if total < 0 { "-" } else { "" };
    let start = out.len();
    let _ = write!(out, "{sign}{whole}.{rest:09}");
    while out.len() > start && out.last().is_some_and(|b| matches!(b, b'0' | b'.')) {
        if out.pop() == Some(b'.') {
            break;
        }
    }
}

fn write_integer(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

enum Shape {
    /// A decimal number that cannot be out of range.
    Small,
    /// A decimal number that may be.
    Large,
    /// Something else: infinity, not a number, or no number at all.
    Other,
}

fn shape(text: &[u8]) -> Shape {
    let mut at = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let start = at;
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    let mut digits = at - start;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        while at < text.len() && text[at].is_ascii_digit() {
            at += 1;
        }
        digits += at - fraction;
    }
    if digits == 0 {
        return Shape::Other;
    }
    if at == text.len() {
        return if digits < 300 { Shape::Small } else { Shape::Large };
    }
    if !matches!(text[at], b'e' | b'E') {
        return Shape::Other;
    }
    at += 1;
    at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    if at < text.len() && text[at..].iter().all(u8::is_ascii_digit) {
        Shape::Large
    } else {
        Shape::Other
    }
}

/// Go takes a sign before infinity and none before NaN, in any case of letters.
fn special(text: &str) -> Option<&'static str> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => ("-Inf", &text[1..]),
        b'+' => ("+Inf", &text[1..]),
        _ if text.eq_ignore_ascii_case("nan") => return Some("NaN"),
        _ => ("+Inf", text),
    };
    (word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity")).then_some(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_prometheus_takes() {
        for good in ["0", "-0", "+5", "1.", ".5", "1e5", "1E-400", "9223372036854775808"] {
            assert_eq!(Number::parse(good).map(|n| n.to_text()).as_deref(), Some(good));
        }
        for bad in [
            "", ".", "+", "1e", "1e999", "1_0", "0x1", "0x1p-3", "+nan", "1 ", "e5", "--1", "1e5.0",
        ] {
            assert_eq!(Number::parse(bad).map(|n| n.to_text()), None, "{bad}");
        }
        for (spelt, written) in
            [("nan", "NaN"), ("INF", "+Inf"), ("-infinity", "-Inf"), ("+inf", "+Inf")]
        {
            assert_eq!(Number::parse(spelt).map(|n| n.to_text()).as_deref(), Some(written));
        }
    }

    #[test]
    fn a_bound_that_is_too_large_is_none_and_infinity_is_one() {
        for none in ["1e400", "-1e400", "1e999", "", "x"] {
            assert_eq!(read_bound(none), None, "{none}");
        }
        assert_eq!(read_bound(&"9".repeat(310)), None);
        for (text, bound) in [("+Inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY), ("1e-400", 0.0)]
        {
            assert_eq!(read_bound(text), Some(bound), "{text}");
        }
    }

    #[test]
    fn our_own_numbers_read_back_as_themselves() {
        for value in [0.0, 0.1, 1e300, 5e-324, -2.5, f64::INFINITY, f64::NEG_INFINITY, 123_456.0] {
            let text = Number::Float(value).to_text();
            assert_eq!(Number::parse(&text).map(|n| n.as_f64()), Some(value), "{text}");
        }
        assert_eq!(Number::Int(u64::MAX).to_text(), u64::MAX.to_string());
    }
}
