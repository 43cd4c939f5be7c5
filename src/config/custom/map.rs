//! Takes a mapping of the file apart, and says where in it something is wrong.

use crate::config::error::{ConfigError, shown};
use serde_json::Value;

/// Where in `custom-dialects` something stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(String);

/// A mapping.
#[derive(Clone, Debug)]
pub(super) struct Map<'a> {
    entries: &'a serde_json::Map<String, Value>,
    place: Place,
}

impl Place {
    pub(super) fn within(&self, name: &str) -> Self {
        Self(format!("{}.{}", self.0, shown(name).trim_matches('"')))
    }

    /// What is wrong here, and what to do.
    pub(super) fn wrong(&self, problem: &str) -> ConfigError {
        ConfigError::CustomDialects { place: self.0.clone(), problem: problem.to_owned() }
    }
}

impl<'a> Map<'a> {
    pub(super) fn of(value: &'a Value, place: &Place) -> Result<Self, ConfigError> {
        match value {
            Value::Object(entries) => Ok(Self { entries, place: place.clone() }),
            _ => Err(place.wrong("a mapping belongs here, written as KEY: VALUE")),
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.entries.iter()
    }

    /// Refuses keys that are none of these.
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), ConfigError> {
        match self.entries.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let problem =
                    format!("{} is no key here; there are {}", shown(key), keys.join(", "));
                Err(self.place.wrong(&problem))
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.entries.get(key).filter(|value| !value.is_null())
    }

    /// A text, or a number as it is written.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let read = |value| {
            text(value).ok_or_else(|| self.place.within(key).wrong("one text belongs here"))
        };
        self.get(key).map(read).transpose()
    }

    /// A list of texts, or one.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = match value {
            Value::Array(values) => values.iter().map(text).collect(),
            value => text(value).map(|text| vec![text]),
        };
        let wrong = || self.place.within(key).wrong("one text or a list of texts belongs here");
        list.map(Some).ok_or_else(wrong)
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text);
        let wrong = || {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let problem = format!("it is {}, but takes {}", shown(&text), all.join(", "));
            self.place.within(key).wrong(&problem)
        };
        known.map(|(_, value)| Some(*value)).ok_or_else(wrong)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
