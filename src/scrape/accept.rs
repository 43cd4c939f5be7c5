//! Says which formats a source may answer in, the richest first.
//!
//! `escaping=allow-utf-8` asks for names as they are. What has no version of its own comes last,
//! because whatever an app has is better than nothing.

/// Which formats a scrape can use best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wants {
    /// The answer will be text. OpenMetrics can say the most that text can: exemplars, units, times
    /// of creation. Protobuf is not named, as its native histograms would be lost, and some
    /// clients take the mere name for a wish whatever its weight.
    #[default]
    Text,
    /// The answer will be protobuf, the only format with native histograms.
    Protobuf,
}

impl Wants {
    /// The value of `Accept`.
    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::Text => {
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,\
                 application/openmetrics-text;version=1.0.0;q=0.9,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            }
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited;escaping=allow-utf-8,\
                 application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited;q=0.95,\
                 application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.9,\
                 application/openmetrics-text;version=1.0.0;q=0.8,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            }
        }
    }
}
