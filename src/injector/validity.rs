//! Reads from a certificate until when it is valid; everything else in it is rustls's to judge.

/// Seconds since 1970 from which on, and until which, a certificate in DER is valid (RFC 5280, 4.1).
pub(super) fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let (content, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(content, SEQUENCE)?;
    // The version is there from the second one on.
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [SERIAL, SEQUENCE, SEQUENCE] {
        // The serial number, the algorithm and the issuer.
        (_, fields) = element(fields, tag)?;
    }
    let (dates, _) = element(fields, SEQUENCE)?;
    let (from, rest) = date(dates)?;
    let (until, _) = date(rest)?;
    Some((from, until))
}

/// The content of the first element if it has this tag, and what comes after it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = digits.iter().fold(0_u64, |sum, digit| sum << 8 | u64::from(*digit));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The first element as a date, in seconds since 1970.
fn date(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let ((text, rest), digits_of_year) = match element(bytes, UTC_TIME) {
        Some(found) => (found, 2),
        None => (element(bytes, GENERALIZED_TIME)?, 4),
    };
    let (year, text) = number(text, digits_of_year)?;
    let year = match (digits_of_year, year) {
        (2, 0..50) => 2000 + year,
        (2, _) => 1900 + year,
        _ => year,
    };
    let mut parts = [0; 5];
    let mut left = text;
    for part in &mut parts {
        (*part, left) = number(left, 2)?;
    }
    let [month, day, hour, minute, second] = parts;
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
    if left != b"Z" || !sound {
        return None;
    }
    let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    Some((seconds, rest))
}

fn number(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// Days from the first of January 1970 to this one. Counted from March on, so that the day that
/// some years have more is the last of its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    (365 * year + leap_days + (153 * month + 2) / 5 + day - 1).checked_sub(BEFORE_1970)
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const SERIAL: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Days from the first of March in the year 0 to the first of January 1970.
const BEFORE_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::Duration;

    fn certificate(from: u64, until: u64) -> Vec<u8> {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        (params.not_before, params.not_after) = (at(from), at(until));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_dates_of_a_certificate_are_those_it_was_made_with(
            // Two digits of the year until 2049, four from then on, up to the year 9999.
            from in 0..4_000_000_000_u64, life in 0..240_000_000_000_u64
        ) {
            prop_assert_eq!(validity(&certificate(from, from + life)), Some((from, from + life)));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            validity(&bytes);
        }
    }

    #[test]
    fn a_certificate_that_was_cut_short_or_changed_has_other_dates_or_none() {
        let whole = certificate(1_000_000_000, 2_000_000_000);
        for end in 0..whole.len() {
            validity(&whole[..end]);
        }
        for (at, flipped) in (0..whole.len()).flat_map(|at| [(at, 0xff), (at, 0x01)]) {
            let mut changed = whole.clone();
            changed[at] ^= flipped;
            validity(&changed);
        }
    }
}
