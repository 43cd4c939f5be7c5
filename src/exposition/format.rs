//! The formats that an exposition can be written in, and how they spell names of any script.

/// A format that we can answer in: a syntax, and how it spells names outside the classic alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Format {
    syntax: Syntax,
    escaping: Escaping,
    /// Whether the Content-Type names the escaping even where it is the one that all expect.
    told: bool,
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

impl Escaping {
    /// The escaping that has this name in a header.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|escaping| escaping.as_str() == name)
    }

    /// The escaping that a Content-Type names.
    pub fn from_content_type(value: Option<&str>) -> Option<Self> {
        value?.split(';').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            let is_escaping = key.trim().eq_ignore_ascii_case("escaping");
            is_escaping.then(|| Self::from_name(value.trim().trim_matches('"')))?
        })
    }

    /// Its name in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
            Self::AllowUtf8 => "allow-utf-8",
        }
    }

    const ALL: [Self; 4] = [Self::Underscores, Self::Dots, Self::Values, Self::AllowUtf8];
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
        Self { syntax, escaping, told: false }
    }

    /// The same format for a client that named its escaping, whose answer then names it as well.
    #[must_use]
    pub const fn told(self) -> Self {
        Self { told: true, ..self }
    }

    /// How it is laid out.
    pub const fn syntax(self) -> Syntax {
        self.syntax
    }

    /// How it spells names outside the classic alphabet.
    pub const fn escaping(self) -> Escaping {
        self.escaping
    }

    /// The Content-Type of an answer in this format. It names the escaping where that is not the
    /// one that everybody expects, where it was [told](Self::told), and always in text 1.0.0.
    pub const fn content_type(self) -> &'static str {
        macro_rules! with_escaping {
            ($start:literal, $underscores:literal) => {
                match self.escaping {
                    Escaping::Underscores if self.told => {
                        concat!($start, "; escaping=underscores")
                    }
                    Escaping::Underscores => concat!($start, $underscores),
                    Escaping::Dots => concat!($start, "; escaping=dots"),
                    Escaping::Values => concat!($start, "; escaping=values"),
                    Escaping::AllowUtf8 => concat!($start, "; escaping=allow-utf-8"),
                }
            };
        }
        match self.syntax {
            Syntax::Text => with_escaping!("text/plain; version=0.0.4; charset=utf-8", ""),
            Syntax::QuotedText => {
                with_escaping!("text/plain; version=1.0.0; charset=utf-8", "; escaping=underscores")
            }
            Syntax::OpenMetrics => {
                with_escaping!("application/openmetrics-text; version=1.0.0; charset=utf-8", "")
            }
            Syntax::Protobuf => with_escaping!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited",
                ""
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_names_version_and_escaping() {
        for (syntax, escaping, content_type) in [
            (Syntax::Text, Escaping::Underscores, "text/plain; version=0.0.4; charset=utf-8"),
            (
                Syntax::Text,
                Escaping::Values,
                "text/plain; version=0.0.4; charset=utf-8; escaping=values",
            ),
            (Syntax::Text, Escaping::AllowUtf8, "text/plain; version=0.0.4; charset=utf-8"),
            (
                Syntax::QuotedText,
                Escaping::Underscores,
                "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            (
                Syntax::QuotedText,
                Escaping::AllowUtf8,
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                Syntax::OpenMetrics,
                Escaping::Underscores,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            (
                Syntax::OpenMetrics,
                Escaping::AllowUtf8,
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                Syntax::Protobuf,
                Escaping::Dots,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping=dots",
            ),
        ] {
            assert_eq!(Format::new(syntax, escaping).content_type(), content_type);
            let told = Format::new(syntax, escaping).told();
            let named = Escaping::from_content_type(Some(told.content_type()));
            assert_eq!(named, Some(told.escaping()));
        }
        assert_eq!(Escaping::from_content_type(Some("text/plain; escaping=other")), None);
    }
}
