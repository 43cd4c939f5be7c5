//! Debian's Prometheus, asked through its HTTP API.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::http::get;
use crate::process::{Running, eventually};

/// A running Prometheus.
pub(crate) struct Prometheus {
    #[expect(dead_code, reason = "it runs until this is dropped")]
    process: Running,
    addr: SocketAddr,
}

/// A pod as Kubernetes service discovery tells it.
pub(crate) struct Target {
    pub(crate) pod: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) stats: SocketAddr,
}

impl Prometheus {
    /// Starts one that scrapes `targets` every second, its data in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path, targets: &[Target]) -> Self {
        Self::launch(program, folder, &configuration(targets), "exemplar-storage")
    }

    /// Starts one with this configuration that asks for protobuf, because it takes native histograms.
    pub(crate) fn with(program: &Path, folder: &Path, configuration: &str) -> Self {
        Self::launch(program, folder, configuration, "exemplar-storage,native-histograms")
    }

    /// Starts one with this configuration that takes classic histograms, as one does by default.
    pub(crate) fn classic(program: &Path, folder: &Path, configuration: &str) -> Self {
        Self::launch(program, folder, configuration, "exemplar-storage")
    }

    fn launch(program: &Path, folder: &Path, configuration: &str, features: &str) -> Self {
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, configuration).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!("--enable-feature={features}"));
        let mut process = Running::start("prometheus", &mut command, folder);
        let addr = process.wait_for("it listens", |process| listening(&process.said()));
        let this = Self { process, addr };
        eventually("Prometheus is ready", || match get(this.addr, "/-/ready") {
            ready if ready.status == 200 => Ok(()),
            not => Err(not.text().to_owned()),
        });
        this
    }

    /// The instant vector that `query` gives now.
    pub(crate) fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let data = self.api(&format!("/api/v1/query?query={}", escaped(query)));
        assert_eq!(data["resultType"], "vector", "{query}");
        let series = data["result"].as_array().unwrap().iter();
        series
            .map(|one| {
                let value = one["value"][1].as_str().unwrap();
                (one["metric"].clone(), value.parse().unwrap())
            })
            .collect()
    }

    /// The value of the only series that `query` gives, or why there is none.
    pub(crate) fn value(&self, query: &str) -> Result<f64, String> {
        match &*self.query(query) {
            [(_, value)] => Ok(*value),
            [] => Err(format!("nothing for {query}")),
            several => Err(format!("{} series for {query}", several.len())),
        }
    }

    /// The values that a label has in the series of a selector.
    pub(crate) fn label_values(&self, selector: &str, label: &str) -> Vec<String> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", escaped(selector));
        serde_json::from_value(self.api(&path)).unwrap()
    }

    /// Waits until `query` gives this value.
    pub(crate) fn wait_for(&self, query: &str, expected: f64) {
        eventually(&format!("{query} is {expected}"), || match self.value(query)? {
            value if (value - expected).abs() < 1e-9 => Ok(()),
            value => Err(format!("it is {value}")),
        });
    }

    /// The exemplars stored for a selector.
    pub(crate) fn exemplars(&self, selector: &str) -> Vec<Value> {
        let query = escaped(selector);
        let data =
            self.api(&format!("/api/v1/query_exemplars?query={query}&start=0&end=99999999999"));
        data.as_array().unwrap().clone()
    }

    fn api(&self, path: &str) -> Value {
        let reply = get(self.addr, path);
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }
}

/// What service discovery would find is told by hand; the relabelling is what is used in clusters.
fn configuration(targets: &[Target]) -> String {
    let mut text = "\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: pods
    metrics_path: /stats/prometheus
    relabel_configs:
      - source_labels: [__meta_kubernetes_namespace]
        target_label: kubernetes_namespace
      - source_labels: [__meta_kubernetes_pod_name]
        target_label: kubernetes_pod_name
    static_configs:
"
    .to_owned();
    for Target { pod, namespace, stats } in targets {
        let labels = format!(
            "{{__meta_kubernetes_namespace: {namespace}, __meta_kubernetes_pod_name: {pod}}}"
        );
        writeln!(text, "      - targets: ['{stats}']\n        labels: {labels}").unwrap();
    }
    text
}

/// The port that the kernel picked, from the log.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
    line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").unwrap();
        }
    }
    escaped
}
