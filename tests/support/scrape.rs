//! A scrape as a test wants to look at it: checked for validity, then asked for numbers.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use podmeter::exposition::{Format, Syntax};

use crate::exposition_checker::{Line, check};
use crate::http::ask;

/// A valid exposition.
pub(crate) struct Scrape {
    /// As it came.
    pub(crate) text: String,
    lines: Vec<Line>,
}

impl Scrape {
    /// Asks a sidecar for its stats in one of the formats.
    #[track_caller]
    pub(crate) fn of(stats: SocketAddr, format: Format) -> Self {
        let reply = ask(stats, "GET", "/stats/prometheus", &[("Accept", accept(format))]);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some(format.content_type()));
        Self::read(reply.text(), format)
    }

    /// Takes a text that must be valid.
    #[track_caller]
    pub(crate) fn read(text: &str, format: Format) -> Self {
        let lines = check(text, format).unwrap_or_else(|why| panic!("{why}\n{text}"));
        Self { text: text.to_owned(), lines }
    }

    /// The samples of this name that have these labels among theirs.
    pub(crate) fn samples<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| {
            let has = |&(label, value): &(&str, &str)| {
                line.labels.get(label).is_some_and(|own| own == value)
            };
            line.name == name && labels.iter().all(has)
        })
    }

    /// How many there are of them.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.samples(name, labels).count()
    }

    /// Their values added up; 0 if there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).map(|line| line.value).sum()
    }

    /// The value of the only one.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        assert_eq!(self.count(name, labels), 1, "{name} {labels:?} in:\n{}", self.text);
        self.sum(name, labels)
    }

    /// All samples.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// What to send as `Accept` to get a format.
pub(crate) fn accept(format: Format) -> &'static str {
    match format.syntax() {
        Syntax::OpenMetrics => "application/openmetrics-text;version=1.0.0",
        _ => "text/plain;version=0.0.4",
    }
}

/// Has the reference parser of the Python client read a text; its complaint if it has one.
pub(crate) fn python_reads(python: &Path, text: &str, format: Format) -> Result<(), String> {
    let parser = match format.syntax() {
        Syntax::OpenMetrics => "prometheus_client.openmetrics.parser",
        _ => "prometheus_client.parser",
    };
    let program = format!(
        "import sys\nfrom {parser} import text_string_to_metric_families as read\n\
         text = sys.stdin.buffer.read().decode()\nlist(read(text))"
    );
    let mut child = Command::new(python)
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().last().unwrap_or("no complaint").to_owned())
}
