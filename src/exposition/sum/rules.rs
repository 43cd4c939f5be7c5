//! What becomes of values that are not counts, where several processes tell one each.

use std::collections::BTreeMap;

use crate::exposition::model::{Kind, Suffix};

/// What several processes' values of one gauge come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GaugeRule {
    /// Their sum.
    #[default]
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// That with the newest timestamp, else that of the last process.
    Last,
    /// Each by itself, with the label `process`.
    Label,
}

/// Which gauge goes by which rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GaugeRules {
    all: GaugeRule,
    families: BTreeMap<String, GaugeRule>,
}

impl GaugeRules {
    /// One rule for all gauges. With [`GaugeRule::Sum`], gauges whose names say that they are no
    /// amounts, such as `process_start_time_seconds`, go by what their names say.
    pub fn new(all: GaugeRule) -> Self {
        Self { all, families: BTreeMap::new() }
    }

    /// Sets the rule of one family; the first that is set holds.
    pub fn set(&mut self, family: impl Into<String>, rule: GaugeRule) -> &mut Self {
        self.families.entry(family.into()).or_insert(rule);
        self
    }

    /// What becomes of the samples of a family that have this suffix.
    pub(super) fn way(&self, name: &str, kind: Kind, suffix: Suffix) -> Way {
        if suffix == Suffix::Created {
            return Way::Min;
        }
        let own = self.families.get(name).or_else(|| self.families.get(short(name, kind)?));
        match kind {
            Kind::GaugeHistogram if own == Some(&GaugeRule::Label) => Way::PerProcess,
            Kind::Counter | Kind::Histogram | Kind::Summary | Kind::GaugeHistogram => Way::Add,
            _ => own.map_or_else(|| self.by_name(name, kind), |rule| Way::from(*rule)),
        }
    }

    fn by_name(&self, name: &str, kind: Kind) -> Way {
        if kind == Kind::Info || name.ends_with("_info") {
            return Way::First;
        }
        if kind == Kind::StateSet {
            return Way::Max;
        }
        if is_start(name) {
            return Way::Min;
        }
        if counts(name, kind) {
            return Way::Add;
        }
        if self.all != GaugeRule::Sum {
            return self.all.into();
        }
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(LARGEST) {
            Way::Max
        } else if ends(SMALLEST) {
            Way::Min
        } else {
            Way::Add
        }
    }
}

/// How the values of one series become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Add,
    Max,
    Min,
    Last,
    First,
    PerProcess,
}

impl From<GaugeRule> for Way {
    fn from(rule: GaugeRule) -> Self {
        match rule {
            GaugeRule::Sum => Self::Add,
            GaugeRule::Max => Self::Max,
            GaugeRule::Min => Self::Min,
            GaugeRule::Last => Self::Last,
            GaugeRule::Label => Self::PerProcess,
        }
    }
}

/// Whether samples count something that is not over when the process is: they stay in the sum.
pub(super) fn lasts(name: &str, kind: Kind) -> bool {
    matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary)
        || counts(name, kind)
        || matches!(kind, Kind::Gauge | Kind::Unknown) && is_start(name)
}

/// Whether a family without a type is named as the parts of counters and histograms are.
pub(super) fn counts(name: &str, kind: Kind) -> bool {
    let ends = |ending: &&str| name.ends_with(*ending);
    kind == Kind::Unknown && ["_total", "_count", "_sum", "_bucket"].iter().any(ends)
}

/// Whether it is the time at which a counter began, a gauge of its own in text.
pub(super) fn is_start(name: &str) -> bool {
    name.ends_with("_created")
}

/// The name as OpenMetrics has it, where that is another.
fn short(name: &str, kind: Kind) -> Option<&str> {
    if kind == Kind::Info { name.strip_suffix("_info") } else { None }
}

/// Points in time, and limits that all processes have alike.
const LARGEST: &[&str] = &[
    "_time_seconds",
    "_timestamp_seconds",
    "_timestamp",
    "_timestamp_ms",
    "_max",
    "_max_bytes",
    "_max_fds",
    "_limit",
    "_limit_bytes",
];
const SMALLEST: &[&str] = &["_min", "_min_bytes"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_goes_by_its_own_rule_then_by_its_name_then_by_that_of_all() {
        let mut rules = GaugeRules::default();
        rules.set("b_max", GaugeRule::Last);
        for (name, kind, way) in [
            ("requests_in_flight", Kind::Gauge, Way::Add),
            ("process_start_time_seconds", Kind::Gauge, Way::Max),
            ("process_max_fds", Kind::Gauge, Way::Max),
            ("last_success_timestamp_seconds", Kind::Gauge, Way::Max),
            ("a_max", Kind::Gauge, Way::Max),
            ("a_min", Kind::Unknown, Way::Min),
            ("b_max", Kind::Gauge, Way::Last),
            ("go_info", Kind::Gauge, Way::First),
            ("x_created", Kind::Gauge, Way::Min),
            ("jobs_total", Kind::Unknown, Way::Add),
            ("python_info", Kind::Info, Way::First),
            ("state", Kind::StateSet, Way::Max),
        ] {
            assert_eq!(rules.way(name, kind, Suffix::Bare), way, "{name}");
        }
        let rules = GaugeRules::new(GaugeRule::Label);
        assert_eq!(rules.way("a_max", Kind::Gauge, Suffix::Bare), Way::PerProcess);
        assert_eq!(rules.way("jobs_total", Kind::Unknown, Suffix::Bare), Way::Add);
        assert_eq!(rules.way("jobs_total", Kind::Counter, Suffix::Bare), Way::Add);
        assert_eq!(rules.way("jobs_total", Kind::Counter, Suffix::Created), Way::Min);
    }

    #[test]
    fn only_what_counts_outlives_its_process() {
        assert!(lasts("a", Kind::Counter) && lasts("a", Kind::Histogram));
        assert!(lasts("a_total", Kind::Unknown) && lasts("a_created", Kind::Gauge));
        assert!(!lasts("a", Kind::Gauge) && !lasts("a", Kind::Unknown));
        assert!(!lasts("a_total", Kind::Gauge) && !lasts("a", Kind::GaugeHistogram));
    }
}
