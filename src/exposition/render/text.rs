//! How families stand in Prometheus text.

use super::lines::{Section, Suffixes};
use crate::exposition::merge::MergedFamily;
use crate::exposition::model::{Kind, Suffix};

/// The sections that a family makes.
pub(super) fn sections(family: &MergedFamily<'_>) -> Vec<Section> {
    let whole = match family.kind {
        Kind::GaugeHistogram => None,
        // The Python reader takes `_total` away and refuses the nothing that is left.
        Kind::Counter if family.name == "_total" => Some("untyped"),
        Kind::Counter => Some("counter"),
        Kind::Gauge | Kind::Info | Kind::StateSet => Some("gauge"),
        Kind::Histogram => Some("histogram"),
        Kind::Summary => Some("summary"),
        Kind::Unknown => Some("untyped"),
    };
    let mut sections = Vec::with_capacity(1);
    let section = |name, word, suffixes| Section {
        name,
        word,
        kind: family.kind,
        suffixes,
        with_unit: false,
    };
    // Counters and histograms may have lost all but their creation times.
    if let Some(word) = whole
        && family.has_other_than(Suffix::Created)
    {
        let name = family.name.to_string();
        sections.push(section(name, word, Suffixes::all_but(Suffix::Created)));
    }
    // What text has no place for inside a family stands beside it as a gauge.
    for suffix in Suffix::ALL {
        if (suffix == Suffix::Created || whole.is_none()) && family.has(suffix) {
            sections.push(section(family.sample_name(suffix), "gauge", Suffixes::only(suffix)));
        }
    }
    sections
}
