//! How families stand in OpenMetrics, and which names a kind lays claim to there.

use super::lines::{Section, Suffixes};
use crate::exposition::keyed::Hashes;
use crate::exposition::labels::{hash_bytes, is_metric_name};
use crate::exposition::merge::{Merged, MergedFamily};
use crate::exposition::model::{Kind, Suffix};

/// The sections that a family makes.
pub(super) fn sections(family: &MergedFamily<'_>, claims: &mut Claims) -> Vec<Section> {
    if claims.allow(family) {
        let name = short_name(family);
        let with_unit = family.unit.as_deref().is_some_and(|unit| {
            !matches!(family.kind, Kind::Info | Kind::StateSet)
                && name.strip_suffix(unit).is_some_and(|n| n.ends_with('_'))
        });
        let mut sections = vec![Section {
            name: name.to_owned(),
            word: family.kind.as_str(),
            kind: family.kind,
            suffixes: Suffixes::all(),
            with_unit,
        }];
        if family.kind == Kind::GaugeHistogram && family.has(Suffix::Created) {
            sections[0].suffixes = Suffixes::all_but(Suffix::Created);
            sections.push(Section {
                name: family.sample_name(Suffix::Created),
                word: "gauge",
                kind: Kind::Gauge,
                suffixes: Suffixes::only(Suffix::Created),
                with_unit: false,
            });
        }
        return sections;
    }
    let word = if matches!(family.kind, Kind::Info | Kind::StateSet) { "gauge" } else { "unknown" };
    Suffix::ALL
        .into_iter()
        .filter(|suffix| family.has(*suffix))
        .map(|suffix| Section {
            name: family.sample_name(suffix),
            word,
            kind: Kind::Unknown,
            suffixes: Suffixes::only(suffix),
            with_unit: false,
        })
        .collect()
}

/// Decides which families OpenMetrics can show with their kind. A kind lays claim to names beside
/// those of its samples: a counter `x_total` to `x` and `x_created`, a histogram to `x`.
///
/// Names are known by their hashes, as series are: there may be two of them for each of a hundred
/// thousand families.
#[derive(Debug)]
pub(super) struct Claims {
    real: Hashes,
    claimed: Hashes,
    scratch: Vec<u8>,
}

impl Claims {
    pub(super) fn new(merged: &Merged<'_>) -> Self {
        let mut claims =
            Self { real: Hashes::default(), claimed: Hashes::default(), scratch: Vec::new() };
        claims.real.reserve(merged.families.len());
        for family in &merged.families {
            for suffix in Suffix::ALL.into_iter().filter(|suffix| family.has(*suffix)) {
                let name = claims.hash(family.sample_name_parts(suffix));
                claims.real.insert(name);
            }
        }
        claims
    }

    fn allow(&mut self, family: &MergedFamily<'_>) -> bool {
        let name = short_name(family);
        let shortened = matches!(family.kind, Kind::Counter | Kind::Info);
        if !family.strict || name.is_empty() || shortened && name.len() == family.name.len() {
            return false;
        }
        // `0_total` is a name in the classic alphabet only with an underscore before it.
        if name.as_bytes()[0].is_ascii_digit() && is_metric_name(&family.name) {
            return false;
        }
        let mut claims = [None; Suffix::ALL.len() + 2];
        let bare = family.has(Suffix::Bare);
        if name != family.name || !bare {
            claims[0] = Some(self.hash([name, ""]));
        }
        if shortened && !bare {
            claims[1] = Some(self.hash([&family.name, ""]));
        }
        for suffix in family.kind.suffixes().iter().filter(|suffix| !family.has(**suffix)) {
            claims[*suffix as usize + 2] = Some(self.hash(family.sample_name_parts(*suffix)));
        }
        let claims = || claims.iter().flatten();
        if claims().any(|name| self.real.contains(name) || self.claimed.contains(name)) {
            return false;
        }
        self.claimed.extend(claims());
        true
    }

    fn hash(&mut self, name: [&str; 2]) -> u64 {
        self.scratch.clear();
        self.scratch.extend_from_slice(name[0].as_bytes());
        self.scratch.extend_from_slice(name[1].as_bytes());
        hash_bytes(&self.scratch, b"")
    }
}

fn short_name<'f>(family: &'f MergedFamily<'_>) -> &'f str {
    let ending = match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        _ => "",
    };
    family.name.strip_suffix(ending).unwrap_or(&family.name)
}
