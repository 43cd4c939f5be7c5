//! Reads the options of a source, and refuses those that contradict each other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::super::address;
use super::super::error::{ConfigError, shown};
use super::super::quantity::{count, duration, size};
use super::mode::{GaugeRule, MOST_WORKERS, SourceMode, SumRules};
use super::words::{Words, hidden};
use super::{
    Authorization, HeaderText, NAME_CHARS, SourceHeader, SourceLimits, SourceTls, SourceUrl, Trust,
    is_name, is_name_char,
};

/// One source as it was written.
pub(super) struct Source {
    pub(super) url: SourceUrl,
    pub(super) name: Option<String>,
    pub(super) mode: SourceMode,
    pub(super) limits: SourceLimits,
    pub(super) authorization: Authorization,
    pub(super) headers: Vec<SourceHeader>,
    pub(super) tls: Option<SourceTls>,
}

impl Source {
    pub(super) fn read(words: &Words<'_>) -> Result<Self, ConfigError> {
        let url = SourceUrl::read(words.text, words.url)?;
        let mut options = Options::gather(words)?;
        let name = options.name()?;
        let mode = options.mode()?;
        let limits = options.limits()?;
        let headers = options.headers()?;
        let authorization = options.authorization(&headers)?;
        let tls = options.tls(url.is_encrypted())?;
        Ok(Self { url, name, mode, limits, authorization, headers, tls })
    }
}

/// Whether a key is an option whose value may be shown.
pub(super) fn is_harmless(key: &str) -> bool {
    ONCE.contains(&key) || key == HEADER_FILE || key.starts_with(GAUGE)
}

/// Options by their keys, not yet read.
struct Options<'a> {
    text: &'a str,
    once: BTreeMap<&'static str, String>,
    gauge: Vec<(&'a str, String)>,
    /// The values of `header` and `header-file`, each with whether it is of the latter.
    headers: Vec<(String, bool)>,
}

impl<'a> Options<'a> {
    fn gather(words: &Words<'a>) -> Result<Self, ConfigError> {
        let text = words.text;
        let mut options =
            Self { text, once: BTreeMap::new(), gauge: Vec::new(), headers: Vec::new() };
        for (key, value) in &words.options {
            let once = ONCE.iter().find(|once| *once == key);
            match (value, once) {
                (Some(value), Some(once)) => {
                    if options.once.insert(once, value.clone()).is_some() {
                        return Err(ConfigError::SourceOptionTwice {
                            value: hidden(text),
                            option: (*once).to_owned(),
                        });
                    }
                }
                (Some(value), None) if *key == HEADER || *key == HEADER_FILE => {
                    options.headers.push((value.clone(), *key == HEADER_FILE));
                }
                (Some(value), None) if key.starts_with(GAUGE) => {
                    options.gauge.push((&key[GAUGE.len()..], value.clone()));
                }
                // Behind a header it is more likely the rest of that one's value.
                _ if !options.headers.is_empty() => {
                    let option = "what follows the comma behind header=".to_owned();
                    return Err(ConfigError::SourceOption { value: hidden(text), option });
                }
                _ => {
                    let option = if text.contains('@') { hidden(text) } else { shown(key) };
                    return Err(ConfigError::SourceOption { value: hidden(text), option });
                }
            }
        }
        Ok(options)
    }

    fn name(&mut self) -> Result<Option<String>, ConfigError> {
        match self.once.remove("name") {
            Some(name) if !is_name(&name) => Err(self.expected(&format!(
                "name= with 1 to {NAME_CHARS} characters and without white space, commas, quotes, \
                 backslashes or control characters"
            ))),
            name => Ok(name),
        }
    }

    fn mode(&mut self) -> Result<SourceMode, ConfigError> {
        let mode = self.once.remove("mode");
        if mode.as_deref() == Some("sum") {
            return self.sum_rules().map(SourceMode::Sum);
        }
        let of_sum =
            ["group", "gauges", "workers"].into_iter().find(|key| self.once.contains_key(key));
        if let Some(key) = of_sum.or_else(|| self.gauge.first().map(|_| "gauge.FAMILY")) {
            return Err(self.problem(format!("{key}= has a meaning only with mode=sum")));
        }
        match mode.as_deref() {
            None => Ok(SourceMode::Plain),
            Some("label") => Ok(SourceMode::Label),
            Some(_) => Err(self.expected("mode=label, mode=sum, or no mode")),
        }
    }

