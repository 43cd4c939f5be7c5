//! Every rule that an exposition can break, with its short name and its sentence.

/// Whether a finding makes the exposition invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// A reader refuses it.
    Error,
    /// Every reader takes it, but a person should look at it.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Makes the enum, its list and its words from one table.
macro_rules! rules {
    ($($rule:ident $severity:ident $code:literal $sentence:literal)*) => {
        /// What a finding is about: closed, so that programs can tell findings apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $sentence] $rule,)*
        }

        impl Rule {
            /// Every rule, in a fixed order.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Its short name, for programs.
            pub fn code(self) -> &'static str {
                match self { $(Self::$rule => $code,)* }
            }

            /// Its sentence, for people.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$rule => $sentence,)* }
            }

            /// How much it matters. Text 0.0.4 forgives more than OpenMetrics.
            pub fn severity(self, openmetrics: bool) -> Severity {
                let grade = match self { $(Self::$rule => Grade::$severity,)* };
                match grade {
                    Grade::Error => Severity::Error,
                    Grade::ErrorInOpenMetrics if openmetrics => Severity::Error,
                    Grade::ErrorInOpenMetrics | Grade::Warning => Severity::Warning,
                }
            }
        }
    };
}

enum Grade {
    Error,
    /// Every reader of text takes it; those of OpenMetrics do not.
    ErrorInOpenMetrics,
    Warning,
}

rules! {
    // Lines.
    InvalidUtf8 Error "invalid_utf8" "the line is not UTF-8"
    NotAnExposition Error "not_an_exposition" "this is no exposition; it begins like HTML"
    CarriageReturn Error "carriage_return" "the line ends with CR LF; end lines with LF alone (told once)"
    MissingNewline Error "missing_newline" "the last line has no line feed at its end"
    LongLine Warning "long_line" "the line is longer than 1 MiB, which the proxy skips"
    BlankLine Error "blank_line" "OpenMetrics has no empty lines"
    Blank Error "blank" "a blank that does not belong here"
    MissingEof Error "missing_eof" "OpenMetrics ends with the line # EOF"
    DataAfterEof Error "data_after_eof" "nothing may follow # EOF"
    // Samples.
    BadName Error "bad_name" "expected a metric name"
    NameTwice Error "name_twice" "the metric's name is there twice"
    BadLabelName Error "bad_label_name" "expected a label name"
    MissingEquals Error "missing_equals" "expected = behind the label's name"
    BadLabelValue Error "bad_label_value" "expected a label value in double quotes"
    OpenQuote Error "open_quote" "the quote is not closed on this line"
    BadEscape Error "bad_escape" "a backslash stands before \\, \" or n only"
    MissingComma Error "missing_comma" "expected a comma or a closing brace"
    ExtraComma Error "extra_comma" "a comma without a label behind it"
    DuplicateLabel Error "duplicate_label" "a label name occurs twice"
    ReservedLabel Error "reserved_label" "label names that begin with __ are reserved for Prometheus"
    BadValue Error "bad_value" "expected a number as value"
    BadTimestamp Error "bad_timestamp" "expected a timestamp"
    TrailingText Error "trailing_text" "unexpected text after the sample"
    BadExemplar Error "bad_exemplar" "expected an exemplar: # {labels} value, then seconds if any"
    ExemplarTooLong Error "exemplar_too_long" "the exemplar's labels exceed 128 characters"
    ExemplarNotAllowed Error "exemplar_not_allowed" "no exemplar is allowed on this sample"
    // What is said about families.
    BadMetadata Error "bad_metadata" "expected # HELP, # TYPE or # UNIT, a name and a text"
    BadType Error "bad_type" "the format does not know this type"
    BadUnit Error "bad_unit" "the unit is not the end of the family's name"
    UnitNotAllowed Error "unit_not_allowed" "an info or state set has no unit"
    RepeatedMetadata Error "repeated_metadata" "told again; once is all that is allowed"
    LateMetadata Error "late_metadata" "told after the family's samples"
    // Families.
    SplitFamily ErrorInOpenMetrics "split_family" "the family's lines do not stand together"
    NameClash Error "name_clash" "the name belongs to two families"
    ForeignSample ErrorInOpenMetrics "foreign_sample" "a sample of this name is none that its family's type has"
    DuplicateSeries Warning "duplicate_series" "the series was already given"
    RepeatedTime Warning "repeated_time" "the series was already given for this time"
    InterleavedSeries Error "interleaved_series" "the samples of one label set do not stand together"
    MixedTimestamps Error "mixed_timestamps" "some samples of the label set have a timestamp and some have none"
    TimeGoesBack Error "time_goes_back" "the timestamp is earlier than the one before it"
    // Histograms, summaries and the rest.
    BadBound Error "bad_bound" "le is missing or no number"
    NanBound ErrorInOpenMetrics "nan_bound" "le or quantile is NaN"
    OddInfinity Error "odd_infinity" "infinity is spelt +Inf here"
    BucketOrder ErrorInOpenMetrics "bucket_order" "the buckets are not in ascending order of le"
    FallingBuckets ErrorInOpenMetrics "falling_buckets" "the bucket counts less than the one before it"
    MissingInfinity ErrorInOpenMetrics "missing_infinity" "the histogram has no bucket le=\"+Inf\""
    CountMismatch ErrorInOpenMetrics "count_mismatch" "the count differs from the bucket le=\"+Inf\""
    SumAlone Error "sum_alone" "a sum and a count come together or not at all"
    NegativeSum Error "negative_sum" "with negative buckets there is no _sum; without, no negative _gsum"
    BadQuantile Error "bad_quantile" "quantile is missing or no number"
    QuantileRange ErrorInOpenMetrics "quantile_range" "quantile is not between 0 and 1"
    NegativeValue ErrorInOpenMetrics "negative_value" "what is counted cannot be negative"
    NotANumber ErrorInOpenMetrics "not_a_number" "what is counted cannot be NaN"
    NotWhole Error "not_whole" "what is counted is whole in OpenMetrics"
    MissingState Error "missing_state" "a state set's sample has a label of the family's name"
    BadState Error "bad_state" "a state is 0 or 1"
    BadInfo Error "bad_info" "an info's value is 1"
    // Protobuf.
    Inconsistent Error "inconsistent" "the native histogram does not add up"
    BelowZero Warning "below_zero" "a native bucket is below zero; Prometheus would refuse to store the scrape"
    Unreadable Error "unreadable" "the message cannot be read"
    // Style.
    NoHelp Warning "no_help" "the family has no # HELP"
    CounterName Warning "counter_name" "a counter's name ends with _total"
    TotalName Warning "total_name" "only a counter's name ends with _total"
    BaseUnit Warning "base_unit" "the name has a unit that is no base unit"
    AbbreviatedUnit Warning "abbreviated_unit" "the name abbreviates a unit"
    TypeInName Warning "type_in_name" "the name repeats the type"
    Colon Warning "colon" "names with a colon are for recording rules"
    CamelCase Warning "camel_case" "names have small letters, digits and underscores"
    ReservedSuffix Warning "reserved_suffix" "_bucket, _count and _sum are for histograms and summaries"
    LeLabel Warning "le_label" "the label le is for histograms"
    QuantileLabel Warning "quantile_label" "the label quantile is for summaries"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_and_a_sentence_of_its_own() {
        let codes: HashSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        let sentences: HashSet<_> = Rule::ALL.iter().map(|rule| rule.sentence()).collect();
        assert_eq!((codes.len(), sentences.len()), (Rule::ALL.len(), Rule::ALL.len()));
    }
}
