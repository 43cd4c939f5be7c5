//! The settings of the proxy as a person writes them: one string each, not yet understood.
//!
//! One struct is the flags of the command line, the keys of the YAML file and the variables of the
//! environment, so that the three cannot drift apart.

mod slots;

pub(super) use slots::Slot;

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

const TRAFFIC: &str = "Traffic";
const LOOK: &str = "Where to look";
const APP: &str = "The app's own metrics";
const WHO: &str = "Who this pod is";
const LIMITS: &str = "Limits";
const HISTOGRAMS: &str = "Histograms";
const STOPPING: &str = "Stopping";
const LOGGING: &str = "Logging";

/// What `podmeter proxy` was told, setting by setting; what is `None` or empty was not said.
///
/// A list may be one string: its items are separated by white space, and by commas where an item
/// has none of its own (all but `app_metrics`).
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProxyArgs {
    /// Meter one port: accept connections on LISTEN and carry them, unchanged, to the app on
    /// TARGET. `8080=8081` listens on every IPv4 address and reaches the app on 127.0.0.1;
    /// addresses and host names work too, as in `[::]:8080=[::1]:8081`. An IPv6 LISTEN takes IPv6
    /// connections only. Repeat it for more ports.
    #[arg(long, value_name = "LISTEN=TARGET", help_heading = TRAFFIC)]
    #[serde(deserialize_with = "one_or_many")]
    pub forward: Vec<String>,

    /// Where connections to the app come that `podmeter redirect` has intercepted: an address and
    /// port, a port alone for every address, or `off`. An unspecified or loopback IPv4 address
    /// stands for its IPv6 sibling, too. Off by default where `--forward` is given.
    #[arg(long, value_name = "ADDRESS", help_heading = TRAFFIC)]
    pub inbound_listen: Option<String>,

    /// How they come, as `podmeter redirect apply --mode` was told: `redirect`, or `tproxy`, which
    /// takes the capability `NET_ADMIN` and shows the app its clients' real addresses.
    #[arg(long, value_name = "MODE", help_heading = TRAFFIC)]
    pub inbound_mode: Option<String>,

    /// Where the app's own connections to others come that `podmeter redirect apply
    /// --redirect-outbound` has intercepted: as above, but a port alone is one of 127.0.0.1 and
    /// `[::1]`; usually 15001.
    #[arg(long, value_name = "ADDRESS", help_heading = TRAFFIC)]
    pub outbound_listen: Option<String>,

    /// What requests of the kubelet's probes (user agent `kube-probe/...`) count as: `apart` in a
    /// family of their own, so that an idle app does not look busy, or `requests` like all others.
    #[arg(long, value_name = "HOW", help_heading = TRAFFIC)]
    pub probes: Option<String>,

    /// App ports (those of TARGET) that are never parsed but metered as TCP, which saves CPU:
    /// ports and ranges such as `3306,5432,6000-6010`. None is needed for any protocol to work.
    #[arg(long, value_name = "PORTS", help_heading = TRAFFIC)]
    #[serde(deserialize_with = "one_or_many")]
    pub opaque_ports: Vec<String>,

    /// Threads that carry traffic, 1 to 256. One is enough for most pods and leaves the app its
    /// cores.
    #[arg(long, value_name = "COUNT", help_heading = TRAFFIC)]
    pub workers: Option<String>,

    /// Where Prometheus scrapes `/stats/prometheus` (also as `/metrics`), and `/ready` answers:
    /// an address and port, a port alone for every IPv4 address, or `off`.
    #[arg(long, value_name = "ADDRESS", help_heading = LOOK)]
    pub stats_listen: Option<String>,

    /// Where operators look (`/stats`, `/server_info`, `/config_dump`, `/sources`): a loopback
    /// address and port, a port alone for 127.0.0.1, or `off`.
    #[arg(long, value_name = "ADDRESS", help_heading = LOOK)]
    pub admin_listen: Option<String>,

    /// Where the kubelet asks `/healthz/ready`: an address and port, a port alone for every IPv4
    /// address, or `off`.
    #[arg(long, value_name = "ADDRESS", help_heading = LOOK)]
    pub health_listen: Option<String>,

    /// Probes of the app that the kubelet asks of `--health-listen`, as `podmeter inject` writes them:
    /// JSON of a path and what to ask at it, such as `{"/app-health/web/readyz": {"tcpSocket":
    /// {"port": 5432}, "timeoutSeconds": 1}}`, or an `httpGet` with `port`, `path`, `scheme` and
    /// `httpHeaders`. The proxy asks the app at the address that it was itself asked at.
    #[arg(long, value_name = "JSON", help_heading = LOOK)]
    #[serde(deserialize_with = "super::app_probes::written")]
    pub app_probes: Option<String>,

    /// Which metric families the traffic is shown as: any of `istio`, `envoy`, `linkerd`, `osm`,
    /// `http`, `otel` and those that the key `custom-dialects` of the file defines, with commas
    /// between.
    #[arg(long, value_name = "NAMES", help_heading = LOOK)]
    #[serde(deserialize_with = "one_or_many")]
    pub dialect: Vec<String>,

    /// Dialects that the file itself defines, by name; there is no flag for them.
    #[arg(skip)]
    pub custom_dialects: Option<serde_json::Value>,

    /// Which paths the families that have a path tell apart, with a comma between or repeated:
    /// templates such as `/users/{id}` and `/static/{file...}`, and `auto` for all others that the
    /// app answers, with numbers, UUIDs, hashes, dates and random tokens folded. Without `auto`, or
    /// where there are too many, a path is `other`; `off` makes all of them that.
    #[arg(long, value_name = "TEMPLATES", help_heading = LOOK)]
    #[serde(deserialize_with = "one_or_many")]
    pub path_templates: Vec<String>,
    /// What `envoy_cluster_name` says of what comes to a port of the app: text with any of `{port}`,
    /// `{service}` (the first of --service), `{workload}`, `{namespace}`, `{pod}`, `{app}`,
    /// `{version}`, `{revision}` and `{cluster}` in it, as `{namespace}_{service}_{port}`.
    #[arg(long, value_name = "TEMPLATE", help_heading = LOOK)]
    pub envoy_cluster_name: Option<String>,

    /// One more label on Envoy's families of a port, with the same in its value, as
    /// `service={service}_{namespace}_svc_{port}`; repeatable.
    #[arg(long, value_name = "NAME=TEMPLATE", help_heading = LOOK)]
    #[serde(deserialize_with = "one_or_many")]
    pub envoy_label: Vec<String>,

    /// An exposition of the app itself, merged into ours on every scrape: a URL such as
    /// `http://127.0.0.1:9102/metrics`, `https://app:9443/metrics` or
    /// `unix:/run/app.sock:/metrics`, or for short `:9102/metrics` or `9102`. Repeat it for more.
    /// Options follow behind commas; a value with white space or commas goes into double quotes:
    /// - `name=NAME`: what the source is called; else its host, port and path
    /// - `mode=label`: add the label `source="NAME"` to each of its samples
    /// - `mode=sum`: add up the samples of all such sources, worker processes of one app
    /// - `group=NAME`: add up only with sources of the same group (`mode=sum`)
    /// - `gauges=RULE`, `gauge.FAMILY=RULE`: how `mode=sum` adds up gauges, or those of one
    ///   family: `sum` (the default), `max`, `min`, `last`, or `label` for each by itself
    /// - `workers=N`: N processes answer at this URL, each connection reaching another, and all
    ///   are asked (`mode=sum`)
    /// - `basic-auth-file=FILE`: ask with the user and password of a file, `USER:PASSWORD`
    /// - `basic-auth-user=USER`, `basic-auth-password-file=FILE`: the same, of which only the
    ///   password is in a file
    /// - `bearer-token-file=FILE`: ask with the token of a file
    /// - `forward-authorization=true`: ask with the Authorization of whoever scrapes podmeter
    /// - `header="NAME: VALUE"`, `header-file=NAME:FILE`: one more header; repeatable
    /// - `ca=FILE`: trust these authorities (PEM), not those of the system
    /// - `server-name=NAME`: the name in the certificate, where it is not the URL's host
    /// - `cert=FILE`, `key=FILE`: our own certificate and its key (PEM)
    /// - `insecure-skip-verify=true`: believe any certificate, also a stranger's
    /// - `timeout=DURATION`: wait no longer than this, even where the scraper would
    /// - `max-bytes=SIZE`, `max-samples=COUNT`: merge nothing of an answer that is larger
    #[arg(long, value_name = "URL[,OPTION=VALUE]...", help_heading = APP, verbatim_doc_comment)]
    #[serde(deserialize_with = "super::app_metrics::written")]
    pub app_metrics: Vec<String>,

    /// The most that one source may send, after decompression, up to 1GiB; of a source that
    /// sends more nothing is merged.
    #[arg(long, value_name = "SIZE", help_heading = APP)]
    pub app_metrics_max_bytes: Option<String>,

    /// CPU time, memory and file descriptors of the app's processes as `process_*`, where the app does
    /// not export them and the pod shares its process namespace: `sum` of all, `each` by itself, or
    /// `off`.
    #[arg(long, value_name = "HOW", help_heading = APP)]
    pub app_process: Option<String>,

    /// The workload this pod belongs to: the name of its Deployment or other owner.
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    pub workload: Option<String>,

    /// What kind of object the workload is, as `StatefulSet`.
    #[arg(long, value_name = "KIND", help_heading = WHO)]
    pub workload_kind: Option<String>,

    /// The pod's namespace.
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    pub namespace: Option<String>,

    /// The pod's own name.
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    pub pod: Option<String>,

    /// The pod's label `pod-template-hash`. A pod that is called WORKLOAD-HASH-SUFFIX says so what
    /// its workload is, and goes before `--workload`: that stays as it was in a copy of the template,
    /// such as the one that Flagger makes for a primary.
    #[arg(long, value_name = "HASH", help_heading = WHO)]
    pub pod_template_hash: Option<String>,

    /// The app's name, as in the pod's label `app`; it becomes the canonical service, which is the
    /// workload otherwise.
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    pub app: Option<String>,

    /// The app's version, as in the pod's label `version`.
    #[arg(long, value_name = "TEXT", help_heading = WHO)]
    pub version_label: Option<String>,

    /// The Services that lead to this pod, with a comma between or repeated: a request counts for
    /// the one that its Host header names, else for the first.
    #[arg(long, value_name = "NAMES", help_heading = WHO)]
    #[serde(deserialize_with = "one_or_many")]
    pub service: Vec<String>,

    /// The canonical revision; without it the version, and without that `latest`.
    #[arg(long, value_name = "TEXT", help_heading = WHO)]
    pub revision: Option<String>,

    /// The name of the Kubernetes cluster.
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    pub cluster: Option<String>,

    /// The most connections open at once, up to 1000000; one more is reset, and counted.
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub max_connections: Option<String>,

    /// How long connecting to the app may take before the client's connection is reset.
    #[arg(long, value_name = "DURATION", help_heading = LIMITS)]
    pub connect_timeout: Option<String>,

    /// How long a connection may carry nothing before it is closed; `off` is for ever.
    #[arg(long, value_name = "DURATION", help_heading = LIMITS)]
    pub idle_timeout: Option<String>,

    /// The most of one HTTP head that is kept to be read, up to 16MiB. A longer head is carried
    /// unchanged too, but its connection is metered as TCP from there on.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_head_bytes: Option<String>,

    /// The most series of one family, up to 1000000; what comes beyond shares one overflow
    /// series, so memory stays bounded.
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub max_series: Option<String>,

    /// The most paths that `--path-templates auto` tells apart, up to 10000.
    #[arg(long, value_name = "COUNT", help_heading = LIMITS)]
    pub max_paths: Option<String>,

    /// How long a series of requests may stand still before it is left out, until there is another
    /// such request: then it is back with all that was ever counted. `off` is for ever.
    #[arg(long, value_name = "DURATION", help_heading = LIMITS)]
    pub series_idle_timeout: Option<String>,

    /// Where latencies and sizes are native histograms, for scrapers that ask for protobuf:
    /// `beside` the classic buckets, `instead` of them, or `off`.
    #[arg(long, value_name = "WHERE", help_heading = HISTOGRAMS)]
    pub native_histograms: Option<String>,

    /// The resolution of native histograms, 0 to 8: each step more is twice as fine, and 3 makes
    /// buckets of a tenth of what is in them.
    #[arg(long, value_name = "SCHEMA", help_heading = HISTOGRAMS)]
    pub native_schema: Option<String>,

    /// The most buckets of a native histogram, up to 65536; one that needs more is shown at half
    /// the resolution.
    #[arg(long, value_name = "COUNT", help_heading = HISTOGRAMS)]
    pub native_max_buckets: Option<String>,

    /// Whether the newest request of each bucket of latencies is shown with its trace, where a
    /// `traceparent` or B3 header says that it is sampled: `on` or `off`.
    #[arg(long, value_name = "SWITCH", help_heading = HISTOGRAMS)]
    pub exemplars: Option<String>,

    /// How long open connections may finish after SIGTERM or SIGINT; then they are closed.
    #[arg(long, value_name = "DURATION", help_heading = STOPPING)]
    pub drain_timeout: Option<String>,

    /// How long to wait, once the connections are done, for one last scrape.
    #[arg(long, value_name = "DURATION", help_heading = STOPPING)]
    pub linger: Option<String>,

    /// What is logged, on standard error: `error`, `warn`, `info`, `debug`, `trace` or `off`,
    /// for all or by module as in `info,podmeter::scrape=debug`.
    #[arg(long, value_name = "FILTER", help_heading = LOGGING)]
    pub log_level: Option<String>,

    /// The shape of a line of the log: `text` for people, `json` for machines.
    #[arg(long, value_name = "FORMAT", help_heading = LOGGING)]
    pub log_format: Option<String>,
}

