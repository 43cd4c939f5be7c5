//! Takes the key `app-metrics` of the YAML file to the notation of the flag. A source is a text or,
//! where it has many options, a mapping of `url` and its options:
//!
//! ```yaml
//! app-metrics:
//!   - 9102
//!   - url: https://127.0.0.1:9443/metrics
//!     ca: /etc/app/ca.crt
//!     headers: { X-Tenant: shop, X-Key: { file: /run/secrets/key } }
//!     mode: sum
//!     gauge: { queue_length: max }
//! ```

use std::fmt::{self, Write};

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::words::quoted;

/// Reads one source, or a list of them.
pub(in crate::config) fn written<'de, D>(deserializer: D) -> Result<Vec<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let sources = match Written::deserialize(deserializer)? {
        Written::List(sources) => sources,
        Written::Text(text) if text.is_empty() => Vec::new(),
        source => vec![source],
    };
    sources.into_iter().map(|source| source.notation().map_err(D::Error::custom)).collect()
}

/// A value of the file, as far as a source may have it.
enum Written {
    Text(String),
    List(Vec<Self>),
    Mapping(Vec<(String, Self)>),
}

impl Written {
    /// A source in the notation of the flag.
    fn notation(self) -> Result<String, String> {
        let options = match self {
            Self::Text(text) => return Ok(text),
            Self::List(_) => return Err("a source is a text or a mapping, not a list".to_owned()),
            Self::Mapping(options) => options,
        };
        let mut url = None;
        let mut notation = String::new();
        for (key, value) in options {
            if key == "url" {
                url = Some(value.text(&key)?);
                continue;
            }
            for (key, value) in value.options(key)? {
                let is_key = |c: char| !(c.is_control() || c.is_whitespace() || ",=\"".contains(c));
                if !key.chars().all(is_key) {
                    return Err(format!("{key:?} is no option of a source"));
                }
                // A string takes whatever is written to it.
                let _ = write!(notation, ",{key}={}", quoted(&value));
            }
        }
        let url = url.ok_or("a source that is a mapping needs the key url")?;
        if url.trim().is_empty() || url.trim().contains(char::is_whitespace) {
            return Err("the url of a source is one text without white space".to_owned());
        }
        // The first comma would end it.
        Ok(format!("{}{notation}", url.trim().replace(',', "%2C")))
    }

    /// The options that a key stands for.
    fn options(self, key: String) -> Result<Vec<(String, String)>, String> {
        match (key.as_str(), self) {
            ("headers", Self::Mapping(headers)) => {
                headers.into_iter().map(|(name, value)| header(&name, value)).collect()
            }
            ("gauge", Self::Mapping(rules)) => rules
                .into_iter()
                .map(|(family, rule)| {
                    let key = format!("gauge.{family}");
                    let rule = rule.text(&key)?;
                    Ok((key, rule))
                })
                .collect(),
            (_, Self::List(values)) => {
                values.into_iter().map(|value| Ok((key.clone(), value.text(&key)?))).collect()
            }
            (_, value) => {
                let value = value.text(&key)?;
                Ok(vec![(key, value)])
            }
        }
    }

    fn text(self, key: &str) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(format!("one text belongs to the key {key:?} of a source")),
        }
    }
}

/// A header whose value is written there, or in the file that `{ file: FILE }` names.
fn header(name: &str, value: Written) -> Result<(String, String), String> {
    let Written::Mapping(mut options) = value else {
        return Ok(("header".to_owned(), format!("{name}: {}", value.text(name)?)));
    };
    match (options.pop(), options.is_empty()) {
        (Some((key, file)), true) if key == "file" => {
            Ok(("header-file".to_owned(), format!("{name}:{}", file.text("file")?)))
        }
        _ => Err(format!("the header {name:?} takes a text, or a mapping with the one key file")),
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyWritten)
    }
}

struct AnyWritten;

impl<'de> Visitor<'de> for AnyWritten {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source, or a list of sources")
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Text(String::new()))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Written, E> {
        Ok(Written::Text(truth.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Written, E> {
        Ok(Written::Text(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Written, E> {
        Ok(Written::Text(number.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Written::Mapping(mapping))
    }
}
