//! Chooses the format of an answer from the scraper's `Accept` header.

use super::format::{Escaping, Format, Syntax};

/// Chooses the format for the values of the `Accept` header lines (RFC 9110, 12.5.1).
///
/// Of the formats that we have, the heaviest is given, where the most specific range that fits a
/// format tells its weight. Between equals, one that is named beats one that only a wildcard
/// allows, and then the one that comes first. There is no 406: whoever asks for nothing that we
/// have gets text 0.0.4.
///
/// A format is named by its type together with the version (protobuf: with message and
/// encoding), so `OpenMetrics` 0.0.1 is nothing that we have; no version means 0.0.4 of text and
/// 1.0.0 of `OpenMetrics`. `escaping=` is taken over from the range that names the format.
/// `text/*` and `*/*` mean text 0.0.4, `application/*` means `OpenMetrics`; protobuf and text 1.0.0
/// are only for those who name them.
pub fn negotiate<'v>(accept: impl IntoIterator<Item = &'v str>) -> Format {
    let mut offers = Syntax::OFFERED.map(Offer::new);
    let ranges = accept.into_iter().flat_map(|line| split_unquoted(line, b','));
    for (order, range) in ranges.take(MAX_RANGES).enumerate() {
        let range = Range::read(range);
        for offer in &mut offers {
            offer.consider(&range, order);
        }
    }
    let wanted = offers.iter().filter(|offer| offer.fit.is_some() && offer.weight > 0);
    // Of equals `min_by_key` takes the first, and text is the first that is offered.
    let best = wanted.min_by_key(|offer| {
        let named = offer.fit == Some(Fit::Named);
        (std::cmp::Reverse((offer.weight, named)), named.then_some(offer.order))
    });
    best.map_or(Format::TEXT, |offer| {
        let format = Format::new(offer.syntax, offer.escaping.unwrap_or_default());
        if offer.escaping.is_some() { format.told() } else { format }
    })
}

/// A weight in thousandths (RFC 9110, 12.4.2); what is no weight counts as 1, as if it were not
/// there.
pub(crate) fn weight(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 to 1000"
        )]
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u16,
        _ => 1000,
    }
}

/// One range of the header: a type, perhaps with wildcards, and the parameters that we know.
#[derive(Debug, Default)]
struct Range<'v> {
    name: &'v str,
    weight: u16,
    version: Option<&'v str>,
    escaping: Option<Escaping>,
    message: Option<&'v str>,
    encoding: Option<&'v str>,
}

impl<'v> Range<'v> {
    fn read(text: &'v str) -> Self {
        let mut parts = split_unquoted(text, b';');
        let name = parts.next().unwrap_or("").trim();
        let mut range = Self { name, weight: 1000, ..Self::default() };
        for part in parts {
            let Some((key, value)) = part.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            let is = |known: &str| key.eq_ignore_ascii_case(known);
            if is("q") {
                range.weight = weight(value);
            } else if is("version") {
                range.version = Some(value);
            } else if is("escaping") {
                // One that nobody knows is ignored, as Prometheus's own library does.
                range.escaping = Escaping::from_name(value);
            } else if is("proto") {
                range.message = Some(value);
            } else if is("encoding") {
                range.encoding = Some(value);
            }
        }
        range
    }

    /// How closely this range fits a syntax.
    fn fit(&self, syntax: Syntax) -> Option<Fit> {
        let is = |known: &str| self.name.eq_ignore_ascii_case(known);
        let version = |known: &str| self.version.is_none_or(|version| version == known);
        let named = match syntax {
            Syntax::Text => is("text/plain") && version("0.0.4"),
            Syntax::QuotedText => is("text/plain") && self.version == Some("1.0.0"),
            Syntax::OpenMetrics => is("application/openmetrics-text") && version("1.0.0"),
            Syntax::Protobuf => {
                is("application/vnd.google.protobuf")
                    && self.message == Some("io.prometheus.client.MetricFamily")
                    && self.encoding == Some("delimited")
            }
        };
        match syntax {
            _ if named => Some(Fit::Named),
            Syntax::Text if is("text/*") => Some(Fit::Class),
            Syntax::OpenMetrics if is("application/*") => Some(Fit::Class),
            Syntax::Text | Syntax::OpenMetrics if is("*/*") => Some(Fit::Anything),
            _ => None,
        }
    }
}

/// How specific a range is that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Anything,
    Class,
    Named,
}

/// A syntax that we have, and the range that speaks for it: of the most specific ones the heaviest.
struct Offer {
    syntax: Syntax,
    fit: Option<Fit>,
    weight: u16,
    order: usize,
    escaping: Option<Escaping>,
}

impl Offer {
    fn new(syntax: Syntax) -> Self {
        Self { syntax, fit: None, weight: 0, order: 0, escaping: None }
    }

    fn consider(&mut self, range: &Range<'_>, order: usize) {
        let fit = range.fit(self.syntax);
        if fit.is_some() && (fit, range.weight) > (self.fit, self.weight) {
            let Range { weight, escaping, .. } = *range;
            *self = Self { syntax: self.syntax, fit, weight, order, escaping };
        }
    }
}

impl Syntax {
    /// What we can answer in, the default first.
    const OFFERED: [Self; 4] = [Self::Text, Self::OpenMetrics, Self::QuotedText, Self::Protobuf];
}

/// Splits at a separator outside of quoted strings.
fn split_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, b) in text.bytes().enumerate() {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b if b == separator && !quoted => {
                    rest = Some(&text[at + 1..]);
                    return Some(&text[..at]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

/// Real headers have a handful; more is not worth anybody's time.
const MAX_RANGES: usize = 64;

#[cfg(test)]
mod tests;