/// The environment variable of a flag: `stats-listen` is `PODMETER_STATS_LISTEN`.
pub fn variable(flag: &str) -> String {
    format!("PODMETER_{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// Adds to each flag's help what it has besides: its variable and its default.
///
/// The parser itself is told neither: a value has to be known by the layer it came from.
pub fn describe(command: clap::Command) -> clap::Command {
    described(command, &ProxyArgs::defaults().said(), variable)
}

/// The same for any command whose flags have variables.
pub(super) fn described(
    command: clap::Command,
    defaults: &[(&'static str, Vec<String>)],
    variable: fn(&str) -> String,
) -> clap::Command {
    command.mut_args(|arg| {
        let (Some(flag), Some(help)) = (arg.get_long(), arg.get_help()) else { return arg };
        let default = defaults.iter().find(|(name, _)| *name == flag);
        let default = default.map(|(_, values)| format!(" [default: {}]", values.join(",")));
        // clap takes the last full stop off a comment.
        let help = format!("{help}.\n[env: {}]{}", variable(flag), default.unwrap_or_default());
        // `-1` is then a bad value, with our sentence, and not an unknown flag.
        arg.help(help).allow_negative_numbers(true)
    })
}

/// Reads a list from YAML, where a list of one may be written without the list.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;

    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one text or a list of texts")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(vec![number.to_string()])
        }

        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(vec![number.to_string()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(OneOrMany)
}
