//! The queries of a release controller, rendered as it renders them.

use std::path::Path;

use serde_json::Value;

/// The two checks of one observer, as templates.
pub(crate) struct Observer {
    pub(crate) name: &'static str,
    success_rate: String,
    duration: String,
    /// Milliseconds in one of what the query for the duration gives.
    pub(crate) unit: f64,
}

/// Which workload to ask about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) target: &'a str,
    pub(crate) service: &'a str,
    pub(crate) route: &'a str,
    pub(crate) interval: &'a str,
}

impl Observer {
    /// Reads an observer from the reference data, and holds the rendering to the examples there.
    pub(crate) fn read(data: &Path, name: &'static str) -> Self {
        let file = std::fs::read(data.join("flagger/queries.json")).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        let mut observers = file["observers"].as_array().unwrap().iter();
        let observer = observers.find(|observer| observer["observer"] == name).unwrap();
        let query = |query: &str| observer["queries"][query].as_str().unwrap().to_owned();
        let this = Self {
            name,
            success_rate: query("request-success-rate"),
            duration: query("request-duration"),
            unit: match observer["request_duration_query_unit"].as_str().unwrap() {
                seconds if seconds.starts_with("seconds") => 1e3,
                _ => 1.0,
            },
        };
        for rendered in observer["rendered_examples"].as_array().unwrap() {
            let variable = |name| rendered["variables"][name].as_str().unwrap_or_default();
            let example = Subject {
                namespace: variable("Namespace"),
                target: variable("Target"),
                service: variable("Service"),
                route: variable("Route"),
                interval: variable("Interval"),
            };
            let ours = match rendered["test"].as_str().unwrap() {
                test if test.ends_with("SuccessRate") => this.success_rate(example),
                _ => this.duration(example),
            };
            assert_eq!(ours, rendered["rendered_and_whitespace_collapsed"].as_str().unwrap());
        }
        this
    }

    /// Percent of requests that did not fail.
    pub(crate) fn success_rate(&self, subject: Subject<'_>) -> String {
        render(&self.success_rate, subject)
    }

    /// What is above and below the line of the success rate.
    pub(crate) fn halves(&self, subject: Subject<'_>) -> [String; 2] {
        let whole = self.success_rate(subject);
        let (above, below) = whole.split_once(" / ").unwrap();
        [above.to_owned(), below.strip_suffix(" * 100").unwrap().to_owned()]
    }

    /// The 99th percentile in the observer's unit.
    pub(crate) fn duration(&self, subject: Subject<'_>) -> String {
        render(&self.duration, subject)
    }
}

/// Go's text/template as far as these go, then white space collapsed, as the controller does.
fn render(template: &str, subject: Subject<'_>) -> String {
    let rendered = template
        .replace("{{ namespace }}", subject.namespace)
        .replace("{{ target }}", subject.target)
        .replace("{{ service }}", subject.service)
        .replace("{{ route }}", subject.route)
        .replace("{{ interval }}", subject.interval);
    assert!(!rendered.contains("{{"), "{rendered}");
    let mut collapsed = String::new();
    for part in rendered.split_whitespace() {
        collapsed.push(' ');
        collapsed += part;
    }
    collapsed
}
