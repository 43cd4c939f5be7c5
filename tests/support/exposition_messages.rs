//! Protobuf messages for tests, written and read apart from the code under test: slow, and simple
//! enough to be seen right.

#![expect(clippy::panic, reason = "a message that cannot be read fails the test")]

use std::collections::BTreeMap;

/// A message under construction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn uint(mut self, field: u64, value: u64) -> Self {
        varint(field << 3, &mut self.0);
        varint(value, &mut self.0);
        self
    }

    pub(crate) fn sint(self, field: u64, value: i64) -> Self {
        self.uint(field, ((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    pub(crate) fn double(mut self, field: u64, value: f64) -> Self {
        varint(field << 3 | 1, &mut self.0);
        self.0.extend(value.to_bits().to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        varint(field << 3 | 2, &mut self.0);
        varint(value.len() as u64, &mut self.0);
        self.0.extend(value);
        self
    }

    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    #[expect(clippy::needless_pass_by_value, reason = "messages are built inside out")]
    pub(crate) fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(crate) fn label(self, name: &str, value: &str) -> Self {
        self.message(1, Self::default().text(1, name).text(2, value))
    }
}

/// A family of one type with its metrics.
pub(crate) fn family(name: &str, kind: u64, metrics: impl IntoIterator<Item = Message>) -> Message {
    let head = Message::default().text(1, name).uint(3, kind);
    metrics.into_iter().fold(head, |family, metric| family.message(4, metric))
}

/// Families as a body.
pub(crate) fn delimited(families: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let mut body = Vec::new();
    for family in families {
        varint(family.0.len() as u64, &mut body);
        body.extend(family.0);
    }
    body
}

pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    out.push((value & 127) as u8);
}

/// A field as it stands on the wire.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Uint(u64),
    Double(f64),
    Bytes(Vec<u8>),
}

impl Field {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.message_bytes().to_vec()).unwrap()
    }

    fn message_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?} is no message"),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Double(value) => *value,
            Self::Uint(value) => *value as f64,
            Self::Bytes(_) => panic!("bytes are no number"),
        }
    }

    pub(crate) fn fields(&self) -> Fields {
        fields(self.message_bytes())
    }
}

/// The fields of a message by number, in their order.
pub(crate) type Fields = BTreeMap<u64, Vec<Field>>;

/// Reads a message to its last byte.
pub(crate) fn fields(bytes: &[u8]) -> Fields {
    let mut at = 0;
    let mut all = Fields::new();
    while at < bytes.len() {
        let key = number(bytes, &mut at);
        let field = match key & 7 {
            0 => Field::Uint(number(bytes, &mut at)),
            1 => {
                at += 8;
                Field::Double(f64::from_le_bytes(bytes[at - 8..at].try_into().unwrap()))
            }
            2 => {
                let length = usize::try_from(number(bytes, &mut at)).unwrap();
                at += length;
                Field::Bytes(bytes[at - length..at].to_vec())
            }
            other => panic!("wire type {other}"),
        };
        all.entry(key >> 3).or_default().push(field);
    }
    all
}

fn number(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    value
}

/// The families of a body.
pub(crate) fn families(body: &[u8]) -> Vec<Fields> {
    let mut at = 0;
    let mut all = Vec::new();
    while at < body.len() {
        let length = usize::try_from(number(body, &mut at)).unwrap();
        all.push(fields(&body[at..at + length]));
        at += length;
    }
    all
}

/// The samples of a body as text would have them: name, labels, value, milliseconds.
pub(crate) fn samples(body: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for family in families(body) {
        let name = family[&1][0].text();
        let kind = family.get(&3).map_or(0.0, |kind| kind[0].number());
        for metric in &family[&4] {
            let metric = metric.fields();
            let mut add = |suffix: &str, bound: Option<(&str, f64)>, value: f64| {
                let mut labels: BTreeMap<String, String> = metric
                    .get(&1)
                    .into_iter()
                    .flatten()
                    .map(|pair| (pair.fields()[&1][0].text(), pair.fields()[&2][0].text()))
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
                if let Some((label, bound)) = bound {
                    labels.insert(label.to_owned(), bound.to_string());
                }
                let at = metric.get(&6).map(|at| match at[0] {
                    Field::Uint(at) => at.cast_signed(),
                    _ => panic!("a time is an integer"),
                });
                let stem = if suffix == "_created" && kind == 0.0 {
                    name.strip_suffix("_total").unwrap_or(&name)
                } else {
                    &name
                };
                all.push(told(&format!("{stem}{suffix}"), &labels, value, at));
            };
            let (field, created) = match kind {
                0.0 => (3, 3),
                1.0 => (2, 99),
                2.0 => (4, 4),
                3.0 => (5, 99),
                _ => (7, 15),
            };
            let of = metric[&field][0].fields();
            let get = |number: u64| of.get(&number).map_or(0.0, |value| value[0].number());
            match kind {
                2.0 => {
                    for quantile in of.get(&3).into_iter().flatten() {
                        let quantile = quantile.fields();
                        let bound = ("quantile", quantile[&1][0].number());
                        add("", Some(bound), quantile[&2][0].number());
                    }
                    add("_sum", None, get(2));
                    add("_count", None, get(1));
                }
                4.0 | 5.0 => {
                    let total = if get(4) > 0.0 { get(4) } else { get(1) };
                    let mut whole = false;
                    for bucket in of.get(&3).into_iter().flatten() {
                        let bucket = bucket.fields();
                        let get = |n: u64| bucket.get(&n).map_or(0.0, |value| value[0].number());
                        whole |= get(2).is_infinite() && get(2) > 0.0;
                        let count = if get(4) > 0.0 { get(4) } else { get(1) };
                        add("_bucket", Some(("le", get(2))), count);
                    }
                    if !whole {
                        add("_bucket", Some(("le", f64::INFINITY)), total);
                    }
                    let gauge = if kind > 4.0 { "g" } else { "" };
                    add(&format!("_{gauge}sum"), None, get(2));
                    add(&format!("_{gauge}count"), None, total);
                }
                _ => add("", None, get(1)),
            }
            if let Some(time) = of.get(&created) {
                let time = time[0].fields();
                let get = |n: u64| time.get(&n).map_or(0.0, |value| value[0].number());
                add("_created", None, get(1) + get(2) / 1e9);
            }
        }
    }
    all.sort();
    all
}

/// One sample as a line that two readers can be compared by.
pub(crate) fn told(
    name: &str,
    labels: &BTreeMap<String, String>,
    value: f64,
    at: Option<i64>,
) -> String {
    let mut labels = labels.clone();
    for bound in ["le", "quantile"] {
        if let Some(value) = labels.get_mut(bound)
            && let Ok(number) = value.parse::<f64>()
        {
            *value = (number + 0.0).to_string();
        }
    }
    // Times in nanoseconds are finer than a float.
    let value = if name.ends_with("_created") {
        format!("{:.3}", value + 0.0)
    } else {
        (value + 0.0).to_string()
    };
    format!("{name}{labels:?} {value} {at:?}")
}
