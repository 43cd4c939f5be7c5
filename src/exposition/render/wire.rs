//! Protobuf's wire format, as far as the message set needs it (protobuf.dev, "Encoding").

/// A field that holds a variable-length integer.
const VARINT: u32 = 0;
/// A field that holds eight bytes.
const FIXED64: u32 = 1;
/// A field that holds its length and as many bytes.
const LENGTH: u32 = 2;

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`varint`] writes.
#[cfg(test)]
fn varint_len(value: u64) -> u64 {
    u64::from((70 - (value | 1).leading_zeros()) / 7)
}

fn key(field: u32, wire: u32, out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | wire), out);
}

pub(super) fn uint(field: u32, value: u64, out: &mut Vec<u8>) {
    key(field, VARINT, out);
    varint(value, out);
}

pub(super) fn int(field: u32, value: i64, out: &mut Vec<u8>) {
    uint(field, value.cast_unsigned(), out);
}

pub(super) fn sint(field: u32, value: i64, out: &mut Vec<u8>) {
    uint(field, zigzag(value), out);
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn double(field: u32, value: f64, out: &mut Vec<u8>) {
    key(field, FIXED64, out);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

pub(super) fn string(field: u32, value: &str, out: &mut Vec<u8>) {
    key(field, LENGTH, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

/// Writes what `body` writes as one field with its length before it.
pub(super) fn message(field: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    key(field, LENGTH, out);
    let start = out.len();
    // Most messages are short enough for one byte of length; for others there is a move.
    out.push(0);
    body(out);
    let length = out.len() - start - 1;
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out[start] = short;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(length as u64, &mut prefix);
    out.splice(start..=start, prefix);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_before_they_are_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(value, &mut out);
            assert_eq!(out.len() as u64, varint_len(value), "{value}");
        }
    }

    #[test]
    fn a_message_is_its_field_its_length_and_its_body() {
        for length in [0, 127, 128, 20_000] {
            let mut out = vec![7];
            message(1, &mut out, |out| out.resize(out.len() + length, 1));
            let mut expected = vec![7, 0x0a];
            varint(length as u64, &mut expected);
            expected.resize(expected.len() + length, 1);
            assert_eq!(out, expected);
        }
    }
}
