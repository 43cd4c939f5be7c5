//! What becomes of a source's samples among those of the others.

use std::collections::BTreeMap;

/// What becomes of a source's samples (`mode=`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceMode {
    /// They stay as they are; of series that another source has, too, the first source's holds.
    #[default]
    Plain,
    /// Each gets a label `source="NAME"`.
    Label,
    /// They are added to those of the other sources of this mode: worker processes of one app.
    Sum(SumRules),
}

/// How samples are added up (`mode=sum`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumRules {
    /// Which sources are added up with each other: those of the same name, or of none (`group=`).
    pub group: Option<String>,
    /// What becomes of gauges that have no rule of their own (`gauges=`).
    pub gauges: GaugeRule,
    /// What becomes of the gauges of single families, by the family's name (`gauge.FAMILY=`).
    pub gauge: BTreeMap<String, GaugeRule>,
    /// How many processes answer at the URL, each scrape reaching another; 1 to 64 (`workers=`).
    pub workers: usize,
}

impl SumRules {
    /// Adds the rules of another source of the group; false if they contradict each other.
    pub(crate) fn take_over(&mut self, other: &Self) -> bool {
        let usual = GaugeRule::Sum;
        if self.gauges != usual && other.gauges != usual && self.gauges != other.gauges {
            return false;
        }
        if self.gauges == usual {
            self.gauges = other.gauges;
        }
        let mut rules = other.gauge.iter();
        rules.all(|(family, rule)| *self.gauge.entry(family.clone()).or_insert(*rule) == *rule)
    }
}

impl Default for SumRules {
    fn default() -> Self {
        Self { group: None, gauges: GaugeRule::Sum, gauge: BTreeMap::new(), workers: 1 }
    }
}

/// What several processes' gauges come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GaugeRule {
    /// Their sum, as of requests in flight.
    Sum,
    /// The largest, as of a time of last success.
    Max,
    /// The smallest.
    Min,
    /// That with the newest timestamp, else that of the source that comes last.
    Last,
    /// Each by itself, with a label for its process.
    Label,
}

impl GaugeRule {
    /// Every rule.
    pub const ALL: [Self; 5] = [Self::Sum, Self::Max, Self::Min, Self::Last, Self::Label];

    /// The name that `gauges=` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Min => "min",
            Self::Last => "last",
            Self::Label => "label",
        }
    }

    /// The rule of a name.
    pub(super) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }
}

/// The most processes that are waited for at one URL.
pub(super) const MOST_WORKERS: usize = 64;