    fn sum_rules(&mut self) -> Result<SumRules, ConfigError> {
        let mut rules = SumRules { group: self.once.remove("group"), ..SumRules::default() };
        if rules.group.as_deref().is_some_and(|group| !is_name(group)) {
            return Err(self.expected("group= with a name as name= has it"));
        }
        let expected = || format!("{} as rule for gauges", rule_names());
        if let Some(rule) = self.once.remove("gauges") {
            rules.gauges = GaugeRule::read(&rule).ok_or_else(|| self.expected(&expected()))?;
        }
        for (family, rule) in std::mem::take(&mut self.gauge) {
            if family.is_empty() || !family.chars().all(is_name_char) {
                return Err(self.expected("gauge.FAMILY= with the name of a family"));
            }
            let rule = GaugeRule::read(&rule).ok_or_else(|| self.expected(&expected()))?;
            if rules.gauge.insert(family.to_owned(), rule).is_some() {
                let option = format!("{GAUGE}{family}");
                return Err(ConfigError::SourceOptionTwice { value: hidden(self.text), option });
            }
        }
        if let Some(workers) =
            self.quantity("workers", |text| count(SETTING, text, MOST_WORKERS))?
        {
            rules.workers = workers;
        }
        Ok(rules)
    }

    fn limits(&mut self) -> Result<SourceLimits, ConfigError> {
        let times = Duration::from_millis(1)..=Duration::from_secs(3_600);
        Ok(SourceLimits {
            timeout: self.quantity("timeout", |text| duration(SETTING, text, times.clone()))?,
            max_bytes: self.quantity("max-bytes", |text| size(SETTING, text, 1 << 30))?,
            max_samples: self
                .quantity("max-samples", |text| count(SETTING, text, 1_000_000_000))?,
        })
    }

    fn headers(&mut self) -> Result<Vec<SourceHeader>, ConfigError> {
        let mut headers: Vec<SourceHeader> = Vec::new();
        for (written, from_file) in std::mem::take(&mut self.headers) {
            let header = read_header(&written, from_file).ok_or_else(|| {
                let (key, value) =
                    if from_file { (HEADER_FILE, "FILE") } else { (HEADER, "VALUE") };
                self.expected(&format!("{key}=\"NAME: {value}\" as HTTP has them"))
            })?;
            let name = header.name.as_str();
            if header.value == HeaderText::Given(HeaderValue::from_static(HIDDEN)) {
                let problem = format!(
                    "the value of the header {name} was hidden where this was copied from; write \
                     it, or name a file that has it with header-file={name}:FILE"
                );
                return Err(self.problem(problem));
            }
            if OURS.contains(&name) {
                return Err(self.problem(format!("the header {name} is podmeter's own to write")));
            }
            if headers.iter().any(|other| other.name == header.name) {
                return Err(self.problem(format!("has the header {name} twice; give it once")));
            }
            headers.push(header);
        }
        Ok(headers)
    }

