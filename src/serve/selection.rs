//! What of the exposition a scrape asks for: `?filter=`, `?usedonly` and `?source=`.

use regex_lite::{Regex, RegexBuilder};

/// What was asked for; all of it without a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    filters: Vec<Regex>,
    used_only: bool,
    sources: Option<Vec<String>>,
}

/// Why a query cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("a name or an expression in the query is no UTF-8")]
    NotText,
    #[error(
        "{value:?} in the query has a % without two hexadecimal digits; % itself is written %25"
    )]
    NoCode { value: String },
    #[error("filter={pattern:?} is no regular expression: {why}")]
    NoExpression { pattern: String, why: String },
    #[error("the expression in filter= is too long; {MAX_PATTERN} bytes are the most")]
    TooLong,
    #[error("no source is called {name:?}; there are {known}")]
    UnknownSource { name: String, known: String },
}

impl Selection {
    /// Reads a query string; `known` are the names of the app's sources. Parameters that mean
    /// nothing here are nobody's mistake: scrapers may be told to send some.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, SelectionError> {
        let mut this = Self::default();
        for parameter in query.unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "filter" => this.filters.push(expression(decoded(value)?)?),
                "usedonly" => this.used_only = true,
                "source" => {
                    let name = decoded(value)?;
                    if name != OURSELVES && !known.contains(&&*name) {
                        let known = [&[OURSELVES], known].concat().join(", ");
                        return Err(SelectionError::UnknownSource { name, known });
                    }
                    this.sources.get_or_insert_default().push(name);
                }
                _ => {}
            }
        }
        Ok(this)
    }

    /// Whether a family or a sample of this name was asked for: every expression is found in it.
    pub(super) fn wants_name(&self, name: &str) -> bool {
        self.filters.iter().all(|filter| filter.is_match(name))
    }

    /// Whether names matter at all.
    pub(super) fn has_filter(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether only that was asked for in which something has been recorded.
    pub(super) fn used_only(&self) -> bool {
        self.used_only
    }

    /// Whether the app's source of this name was asked for.
    pub(super) fn wants_source(&self, name: &str) -> bool {
        self.sources.as_ref().is_none_or(|asked| asked.iter().any(|asked| asked == name))
    }

    /// Whether the proxy's own families were asked for.
    pub(super) fn wants_own(&self) -> bool {
        self.wants_source(OURSELVES)
    }
}

fn expression(pattern: String) -> Result<Regex, SelectionError> {
    if pattern.len() > MAX_PATTERN {
        return Err(SelectionError::TooLong);
    }
    let compiled = RegexBuilder::new(&pattern).size_limit(MAX_COMPILED).build();
    compiled.map_err(|error| SelectionError::NoExpression { pattern, why: error.to_string() })
}

/// Undoes percent-encoding (RFC 3986, 2.1). `+` stays as it is, which means something in an
/// expression.
fn decoded(value: &str) -> Result<String, SelectionError> {
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = match part.as_bytes() {
            [high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (high, low) = code.ok_or_else(|| SelectionError::NoCode { value: value.to_owned() })?;
        bytes.push(high << 4 | low);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| SelectionError::NotText)
}

fn digit(hex: u8) -> Option<u8> {
    // Below 16, so it fits.
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What the proxy's own families go by among the sources.
const OURSELVES: &str = "podmeter";
/// Longer than any expression that a person writes.
const MAX_PATTERN: usize = 1024;
/// What an expression may grow to. Matching takes time in proportion to this and to the length of
/// the names, whatever the expression is.
const MAX_COMPILED: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Selection, SelectionError> {
        Selection::read(Some(query), &["shop", "über uns"])
    }

    #[track_caller]
    fn refused(query: &str, sentence: &str) {
        let error = read(query).unwrap_err().to_string();
        assert_eq!(error, sentence, "{query}");
    }

    #[test]
    fn without_a_query_all_is_asked_for() {
        for query in [None, Some(""), Some("&&"), Some("a=b&c"), Some("Filter=x&used_only=1")] {
            let all = Selection::read(query, &[]).unwrap();
            assert!(all.wants_name("a") && all.wants_own() && all.wants_source("shop"));
            assert!(!all.used_only() && !all.has_filter());
        }
    }

    #[test]
    fn an_expression_is_found_anywhere_unless_it_is_anchored() {
        let wants = |query: &str, name: &str| read(query).unwrap().wants_name(name);
        assert!(wants("filter=requests", "istio_requests_total"));
        assert!(wants("filter=", "anything"));
        assert!(!wants("filter=^requests", "istio_requests_total"));
        assert!(wants("filter=%5Eistio_.%2Btotal%24", "istio_requests_total"));
        assert!(wants("filter=^istio_.+total$", "istio_requests_total"), "+ is no space");
        assert!(wants("filter=istio|envoy", "envoy_server_live"));
        assert!(wants("filter=cluster.upstream", "envoy_cluster_upstream_rq"));
        assert!(wants("filter=100%25", "at_100%_"));
        assert!(wants("filter=a&filter=b", "ab") && !wants("filter=a&filter=b", "a"));
    }

    #[test]
    fn sources_are_named_one_by_one_and_the_proxy_is_one() {
        let shop = read("source=shop").unwrap();
        assert!(shop.wants_source("shop") && !shop.wants_source("über uns") && !shop.wants_own());
        let own = read("source=podmeter").unwrap();
        assert!(own.wants_own() && !own.wants_source("shop"));
        let both = read("source=podmeter&source=%C3%BCber%20uns").unwrap();
        assert!(both.wants_own() && both.wants_source("über uns") && !both.wants_source("shop"));
    }

    #[test]
    fn usedonly_needs_no_value() {
        for query in ["usedonly", "usedonly=", "usedonly=1", "filter=a&usedonly"] {
            assert!(read(query).unwrap().used_only(), "{query}");
        }
    }

    #[test]
    fn a_query_that_cannot_be_answered_is_one_sentence() {
        refused("source=till", "no source is called \"till\"; there are podmeter, shop, über uns");
        refused("source=", "no source is called \"\"; there are podmeter, shop, über uns");
        refused("source=%ff", "a name or an expression in the query is no UTF-8");
        for value in ["%zz", "100%", "a%2", "%é0"] {
            let sentence = format!(
                "{value:?} in the query has a % without two hexadecimal digits; % itself is written \
                 %25"
            );
            refused(&format!("filter={value}"), &sentence);
            refused(&format!("source={value}"), &sentence);
        }
        refused(
            &format!("filter={}", "a".repeat(1025)),
            "the expression in filter= is too long; 1024 bytes are the most",
        );
        for pattern in ["(", "a**b(", "[z-a]", "\\", "a{1000}{1000}", "%00("] {
            let error = read(&format!("filter={pattern}")).unwrap_err().to_string();
            assert!(error.starts_with("filter=\""), "{pattern}: {error}");
            assert!(
                error.contains(" is no regular expression: ") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
