//! Numbers as messages hold them: nothing is rounded that need not be.

use crate::exposition::value::Number;

/// The NaN that Prometheus makes of the text; its stale markers are other ones.
const NORMAL_NAN: u64 = 0x7ff8_0000_0000_0001;

pub(super) fn float(number: Number<'_>) -> f64 {
    match number {
        Number::Text("NaN") => f64::from_bits(NORMAL_NAN),
        number => number.as_f64(),
    }
}

/// The number if it is a whole one that 64 bits hold exactly.
pub(super) fn whole(number: Number<'_>) -> Option<u64> {
    /// 2^64, the first float that does not fit.
    const END: f64 = 18_446_744_073_709_551_616.0;
    match number {
        Number::Int(value) => return Some(value),
        Number::Text(text) => {
            if let Ok(value) = text.parse() {
                return Some(value);
            }
        }
        _ => {}
    }
    let value = number.as_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    ((0.0..END).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

pub(super) fn instant_of(number: Number<'_>) -> Option<(i64, u32)> {
    match number {
        Number::Time(seconds, nanos) => Some((seconds, nanos)).filter(|at| is_date(*at)),
        number => {
            let text = number.to_text();
            if text.contains(['e', 'E']) {
                instant(&number.as_f64().to_string())
            } else {
                instant(&text)
            }
        }
    }
}

/// Seconds as a decimal fraction, as the seconds and nanoseconds of a `Timestamp`, which runs from
/// the year 1 to 9999. What is finer than nanoseconds is cut off.
pub(super) fn instant(text: &str) -> Option<(i64, u32)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_decimal(whole) || !is_decimal(fraction) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let seconds: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    let at = match (is_negative, nanos) {
        (false, nanos) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, nanos) => (-seconds - 1, 1_000_000_000 - nanos),
    };
    is_date(at).then_some(at)
}

fn is_date((seconds, _): (i64, u32)) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        for (text, at) in [
            ("1625851153.233181499", Some((1_625_851_153, 233_181_499))),
            ("0", Some((0, 0))),
            (".5", Some((0, 500_000_000))),
            ("5.", Some((5, 0))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("1.0000000019", Some((1, 1))),
            ("99999999999999", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(instant(text), at, "{text}");
            if let Some(at) = at
                && text != "1.0000000019"
            {
                assert_eq!(instant(&Number::Time(at.0, at.1).to_text()), Some(at));
            }
        }
        assert_eq!(instant_of(Number::Text("1.5e9")), Some((1_500_000_000, 0)));
    }

    #[test]
    fn counts_are_whole_up_to_the_last_bit() {
        for (number, expected) in [
            (Number::Text("18446744073709551615"), Some(u64::MAX)),
            (Number::Text("1e3"), Some(1000)),
            (Number::Float(2.5), None),
            (Number::Text("-1"), None),
            (Number::Text("NaN"), None),
            (Number::Text("1e20"), None),
        ] {
            assert_eq!(whole(number), expected, "{number:?}");
        }
    }
}
