//! Reads durations, sizes and counts, and writes them back in the same notation.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{ConfigError, shown};

/// Reads a duration within bounds: a whole number of `ms`, `s`, `m` or `h`, or a bare `0`.
pub(crate) fn duration(
    setting: &'static str,
    text: &str,
    bounds: RangeInclusive<Duration>,
) -> Result<Duration, ConfigError> {
    let read = || {
        let (number, unit) = split_unit(text)?;
        let millis = match (number, unit) {
            (0, "") => 0,
            (_, "ms") => number,
            (_, "s") => number.checked_mul(1_000)?,
            (_, "m") => number.checked_mul(60_000)?,
            (_, "h") => number.checked_mul(3_600_000)?,
            _ => return None,
        };
        Some(Duration::from_millis(millis)).filter(|duration| bounds.contains(duration))
    };
    read().ok_or_else(|| ConfigError::Invalid {
        setting,
        value: shown(text),
        expected: format!(
            "a duration from {} to {}, such as 250ms, 15s, 2m or 1h",
            show_duration(*bounds.start()),
            show_duration(*bounds.end())
        ),
    })
}

/// Reads a size in bytes, from 1 to `most`: a whole number alone or with a unit.
pub(crate) fn size(setting: &'static str, text: &str, most: u64) -> Result<u64, ConfigError> {
    let read = || {
        let (number, unit) = split_unit(text)?;
        let factor = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(factor).filter(|bytes| (1..=most).contains(bytes))
    };
    read().ok_or_else(|| ConfigError::Invalid {
        setting,
        value: shown(text),
        expected: format!(
            "a size from 1 byte to {}, such as 65536, 64KiB, 64KB or 16MiB",
            show_size(most)
        ),
    })
}

/// Reads a whole number from 1 to `most`.
pub(super) fn count(setting: &'static str, text: &str, most: usize) -> Result<usize, ConfigError> {
    let read = || {
        let (number, unit) = split_unit(text)?;
        let number = usize::try_from(number).ok()?;
        (unit.is_empty() && (1..=most).contains(&number)).then_some(number)
    };
    read().ok_or_else(|| ConfigError::Invalid {
        setting,
        value: shown(text),
        expected: format!("a whole number from 1 to {most}"),
    })
}

/// A duration in the largest unit that holds it exactly; what is finer than a millisecond is lost.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let exact = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    match exact {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

/// A size in the largest binary unit that holds it exactly.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let exact = units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    match exact {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Parts `250ms` into 250 and `ms`; no sign, no fraction.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

    #[test]
    fn durations_and_sizes_are_read_in_every_unit() {
        let millis = |text| duration("linger", text, DAY).unwrap().as_millis();
        assert_eq!([millis("0"), millis("0s"), millis("250ms")], [0, 0, 250]);
        assert_eq!([millis("15s"), millis("2m"), millis("1h")], [15_000, 120_000, 3_600_000]);
        let bytes = |text| size("max-head-bytes", text, u64::MAX).unwrap();
        assert_eq!([bytes("65536"), bytes("7B"), bytes("64KiB")], [65_536, 7, 65_536]);
        assert_eq!([bytes("64KB"), bytes("64kB"), bytes("3MB")], [64_000, 64_000, 3_000_000]);
        assert_eq!(
            [bytes("16MiB"), bytes("1GiB"), bytes("2GB")],
            [16_777_216, 1_073_741_824, 2_000_000_000]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..=86_400_000_u64, bytes in 1..=u64::MAX) {
            let wait = Duration::from_millis(millis);
            prop_assert_eq!(duration("linger", &show_duration(wait), DAY), Ok(wait));
            prop_assert_eq!(size("max-head-bytes", &show_size(bytes), u64::MAX), Ok(bytes));
        }
    }
}
