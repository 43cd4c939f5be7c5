//! Writes a source back as `--app-metrics` takes it, without what may be secret.

use std::fmt;
use std::path::Path;

use super::mode::SumRules;
use super::options::HIDDEN;
use super::words::quoted;
use super::{AppMetrics, Authorization, HeaderText, SourceMode, Trust};
use crate::config::quantity::{show_duration, show_size};

/// With the name written out. The value of a header that is not from a file is hidden: reading
/// that again says so, rather than send something else.
impl fmt::Display for AppMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)?;
        for (key, value) in options(self) {
            write!(f, ",{key}={}", quoted(&value))?;
        }
        Ok(())
    }
}

fn options(source: &AppMetrics) -> Vec<(String, String)> {
    let mut options = Vec::new();
    let mut say = |key: &str, value: String| options.push((key.to_owned(), value));
    let path = |path: &Path| path.display().to_string();
    say("name", source.name.clone());
    match &source.mode {
        SourceMode::Plain => {}
        SourceMode::Label => say("mode", "label".to_owned()),
        SourceMode::Sum(rules) => {
            say("mode", "sum".to_owned());
            let usual = SumRules::default();
            if let Some(group) = &rules.group {
                say("group", group.clone());
            }
            if rules.gauges != usual.gauges {
                say("gauges", rules.gauges.as_str().to_owned());
            }
            for (family, rule) in &rules.gauge {
                say(&format!("gauge.{family}"), rule.as_str().to_owned());
            }
            if rules.workers != usual.workers {
                say("workers", rules.workers.to_string());
            }
        }
    }
    if let Some(timeout) = source.limits.timeout {
        say("timeout", show_duration(timeout));
    }
    if let Some(bytes) = source.limits.max_bytes {
        say("max-bytes", show_size(bytes));
    }
    if let Some(samples) = source.limits.max_samples {
        say("max-samples", samples.to_string());
    }
    match &source.authorization {
        Authorization::None => {}
        Authorization::Basic(file) => say("basic-auth-file", path(file)),
        Authorization::BasicPassword { user, file } => {
            say("basic-auth-user", user.clone());
            say("basic-auth-password-file", path(file));
        }
        Authorization::Bearer(file) => say("bearer-token-file", path(file)),
        Authorization::Forwarded => say("forward-authorization", "true".to_owned()),
    }
    if let Some(tls) = &source.tls {
        match &tls.trust {
            Trust::System => {}
            Trust::File(file) => say("ca", path(file)),
            Trust::Anybody => say("insecure-skip-verify", "true".to_owned()),
        }
        if let Some(name) = &tls.server_name {
            say("server-name", name.clone());
        }
        if let Some((certificate, key)) = &tls.identity {
            say("cert", path(certificate));
            say("key", path(key));
        }
    }
    for header in &source.headers {
        match &header.value {
            HeaderText::Given(_) => say("header", format!("{}: {HIDDEN}", header.name)),
            HeaderText::File(file) => {
                say("header-file", format!("{}:{}", header.name, file.display()));
            }
        }
    }
    options
}