    fn authorization(&mut self, headers: &[SourceHeader]) -> Result<Authorization, ConfigError> {
        let basic = self.path("basic-auth-file")?;
        let bearer = self.path("bearer-token-file")?;
        let user = self.once.remove("basic-auth-user");
        let password = self.path("basic-auth-password-file")?;
        let forwarded = self.truth("forward-authorization")?;
        let with_password = match (user, password) {
            (None, None) => None,
            (Some(user), Some(file)) => {
                if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                    return Err(self.expected("basic-auth-user= with a name without colons"));
                }
                Some(Authorization::BasicPassword { user, file })
            }
            _ => {
                let problem = "basic-auth-user= and basic-auth-password-file= go together only";
                return Err(self.problem(problem.to_owned()));
            }
        };
        let mut ways = [
            basic.map(Authorization::Basic),
            with_password,
            bearer.map(Authorization::Bearer),
            forwarded.then_some(Authorization::Forwarded),
        ]
        .into_iter()
        .flatten();
        let way = ways.next().unwrap_or_default();
        let written = headers.iter().any(|header| header.name == http::header::AUTHORIZATION);
        if ways.next().is_some() || (written && way != Authorization::None) {
            let problem = "says in more than one way who asks (basic-auth-file=, basic-auth-user=, \
                           bearer-token-file=, forward-authorization=, a header Authorization); \
                           keep one";
            return Err(self.problem(problem.to_owned()));
        }
        Ok(way)
    }

    fn tls(&mut self, encrypted: bool) -> Result<Option<SourceTls>, ConfigError> {
        let given = OF_TLS.into_iter().find(|key| self.once.contains_key(key));
        if let Some(key) = given.filter(|_| !encrypted) {
            let problem = format!("{key}= has a meaning only where the URL begins with https://");
            return Err(self.problem(problem));
        }
        let trust = match (self.path("ca")?, self.truth("insecure-skip-verify")?) {
            (None, false) => Trust::System,
            (Some(file), false) => Trust::File(file),
            (None, true) => Trust::Anybody,
            (Some(_), true) => {
                let problem = "has both ca= and insecure-skip-verify=true; keep one";
                return Err(self.problem(problem.to_owned()));
            }
        };
        let identity = match (self.path("cert")?, self.path("key")?) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => return Err(self.problem("cert= and key= go together only".to_owned())),
        };
        let server_name = self.once.remove("server-name");
        let is_one = |name: &str| name.parse::<IpAddr>().is_ok() || address::is_host_name(name);
        if server_name.as_deref().is_some_and(|name| !is_one(name)) {
            return Err(self.expected("server-name= with a host name or an IP address"));
        }
        Ok(encrypted.then_some(SourceTls { trust, server_name, identity }))
    }

    /// Reads a value with the words that the flags of its kind have.
    fn quantity<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.once.remove(key) else { return Ok(None) };
        read(&value).map(Some).map_err(|error| match error {
            ConfigError::Invalid { expected, .. } => {
                self.expected(&format!("{key}= with {expected}"))
            }
            other => other,
        })
    }

    fn path(&mut self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        match self.once.remove(key) {
            Some(path) if path.is_empty() || path.contains(char::is_control) => {
                Err(self.expected(&format!("{key}= with the name of a file")))
            }
            path => Ok(path.map(PathBuf::from)),
        }
    }

    fn truth(&mut self, key: &str) -> Result<bool, ConfigError> {
        match self.once.remove(key).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.expected(&format!("{key}=true or {key}=false"))),
        }
    }

    fn expected(&self, expected: &str) -> ConfigError {
        super::invalid(self.text, expected.to_owned())
    }

    fn problem(&self, problem: String) -> ConfigError {
        ConfigError::SourceOptions { value: hidden(self.text), problem }
    }
}

/// Reads `NAME: VALUE`, or `NAME: FILE`.
fn read_header(written: &str, from_file: bool) -> Option<SourceHeader> {
    let (name, value) = written.split_once(':')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value = value.trim();
    let value = if from_file {
        let is_path = !value.is_empty() && !value.contains(char::is_control);
        HeaderText::File(is_path.then(|| PathBuf::from(value))?)
    } else {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        HeaderText::Given(value)
    };
    Some(SourceHeader { name, value })
}

/// The rules for gauges, with commas and an `or`.
fn rule_names() -> String {
    let names = GaugeRule::ALL.map(GaugeRule::as_str);
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What stands for the value of a header where that is shown.
pub(super) const HIDDEN: &str = "(hidden)";
const SETTING: &str = "app-metrics";
const HEADER: &str = "header";
const HEADER_FILE: &str = "header-file";
const GAUGE: &str = "gauge.";
/// Options that a source has once.
const ONCE: [&str; 18] = [
    "name",
    "mode",
    "group",
    "gauges",
    "workers",
    "timeout",
    "max-bytes",
    "max-samples",
    "basic-auth-file",
    "basic-auth-user",
    "basic-auth-password-file",
    "bearer-token-file",
    "forward-authorization",
    "ca",
    "insecure-skip-verify",
    "server-name",
    "cert",
    "key",
];
const OF_TLS: [&str; 5] = ["ca", "insecure-skip-verify", "server-name", "cert", "key"];
/// Headers that frame the message, or that the answer is understood by.
const OURS: [&str; 13] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-prometheus-scrape-timeout-seconds",
];
