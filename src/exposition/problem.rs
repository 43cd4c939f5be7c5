//! What was wrong with a source, where, and what it cost.

/// How many problems of one source are kept whole unless [`crate::exposition::Limits`] says
/// otherwise; beyond it they are only counted.
pub(crate) const KEPT: usize = 20;

/// Why a line or a sample was refused: closed, so that it can be a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The line is not UTF-8.
    InvalidUtf8,
    /// The line is longer than [`crate::exposition::Limits::line_bytes`].
    LineTooLong,
    /// More samples or families than the limits allow.
    TooMany,
    /// The body is no exposition at all: an HTML page, for one.
    NotAnExposition,
    /// A name that no format allows, or none.
    BadName,
    /// The label set cannot be read.
    BadLabels,
    /// A label name occurs twice in one sample.
    DuplicateLabel,
    /// A label name begins with `__`, which is Prometheus's own.
    ReservedLabel,
    /// The value is missing or no number.
    BadValue,
    /// The timestamp is no number of the format.
    BadTimestamp,
    /// The timestamp cannot be told in milliseconds of 64 bits, as Prometheus stores it; or not in
    /// text, which knows none before 1970.
    TimestampRange,
    /// There is text after the sample.
    TrailingText,
    /// The exemplar cannot be read.
    BadExemplar,
    /// The exemplar's labels are longer than 128 characters.
    ExemplarTooLong,
    /// An exemplar where the format has none.
    ExemplarNotAllowed,
    /// A `HELP`, `TYPE` or `UNIT` line that cannot be read, or a comment where there is none.
    BadMetadata,
    /// A type that the format does not know.
    BadType,
    /// A unit that is not the end of the family's name.
    BadUnit,
    /// Metadata given twice or after the family's samples.
    RepeatedMetadata,
    /// An empty line where the format has none.
    BlankLine,
    /// `OpenMetrics` without `# EOF` at the end.
    MissingEof,
    /// Lines after `# EOF`.
    DataAfterEof,
    /// The same series twice.
    DuplicateSeries,
    /// Another source gave the family another type, which the sample does not fit.
    TypeConflict,
    /// The sample's name belongs to a histogram or summary of the proxy.
    NameClash,
    /// A histogram or summary that does not add up, under a name of the proxy's own.
    Inconsistent,
    /// A name outside the classic alphabet that could not be escaped without meeting another.
    Utf8Name,
    /// A protobuf message that ends before its length says.
    Truncated,
    /// A protobuf message that cannot be read: an impossible length, key or value.
    BadMessage,
    /// A quantile of one of several processes that are added up.
    QuantileInSum,
    /// A native histogram of a family that had to be taken apart.
    TakenApart,
}

impl Reason {
    /// Every reason, in a fixed order.
    pub const ALL: [Self; 31] = [
        Self::InvalidUtf8,
        Self::LineTooLong,
        Self::TooMany,
        Self::NotAnExposition,
        Self::BadName,
        Self::BadLabels,
        Self::DuplicateLabel,
        Self::ReservedLabel,
        Self::BadValue,
        Self::BadTimestamp,
        Self::TimestampRange,
        Self::TrailingText,
        Self::BadExemplar,
        Self::ExemplarTooLong,
        Self::ExemplarNotAllowed,
        Self::BadMetadata,
        Self::BadType,
        Self::BadUnit,
        Self::RepeatedMetadata,
        Self::BlankLine,
        Self::MissingEof,
        Self::DataAfterEof,
        Self::DuplicateSeries,
        Self::TypeConflict,
        Self::NameClash,
        Self::Inconsistent,
        Self::Utf8Name,
        Self::Truncated,
        Self::BadMessage,
        Self::QuantileInSum,
        Self::TakenApart,
    ];

