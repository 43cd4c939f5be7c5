//! Label pairs and exemplars of protobuf, brought into the one form of label text.

use std::borrow::Cow;

use super::wire::{Field, Fields, Value};
use crate::exposition::labels::{LabelText, Names, push_any};
use crate::exposition::model::Exemplar;
use crate::exposition::parse::Refusal;
use crate::exposition::parse::line::{EXEMPLAR_CHARACTERS, characters};
use crate::exposition::problem::Reason;
use crate::exposition::value::Number;

/// A message that cannot be read on.
pub(super) fn broken(at: usize) -> Refusal {
    Refusal { at, reason: Reason::BadMessage }
}

/// A field of ours whose value is not of the shape that it has to be.
pub(super) fn misshapen<T>(field: &Field<'_>) -> Result<T, Refusal> {
    Err(broken(field.at))
}

fn text(bytes: &[u8], at: usize) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes)
        .map_err(|error| Refusal { at: at + error.valid_up_to(), reason: Reason::InvalidUtf8 })
}

/// A `LabelPair`: absent parts are empty.
pub(super) fn pair(message: &[u8], at: usize) -> Result<(&str, &str), Refusal> {
    let (mut name, mut value) = ("", "");
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = text(bytes, field.at)?,
            (2, Value::Bytes(bytes)) => value = text(bytes, field.at)?,
            (1 | 2, _) => return misshapen(&field),
            _ => {}
        }
    }
    Ok((name, value))
}

/// Pairs with where they stand, as canonical text. Tells whether a name is in quotes.
pub(super) fn canonical(
    pairs: &[(usize, &str, &str)],
    taken: &str,
    limit: usize,
) -> Result<(String, bool), Refusal> {
    let mut out = String::new();
    let mut quoted = false;
    let mut names = Names::default();
    if !taken.is_empty() {
        names.insert(taken);
    }
    for (at, name, value) in pairs {
        let reason = if name.is_empty() {
            Reason::BadLabels
        } else if name.starts_with("__") {
            Reason::ReservedLabel
        } else if names.insert(name) {
            quoted |= push_any(&mut out, name, value);
            if out.len() <= limit {
                continue;
            }
            Reason::LineTooLong
        } else {
            Reason::DuplicateLabel
        };
        return Refusal::new(*at, reason);
    }
    Ok((out, quoted))
}

/// An `Exemplar`, or the reason why it is left out.
pub(super) fn exemplar(
    message: &[u8],
    at: usize,
) -> Result<Result<Exemplar<'static>, Refusal>, Refusal> {
    let mut pairs = Vec::new();
    let (mut value, mut timestamp) = (0.0, None);
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => {
                let (name, value) = pair(bytes, field.at)?;
                pairs.push((field.at, name, value));
            }
            (2, Value::Fixed64(bits)) => value = f64::from_bits(bits),
            (3, Value::Bytes(bytes)) => timestamp = Some(instant(bytes, field.at)?),
            (1..=3, _) => return misshapen(&field),
            _ => {}
        }
    }
    let refused = |reason| Ok(Refusal::new(at, reason));
    let Ok((labels, _)) = canonical(&pairs, "", usize::MAX) else {
        return refused(Reason::BadExemplar);
    };
    if characters(&labels) > EXEMPLAR_CHARACTERS {
        return refused(Reason::ExemplarTooLong);
    }
    let timestamp = match timestamp {
        Some(None) => return refused(Reason::BadExemplar),
        Some(Some(time)) => Some(Cow::Owned(time.to_text())),
        None => None,
    };
    let labels = LabelText::Owned(labels.into());
    Ok(Ok(Exemplar { labels, value: Number::Float(value), timestamp }))
}

/// A `google.protobuf.Timestamp`; `None` if it is no time.
pub(super) fn instant(message: &[u8], at: usize) -> Result<Option<Number<'static>>, Refusal> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Varint(value)) => seconds = value.cast_signed(),
            (2, Value::Varint(value)) => nanos = value.cast_signed(),
            (1 | 2, _) => return misshapen(&field),
            _ => {}
        }
    }
    // From the year 1 to 9999 (google/protobuf/timestamp.proto).
    let is_time = (-62_135_596_800..=253_402_300_799).contains(&seconds);
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    Ok(nanos.filter(|_| is_time).map(|nanos| Number::Time(seconds, nanos)))
}
