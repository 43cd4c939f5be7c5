//! The formats that an exposition can be written in, and how they spell names of any script.

/// A format that we can answer in: a syntax, and how it spells names outside the classic alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Format {
    syntax: Syntax,
    escaping: Escaping,
}

/// How an exposition is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Syntax {
    /// Prometheus text 0.0.4, which every scraper reads.
    #[default]
    Text,
    /// Prometheus text 1.0.0: 0.0.4 with names in quotes.
    QuotedText,
    /// `OpenMetrics` 1.0.0, which has exemplars.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages, which have native histograms.
    Protobuf,
}

/// What becomes of a name outside the classic alphabet (Prometheus, "Content Negotiation",
/// `escaping=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// Each other character becomes `_`.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, any other `__` as well.
    Dots,
    /// The name begins with `U__`, and each other character becomes `_HEX_`.
    Values,
    /// The name stays as it is, in quotes where the syntax has no other way.
    AllowUtf8,
}

impl Format {
    /// Text 0.0.4.
    pub const TEXT: Self = Self::new(Syntax::Text, Escaping::Underscores);
    /// `OpenMetrics` 1.0.0.
    pub const OPENMETRICS: Self = Self::new(Syntax::OpenMetrics, Escaping::Underscores);
    /// Delimited protobuf.
    pub const PROTOBUF: Self = Self::new(Syntax::Protobuf, Escaping::Underscores);

    /// A syntax with an escaping. Text 0.0.4 has no place for other names, so there
    /// [`Escaping::AllowUtf8`] is [`Escaping::Underscores`].
    pub const fn new(syntax: Syntax, escaping: Escaping) -> Self {
        let escaping = match (syntax, escaping) {
            (Syntax::Text, Escaping::AllowUtf8) => Escaping::Underscores,
            (_, escaping) => escaping,
        };
        Self { syntax, escaping }
    }

    /// How it is laid out.
    pub const fn syntax(self) -> Syntax {
        self.syntax
    }

    /// How it spells names outside the classic alphabet.
    pub const fn escaping(self) -> Escaping {
        self.escaping
    }

    /// The Content-Type of an answer in this format.
    pub fn content_type(self) -> &'static str {
        match self.syntax {
            Syntax::Text | Syntax::QuotedText => "text/plain; version=0.0.4; charset=utf-8",
            Syntax::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Syntax::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}
