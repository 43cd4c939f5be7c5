//! Reads numbers that are written again as they stand.

/// A number in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    text: &'a [u8],
    /// The value where it is a small whole number, as most are.
    whole: Option<u64>,
}

impl Decimal<'_> {
    #[inline]
    pub(super) fn as_f64(self) -> f64 {
        match self.whole {
            Some(whole) => whole as f64,
            None => self.parsed(),
        }
    }

    #[cold]
    fn parsed(self) -> f64 {
        let text = std::str::from_utf8(self.text).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Whether it is at least zero; NaN is not.
    #[inline]
    pub(super) fn is_amount(self) -> bool {
        match self.text[0] {
            b'-' | b'N' => self.as_f64() >= 0.0,
            _ => true,
        }
    }

    #[inline]
    pub(super) fn end(self, start: usize) -> usize {
        start + self.text.len()
    }
}

/// The number that begins at `at`; `None` where there is none, or one that would be written
/// otherwise, or one that may be too large.
#[inline]
pub(super) fn read(bytes: &[u8], start: usize) -> Option<Decimal<'_>> {
    let (end, whole) = digits(bytes, start, 0);
    // Most are small whole numbers at the end of their line.
    if bytes.get(end) == Some(&b'\n') && (1..=SMALL).contains(&(end - start)) {
        return Some(Decimal { text: &bytes[start..end], whole: Some(whole) });
    }
    read_any(bytes, start)
}

fn read_any(bytes: &[u8], start: usize) -> Option<Decimal<'_>> {
    let signed = matches!(bytes.get(start), Some(b'+' | b'-'));
    let first = start + usize::from(signed);
    let (mut at, whole) = digits(bytes, first, 0);
    let mut count = at - first;
    let mut exact = bytes.get(start) != Some(&b'-') && count <= SMALL;
    if bytes.get(at) == Some(&b'.') {
        let (end, fraction) = digits(bytes, at + 1, 0);
        let places = end - at - 1;
        exact &= fraction == 0 && places <= SMALL;
        count += places;
        at = end;
    }
    if count == 0 {
        return special(bytes, start);
    }
    if count > 200 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = at + 1;
        let from = sign + usize::from(matches!(bytes.get(sign), Some(b'+' | b'-')));
        let (end, _) = digits(bytes, from, 0);
        // Below 100 the number is finite, with the digits that it may have here.
        if end == from || end - from > 2 && bytes[sign] != b'-' {
            return None;
        }
        at = end;
        exact = false;
    }
    Some(Decimal { text: &bytes[start..at], whole: exact.then_some(whole) })
}

/// A whole number as it is written again: without zeros before the rest. Without a sign, too, as not
/// every format can tell a time before 1970.
#[inline]
pub(super) fn read_millis(bytes: &[u8], start: usize) -> Option<usize> {
    let (end, _) = digits(bytes, start, 0);
    let places = end - start;
    let plain = bytes.get(start) != Some(&b'0') || places == 1;
    ((1..=18).contains(&places) && plain).then_some(end)
}

/// Seconds from 1970 on with or without a fraction, small enough to be told in milliseconds of 64
/// bits, and to be taken for seconds by those who are not sure.
#[inline]
pub(super) fn read_seconds(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut end, _) = digits(bytes, start, 0);
    if !(1..=11).contains(&(end - start)) {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        let from = end + 1;
        (end, _) = digits(bytes, from, 0);
        if end - from > 200 {
            return None;
        }
    }
    Some(end)
}

/// More digits than these are not counted in `u64` here.
const SMALL: usize = 15;

#[inline]
fn digits(bytes: &[u8], mut at: usize, mut value: u64) -> (usize, u64) {
    while let Some(digit) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (at, value)
}

fn special(bytes: &[u8], start: usize) -> Option<Decimal<'_>> {
    let rest = bytes.get(start..)?;
    let word = ["NaN", "+Inf", "-Inf"].into_iter().find(|w| rest.starts_with(w.as_bytes()))?;
    Some(Decimal { text: &rest[..word.len()], whole: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::value::Number;

    #[test]
    fn what_is_read_is_what_the_careful_reader_writes_again() {
        let texts = [
            "0",
            "-0",
            "+5",
            "1.",
            ".5",
            "-.5",
            "1e5",
            "1.6e+09",
            "1E-400",
            "12345678901234567890",
            "70.0",
            "1.50",
            "NaN",
            "+Inf",
            "-Inf",
            "3.1415e-7",
            "0.000000000000000000001",
            "1e99",
            "00012",
            "123456789012345",
            "1234567890123456",
        ];
        for text in texts {
            let read = read(text.as_bytes(), 0).unwrap_or_else(|| panic!("{text} was not read"));
            assert_eq!(read.end(0), text.len(), "{text}");
            let number = Number::parse(text).unwrap();
            assert_eq!(number.to_text(), text);
            assert!(read.as_f64().total_cmp(&number.as_f64()).is_eq() || text == "NaN", "{text}");
            assert_eq!(read.is_amount(), number.as_f64() >= 0.0, "{text}");
        }
    }

    #[test]
    fn the_rest_is_left_to_the_careful_reader() {
        for text in ["", ".", "+", "-", "inf", "nan", "+nan", "Inf", "1e999", "e5", "1e", "1e+"] {
            assert!(read(text.as_bytes(), 0).is_none(), "{text}");
        }
        for (text, end) in [("1_0", 1), ("0x1", 1), ("1e5.0", 3), ("1 2", 1)] {
            assert_eq!(read(text.as_bytes(), 0).map(|read| read.end(0)), Some(end), "{text}");
        }
    }

    #[test]
    fn times_are_read_where_they_are_written_again_as_they_stand() {
        let millis = |text: &str| read_millis(text.as_bytes(), 0);
        assert_eq!([millis("0"), millis("5"), millis("1520879607789")], [1, 1, 13].map(Some));
        assert_eq!([millis("-0"), millis("07"), millis("+7"), millis("")], [None; 4]);
        assert_eq!([millis("-5"), millis("-1520879607789")], [None; 2]);
        assert_eq!(millis("9223372036854775808"), None);
        let seconds = |text: &str| read_seconds(text.as_bytes(), 0);
        assert_eq!([seconds("1.5"), seconds("2"), seconds("1.")], [Some(3), Some(1), Some(2)]);
        assert_eq!([seconds(".5"), seconds("123456789012"), seconds("NaN")], [None; 3]);
        assert_eq!([seconds("-2"), seconds("-0.5")], [None; 2]);
    }
}
