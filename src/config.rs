//! What the proxy is told to do: a flag, a variable or a key of the file becomes a [`Config`].
//!
//! Settings travel in two shapes. [`ProxyArgs`] holds them as a person wrote them, one string
//! each; [`Config`] holds them as the proxy uses them, and cannot hold a contradiction. The way
//! from the first to the second is [`Config::try_from`], and each way it can fail is one sentence
//! of a [`ConfigError`]. [`load`] lays the layers over one another first: a flag beats the
//! variable, which beats the file, which beats the default. This module is the only reader of the
//! environment.

mod address;
mod app_metrics;
mod app_probes;
mod args;
mod custom;
mod envoy;
mod error;
mod file;
mod forward;
mod injector;
mod layers;
mod quantity;
mod read;
mod redirect;
mod show;
mod template;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::redirect::Mode;

pub use self::address::Resolve;
pub use self::app_metrics::{
    AppMetrics, Authorization, GaugeRule, HeaderText, Place, SourceHeader, SourceLimits,
    SourceMode, SourceTls, SourceUrl, SumRules, Trust,
};
pub use self::app_probes::{AppProbe, Check};
pub use self::args::{ProxyArgs, describe, variable};
pub use self::custom::{
    Bound, Condition, CustomDialect, CustomDialects, CustomFamily, CustomKind, Fact, FactText,
    Measure, Of,
};
pub use self::envoy::EnvoyNames;
pub use self::error::ConfigError;
pub use self::file::FileError;
pub use self::injector::{
    Certificates, ClusterAt, InjectorArgs, InjectorConfig, OwnAuthority, Policy, describe_injector,
    injector_variable, load_injector,
};
pub use self::layers::{LoadError, Origin, Surroundings, load};
pub(crate) use self::quantity::{duration, size};
pub use self::redirect::{RedirectArgs, backend};
pub use self::template::{Named, Placeholder, PodName, Template};

/// Everything `podmeter proxy` can be told, ready for use.
///
/// As JSON it has one key for each flag that has a value, under the flag's name and in the
/// flag's notation; that JSON is itself a file that `--config` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The ports that are metered without interception. No two listen on one address, and none
    /// forwards to a listener of this process. There is at least one of these, or of the next two.
    pub forwards: Vec<Forward>,
    /// Where intercepted connections to the app come; `None` is off.
    pub inbound_listen: Option<SocketAddr>,
    /// How they come.
    pub inbound_mode: Mode,
    /// Where intercepted connections of the app to others come; `None` is off.
    pub outbound_listen: Option<SocketAddr>,
    /// Whether requests of the kubelet's probes are counted apart from all others.
    pub probes_apart: bool,
    /// Where Prometheus scrapes; `None` is off.
    pub stats_listen: Option<SocketAddr>,
    /// Where operators look, always a loopback address; `None` is off.
    pub admin_listen: Option<SocketAddr>,
    /// Where the kubelet asks after our health; `None` is off.
    pub health_listen: Option<SocketAddr>,
    /// The app's own expositions, each with a name of its own.
    pub app_metrics: Vec<AppMetrics>,
    /// The most bytes that one app source may send, after decompression.
    pub app_metrics_max_bytes: u64,
    /// Probes of the app that the health listener answers by asking the app, by path.
    pub app_probes: Vec<AppProbe>,
    /// How the app's processes are told of, where it does not do so itself.
    pub app_process: AppProcess,
    /// The families that the recording is shown as, none twice. There is at least one of these or of
    /// the next.
    pub dialects: Vec<Dialect>,
    /// Those that the configuration itself defines.
    pub custom_dialects: CustomDialects,
    /// Which paths are told apart, where a dialect tells any.
    pub paths: PathRules,
    /// How Envoy's families name the app's ports.
    pub envoy: EnvoyNames,
    /// Who this pod is, for labels.
    pub identity: Identity,
    /// What protects the pod.
    pub limits: Limits,
    /// Target ports that are metered as TCP without being parsed: sorted, not overlapping.
    pub opaque_ports: Vec<RangeInclusive<u16>>,
    /// Threads that carry traffic, 1 to 256.
    pub workers: usize,
    /// How long open connections may finish after SIGTERM.
    pub drain_timeout: Duration,
    /// How long to wait for one last scrape once the last connection is gone.
    pub linger: Duration,
    /// The most series of one family; what comes beyond shares one overflow series.
    pub max_series: usize,
    /// How long a series of requests may stand still before it is left out; `None` is for ever.
    pub series_idle_timeout: Option<Duration>,
    /// What is recorded and shown beyond numbers and classic buckets.
    pub extras: Extras,
    /// What is logged, and how.
    pub log: Log,
}

/// One metered port: connections accepted on `listen` are carried to `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where clients connect; port 0 lets the kernel pick one.
    pub listen: SocketAddr,
    /// Where the app listens; the port is never 0.
    pub target: SocketAddr,
}

/// Which paths are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// Templates, known to be good, none twice.
    pub templates: Vec<String>,
    /// Whether others are learned.
    pub learn: bool,
    /// How many may be learned, 1 to 10000.
    pub most: u16,
}

/// Who this pod is. `None` was not told, or told with an empty value, as the downward API does
/// for a label that the pod does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The Deployment or other owner.
    pub workload: Option<String>,
    /// What kind of object that is.
    pub workload_kind: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The hash in the pod's name, from its label `pod-template-hash`.
    pub pod_template_hash: Option<String>,
    /// The app, from its `app` or `app.kubernetes.io/name` label.
    pub app: Option<String>,
    /// The app's version (`--version-label`).
    pub version: Option<String>,
    /// The Services that select this pod: lower case, none twice, in the order given.
    pub services: Vec<String>,
    /// The canonical revision.
    pub revision: Option<String>,
    /// The Kubernetes cluster.
    pub cluster: Option<String>,
}

/// What protects the pod; no default breaks a working app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open downstream connections, at least 1; one more is reset.
    pub max_connections: usize,
    /// How long connecting to the app may take.
    pub connect_timeout: Duration,
    /// How long a connection may carry nothing; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// The most bytes of one HTTP head that are kept to be read; a longer one is carried
    /// unchanged, but its connection is metered as TCP from there on.
    pub max_head_bytes: usize,
}

/// What is recorded and shown beyond numbers and classic buckets, to scrapers that can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extras {
    /// Where native histograms are.
    pub natives: NativeHistograms,
    /// Their resolution, 0 to 8: bounds grow by the 2^-schema-th power of two.
    pub native_schema: u8,
    /// The most buckets of one, before its resolution is halved.
    pub native_max_buckets: usize,
    /// Traces that requests name stand as examples for buckets.
    pub exemplars: bool,
}

/// How the app's processes are told of, where it does not do so itself and they can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppProcess {
    /// All together.
    Sum,
    /// Each by itself.
    Each,
    /// Not at all.
    Off,
}

impl AppProcess {
    /// The name that `--app-process` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Each => "each",
            Self::Off => "off",
        }
    }
}

/// Where native histograms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeHistograms {
    /// Beside the classic buckets.
    Beside,
    /// In their place, where the format has native histograms.
    Instead,
    /// Nowhere.
    Off,
}

impl NativeHistograms {
    /// The name that `--native-histograms` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::Instead => "instead",
            Self::Off => "off",
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A filter in the notation of `tracing_subscriber::EnvFilter`, known to parse.
    pub level: String,
    /// The shape of one line.
    pub format: LogFormat,
}

/// The shape of one line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The name that `--log-format` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
