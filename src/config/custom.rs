//! Reads the dialects that the configuration itself defines: the key `custom-dialects` of the file.
//!
//! Each is a name and a list of families; a family says what it measures, of which exchanges, and
//! what its labels say. What is read here cannot contradict itself, nor a dialect that is built in.

mod family;
mod label;
mod map;

pub use self::family::{Bound, CustomFamily, CustomKind, Measure, Of};
pub use self::label::{Condition, Fact, FactText};

use super::error::ConfigError;
use crate::dialect::Dialect;
use crate::meter::{Detail, Side};
use map::{Map, Place};
use serde_json::Value;
use std::collections::HashSet;

/// The dialects that the configuration defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomDialects {
    /// As they were written, all of them.
    written: Option<Value>,
    /// Those that `--dialect` asks for.
    pub asked: Vec<CustomDialect>,
}

/// A dialect of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomDialect {
    /// What `--dialect` calls it.
    pub name: String,
    /// Its families, no two of which have a sample's name in common.
    pub families: Vec<CustomFamily>,
}

impl CustomDialect {
    /// What its families tell apart of the exchanges of one side.
    pub fn detail(&self, side: Side) -> Detail {
        self.families.iter().map(|family| family.detail(side)).fold(Detail::NONE, Detail::or)
    }

    /// The bounds of its latencies, in nanoseconds.
    pub fn durations(&self) -> Vec<u64> {
        self.bounds(Measure::is_duration)
    }

    /// The bounds of its sizes, in bytes.
    pub fn sizes(&self) -> Vec<u64> {
        self.bounds(|measure| !measure.is_duration())
    }

    fn bounds(&self, of: impl Fn(Measure) -> bool) -> Vec<u64> {
        let families = self.families.iter().filter(|family| of(family.measure));
        families.flat_map(|family| family.buckets().iter().map(|bound| bound.value)).collect()
    }
}

impl CustomDialects {
    /// Every dialect that is defined, whether or not it is asked for.
    pub(super) fn read(written: Option<&Value>) -> Result<Vec<CustomDialect>, ConfigError> {
        let Some(written) = written.filter(|written| !written.is_null()) else {
            return Ok(Vec::new());
        };
        let place = Place::default();
        let dialects = Map::of(written, &place)?;
        let mut all = Vec::new();
        for (name, families) in dialects.entries() {
            let place = place.within(name);
            if !is_name(name) {
                return Err(place.wrong("a dialect's name is letters, digits, - and _"));
            }
            if Dialect::named(name).is_some() {
                return Err(place.wrong("podmeter has a dialect of this name; give yours another"));
            }
            let Value::Array(families) = families else {
                return Err(place.wrong("a list of families belongs here"));
            };
            let families: Vec<CustomFamily> = families
                .iter()
                .map(|family| CustomFamily::read(family, &place))
                .collect::<Result<_, _>>()?;
            if families.is_empty() || families.len() > MOST {
                return Err(place.wrong(&format!("1 to {MOST} families belong here")));
            }
            all.push(CustomDialect { name: name.clone(), families });
        }
        if all.len() > MOST {
            return Err(place.wrong(&format!("at most {MOST} dialects belong here")));
        }
        Ok(all)
    }

    /// The ones that are asked for, which must get on with each other and with those built in.
    pub(super) fn asked(
        written: Option<&Value>,
        asked: Vec<CustomDialect>,
        built_in: &[Dialect],
    ) -> Result<Self, ConfigError> {
        let mut samples = HashSet::new();
        for dialect in &asked {
            for family in &dialect.families {
                let place = Place::default().within(&dialect.name).within(&family.name);
                if let Some(owner) = built_in.iter().find(|known| known.claims(&family.name)) {
                    let problem = format!(
                        "families of this name are those of the dialect {}; give yours another",
                        owner.as_str()
                    );
                    return Err(place.wrong(&problem));
                }
                for sample in family.sample_names() {
                    if !samples.insert(sample.clone()) {
                        let problem =
                            format!("another family has samples called {sample}, too; rename one");
                        return Err(place.wrong(&problem));
                    }
                }
            }
        }
        Ok(Self { written: written.cloned(), asked })
    }

    /// As they were written.
    pub(super) fn written(&self) -> Option<&Value> {
        self.written.as_ref()
    }
}

fn is_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 60 && name.chars().all(is_word)
}

/// Dialects, and families of one.
const MOST: usize = 50;

#[cfg(test)]
mod tests;
