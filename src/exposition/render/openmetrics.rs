//! How families stand in OpenMetrics, and which names a kind lays claim to there.

use std::collections::HashSet;

use super::lines::{Section, Suffixes};
use crate::exposition::labels::is_metric_name;
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
#[derive(Debug)]
pub(super) struct Claims {
    real: HashSet<String>,
    claimed: HashSet<String>,
}

impl Claims {
    pub(super) fn new(merged: &Merged<'_>) -> Self {
        let mut real = HashSet::new();
        for family in &merged.families {
            let suffixes = Suffix::ALL.into_iter().filter(|suffix| family.has(*suffix));
            real.extend(suffixes.map(|suffix| family.sample_name(suffix)));
        }
        Self { real, claimed: HashSet::new() }
    }

    fn allow(&mut self, family: &MergedFamily<'_>) -> bool {
        let name = short_name(family);
        let shortened = matches!(family.kind, Kind::Counter | Kind::Info);
        if !family.strict || name.is_empty() || shortened && name.len() == family.name.len() {
            return false;
        }
        // `0_total` is a name in the classic alphabet only with an underscore before it.
        if is_metric_name(&family.name) && name.as_bytes()[0].is_ascii_digit() {
            return false;
        }
        let mut claims = Vec::new();
        if name != family.name || !family.has(Suffix::Bare) {
            claims.push(name.to_owned());
        }
        let unused = family.kind.suffixes().iter().filter(|suffix| !family.has(**suffix));
        claims.extend(unused.map(|suffix| family.sample_name(*suffix)));
        if shortened && !family.has(Suffix::Bare) {
            claims.push(family.name.to_string());
        }
        if claims.iter().any(|name| self.real.contains(name) || self.claimed.contains(name)) {
            return false;
        }
        self.claimed.extend(claims);
        true
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