    /// The reason as a label value.
    pub fn as_str(self) -> &'static str {
        self.told().0
    }

    /// The reason as a sentence.
    pub fn sentence(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidUtf8 => ("invalid_utf8", "the line is not UTF-8"),
            Self::LineTooLong => ("line_too_long", "the line is longer than the limit"),
            Self::TooMany => ("too_many", "more samples or families than the limit"),
            Self::NotAnExposition => {
                ("not_an_exposition", "the body is no exposition; it begins like HTML")
            }
            Self::BadName => ("bad_name", "expected a metric name"),
            Self::BadLabels => ("bad_labels", "expected name=\"value\" pairs, commas and a brace"),
            Self::DuplicateLabel => ("duplicate_label", "a label name occurs twice"),
            Self::ReservedLabel => {
                ("reserved_label", "label names that begin with __ are reserved for Prometheus")
            }
            Self::BadValue => ("bad_value", "expected a number as value"),
            Self::BadTimestamp => ("bad_timestamp", "expected a timestamp"),
            Self::TimestampRange => {
                ("timestamp_range", "the format has no way to tell the timestamp")
            }
            Self::TrailingText => ("trailing_text", "unexpected text after the sample"),
            Self::BadExemplar => ("bad_exemplar", "expected an exemplar: # {labels} value"),
            Self::ExemplarTooLong => {
                ("exemplar_too_long", "the exemplar's labels exceed 128 characters")
            }
            Self::ExemplarNotAllowed => {
                ("exemplar_not_allowed", "no exemplar is allowed on this sample")
            }
            Self::BadMetadata => ("bad_metadata", "expected # HELP, # TYPE or # UNIT and a name"),
            Self::BadType => ("bad_type", "the format does not know this type"),
            Self::BadUnit => ("bad_unit", "the unit is not the end of the family's name"),
            Self::RepeatedMetadata => {
                ("repeated_metadata", "metadata repeated, or after the family's samples")
            }
            Self::BlankLine => ("blank_line", "OpenMetrics has no empty lines"),
            Self::MissingEof => ("missing_eof", "OpenMetrics ends with # EOF"),
            Self::DataAfterEof => ("data_after_eof", "nothing may follow # EOF"),
            Self::DuplicateSeries => ("duplicate_series", "the series was already given"),
            Self::TypeConflict => {
                ("type_conflict", "the sample does not fit the type that the family has")
            }
            Self::NameClash => {
                ("name_clash", "the name belongs to a histogram or summary of the proxy")
            }
            Self::Inconsistent => ("inconsistent", "the histogram or summary does not add up"),
            Self::Utf8Name => ("utf8_name", "the escaped name is already taken"),
            Self::Truncated => ("truncated", "the body ends within a message"),
            Self::BadMessage => ("bad_message", "the protobuf message cannot be read"),
            Self::QuantileInSum => {
                ("quantile_in_sum", "quantiles of several processes cannot be added up (mode=sum)")
            }
            Self::TakenApart => {
                ("taken_apart", "a native histogram's family does not add up or fit as a whole")
            }
        }
    }

    /// The place of the reason in [`Reason::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// One thing wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1. In protobuf the number of the family.
    pub line: usize,
    /// In bytes, counted from 1. In protobuf within the family's message.
    pub column: usize,
    /// Why.
    pub reason: Reason,
    /// Whether a sample was lost for it, rather than only remarked upon.
    pub costs_sample: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.reason.sentence())
    }
}

/// What is wrong with a source: the first problems whole, all of them by number.
#[derive(Debug, Clone)]
pub struct Problems {
    first: Vec<Problem>,
    total: u64,
    dropped: Counts,
    keep: usize,
}

impl Default for Problems {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Problems {
    /// None so far; the first `keep` of them will be kept whole.
    pub(crate) fn keeping(keep: usize) -> Self {
        Self { first: Vec::new(), total: 0, dropped: Counts::default(), keep }
    }

    /// The first problems, in the order of the lines.
    pub fn first(&self) -> &[Problem] {
        &self.first
    }

    /// How many there are, with those that are not kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Samples lost, by reason.
    pub fn dropped(&self) -> &Counts {
        &self.dropped
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        self.total += 1;
        if problem.costs_sample {
            self.dropped.add(problem.reason, 1);
        }
        if self.first.len() < self.keep {
            self.first.push(problem);
        }
    }

    /// Counts samples that were lost for the problem before, beside its first.
    pub(crate) fn lost(&mut self, reason: Reason, samples: u64) {
        self.dropped.add(reason, samples);
    }
}

/// A number for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts([u64; Reason::ALL.len()]);

impl Counts {
    /// The number for one reason.
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason.index()]
    }

    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().map(|reason| (reason, self.get(reason))).filter(|(_, n)| *n > 0)
    }

    pub(crate) fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason.index()] += count;
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self([0; Reason::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_at_its_own_place() {
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), at, "{}", reason.as_str());
        }
    }
}
