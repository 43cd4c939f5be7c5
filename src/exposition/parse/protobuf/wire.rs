//! Protobuf's wire format, read in place (protobuf.dev, "Encoding").

/// How deep unknown groups may be nested.
const DEPTH: usize = 16;

/// The fields of one message, or the byte at which it cannot be read on.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message stands in the one that offsets are counted in.
    base: usize,
}

/// One field and where its value begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
    pub(super) at: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Something that no field of ours has.
    Other,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let (key, at) = varint(self.bytes, self.at)?;
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        let (value, end) = match key & 7 {
            0 => varint(self.bytes, at).map(|(value, end)| (Value::Varint(value), end))?,
            1 => (Value::Fixed64(fixed64(self.bytes.get(at..)?)?), at + 8),
            2 => {
                let (length, start) = varint(self.bytes, at)?;
                let end = start.checked_add(usize::try_from(length).ok()?)?;
                let value = Value::Bytes(self.bytes.get(start..end)?);
                self.at = end;
                return Some(Field { number, value, at: self.base + start });
            }
            3 => (Value::Other, group_end(self.bytes, at, number)?),
            5 => (Value::Other, self.bytes.get(at..at + 4).map(|_| at + 4)?),
            _ => return None,
        };
        self.at = end;
        Some(Field { number, value, at: self.base + at })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        Some(self.field().ok_or_else(|| {
            self.at = self.bytes.len();
            self.base + start
        }))
    }
}

/// Skips what stands between the two keys of a group, which old senders may use.
fn group_end(bytes: &[u8], mut at: usize, number: u64) -> Option<usize> {
    let mut open = vec![number];
    while let Some(innermost) = open.last() {
        let (key, next) = varint(bytes, at)?;
        at = match key & 7 {
            0 => varint(bytes, next)?.1,
            1 => next + 8,
            2 => {
                let (length, start) = varint(bytes, next)?;
                start.checked_add(usize::try_from(length).ok()?)?
            }
            3 if open.len() < DEPTH => {
                open.push(key >> 3);
                next
            }
            4 if key >> 3 == *innermost => {
                open.pop();
                next
            }
            5 => next + 4,
            _ => return None,
        };
        if at > bytes.len() {
            return None;
        }
    }
    Some(at)
}

/// A variable-length integer and where it ends; `None` if it is cut off or exceeds 64 bits.
pub(super) fn varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, b) in bytes.get(start..)?.iter().enumerate().take(10) {
        let bits = u64::from(b & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if b & 0x80 == 0 {
            return Some((value, start + at + 1));
        }
    }
    None
}

pub(super) fn fixed64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Undoes the folding of signs into the lowest bit.
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_end_within_ten_bytes_and_64_bits() {
        assert_eq!(varint(&[0x96, 0x01, 7], 0), Some((150, 2)));
        assert_eq!(varint(&[0], 0), Some((0, 1)));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&most, 0), Some((u64::MAX, 10)));
        for broken in [&[][..], &[0x80], &[0xff; 9], &[0xff; 10], &[0x80; 11]] {
            assert_eq!(varint(broken, 0), None, "{broken:?}");
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let folded = ((value << 1) ^ (value >> 63)).cast_unsigned();
            assert_eq!(unzigzag(folded), value);
        }
    }

    #[test]
    fn what_is_unknown_is_skipped_and_what_is_broken_ends_the_message() {
        let numbers = |bytes: &[u8]| -> (Vec<u64>, Option<usize>) {
            let (mut numbers, mut broken) = (Vec::new(), None);
            for field in Fields::new(bytes, 100) {
                match field {
                    Ok(field) => numbers.push(field.number),
                    Err(at) => broken = Some(at),
                }
            }
            (numbers, broken)
        };
        // A group with a group in it, four bytes, and one more field.
        let known = [0x0b, 0x13, 0x08, 1, 0x14, 0x0c, 0x15, 0, 0, 0, 0, 0x18, 1];
        assert_eq!(numbers(&known), (vec![1, 2, 3], None));
        for broken in [
            &[0x18, 1, 0x0b, 0x14][..],
            &[0x18, 1, 0x0c],
            &[0x18, 1, 0x0e],
            &[0x18, 1, 0x00, 1],
            &[0x18, 1, 0x0a, 2, 1],
            &[0x18, 1, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
            &[0x18, 1, 0x09, 1, 2, 3],
        ] {
            assert_eq!(numbers(broken), (vec![3], Some(102)), "{broken:?}");
        }
        assert_eq!(numbers(&[0x0b; 5000]), (vec![], Some(100)));
    }
}
