//! Chooses the format of an answer from the scraper's `Accept` header.

use super::format::Format;

/// Chooses the format for the values of the `Accept` header lines (RFC 9110, 12.5.1).
///
/// There is no 406: whoever asks for nothing that we have gets text. `OpenMetrics` is given to
/// those who name it (or `application/*`) with a weight above text's, or with the same weight
/// and earlier. `*/*` alone is text. Prometheus since 2.42 asks for OpenMetrics 1.0.0 and 0.0.1 and
/// text in one header; older ones ask for 0.0.1 and text, and get text, because 1.0.0 is what
/// we would send. A version of text other than 0.0.4 still means text.
pub fn negotiate<'v>(accept: impl IntoIterator<Item = &'v str>) -> Format {
    let mut best = Ask::default();
    let mut text = Ask::default();
    let ranges = accept.into_iter().flat_map(|line| split_unquoted(line, b','));
    for (order, range) in ranges.take(MAX_RANGES).enumerate() {
        let mut parts = split_unquoted(range, b';');
        let name = parts.next().unwrap_or("").trim();
        let (mut weight, mut version) = (1000, None);
        for part in parts {
            let Some((key, value)) = part.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            if key.trim().eq_ignore_ascii_case("q") {
                weight = parse_weight(value);
            } else if key.trim().eq_ignore_ascii_case("version") {
                version = Some(value);
            }
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("application/openmetrics-text") && version.is_none_or(|v| v == "1.0.0") {
            best.offer(2, weight, order);
        } else if is("application/*") {
            best.offer(1, weight, order);
        } else if is("text/plain") {
            text.offer(2, weight, order);
        } else if is("text/*") {
            text.offer(1, weight, order);
        } else if is("*/*") {
            text.offer(0, weight, order);
        }
    }
    let wins = match (best.specificity, text.specificity) {
        (None, _) => false,
        (Some(_), None) => best.weight > 0,
        // A wildcard says that text will do as well, not that it is wanted.
        (Some(_), Some(0)) => best.weight > 0 && best.weight >= text.weight,
        (Some(_), Some(_)) => {
            best.weight > text.weight
                || (best.weight > 0 && best.weight == text.weight && best.order < text.order)
        }
    };
    if wins { Format::OPENMETRICS } else { Format::TEXT }
}

/// The range that speaks for a format: the most specific one, of those the heaviest.
#[derive(Default)]
struct Ask {
    specificity: Option<u8>,
    weight: u16,
    order: usize,
}

impl Ask {
    fn offer(&mut self, specificity: u8, weight: u16, order: usize) {
        if (Some(specificity), weight) > (self.specificity, self.weight) {
            *self = Self { specificity: Some(specificity), weight, order };
        }
    }
}

/// A weight in thousandths; what is no weight counts as 1, as if it were not there.
fn parse_weight(text: &str) -> u16 {
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
mod tests {
    use super::*;

    #[test]
    fn each_prometheus_gets_what_it_likes_best_of_what_we_have() {
        for (accept, format) in [
            // 2.42
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=\
                 0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OPENMETRICS,
            ),
            // 2.5 to 2.34
            (
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::TEXT,
            ),
            // 3.x
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/\
                 openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;\
                 q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OPENMETRICS,
            ),
            // With protobuf
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=\
                 delimited,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                Format::TEXT,
            ),
        ] {
            assert_eq!(negotiate([accept]), format, "{accept}");
        }
    }

    #[test]
    fn whoever_does_not_name_openmetrics_gets_text() {
        for accept in
            ["", "*/*", "text/*", "image/png", "text/html,*/*;q=0.8", ",;=,;q=", "\"", "\\"]
        {
            assert_eq!(negotiate([accept]), Format::TEXT, "{accept}");
        }
        assert_eq!(negotiate([]), Format::TEXT);
    }

    #[test]
    fn weights_wildcards_and_several_lines_count() {
        let om = "application/openmetrics-text";
        assert_eq!(negotiate([om]), Format::OPENMETRICS);
        assert_eq!(negotiate([om, "text/plain"]), Format::OPENMETRICS);
        assert_eq!(negotiate(["text/plain", om]), Format::TEXT);
        assert_eq!(negotiate(["text/plain;q=0.4", om, "*/*"]), Format::OPENMETRICS);
        assert_eq!(negotiate(["*/*", om]), Format::OPENMETRICS);
        assert_eq!(negotiate(["application/openmetrics-text;q=0", "*/*"]), Format::TEXT);
        assert_eq!(negotiate(["application/openmetrics-text;q=0"]), Format::TEXT);
        assert_eq!(negotiate(["application/*"]), Format::OPENMETRICS);
        assert_eq!(
            negotiate(["APPLICATION/OpenMetrics-Text ; VERSION=\"1.0.0\""]),
            Format::OPENMETRICS
        );
        assert_eq!(negotiate(["application/openmetrics-text;version=2.0.0"]), Format::TEXT);
    }
}
