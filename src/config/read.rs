//! The way from what a person wrote to what the proxy uses: each value read, then all compared.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::address::{self, EVERYWHERE, LOOPBACK, Resolve, system_resolver};
use super::error::{ConfigError, shown};
use super::quantity::{count, duration, size};
use super::{
    AppProcess, Config, CustomDialect, CustomDialects, EnvoyNames, Extras, Identity, Limits, Log,
    LogFormat, NativeHistograms, PathRules, ProxyArgs, app_metrics, app_probes, forward, redirect,
};
use crate::dialect::Dialect;
use crate::observe::path::Templates;
use crate::redirect::Ports;

impl TryFrom<ProxyArgs> for Config {
    type Error = ConfigError;

    /// Reads the settings over their defaults, and asks the system for the addresses of hosts.
    fn try_from(args: ProxyArgs) -> Result<Self, ConfigError> {
        Self::from_args(args, &system_resolver)
    }
}

impl Config {
    /// Reads the settings over their defaults, and asks `resolve` for the addresses of hosts.
    pub fn from_args(mut args: ProxyArgs, resolve: Resolve<'_>) -> Result<Self, ConfigError> {
        // Who names a port of its own needs no interception, and who wants both says so.
        if items(&args.forward).next().is_some() && args.inbound_listen.is_none() {
            args.inbound_listen = Some("off".to_owned());
        }
        args.fill_from(ProxyArgs::defaults());
        let forwards = items(&args.forward)
            .map(|text| forward::read(text, resolve))
            .collect::<Result<Vec<_>, _>>()?;
        let listener = |setting, value: Option<&str>, bare| {
            address::listener(setting, text(value), bare, resolve)
        };
        let dialects = dialects(&args.dialect, args.custom_dialects.as_ref())?;
        let sources: Vec<&str> = args.app_metrics.iter().map(String::as_str).collect();
        let config = Self {
            forwards,
            inbound_listen: listener("inbound-listen", args.inbound_listen.as_deref(), EVERYWHERE)?,
            inbound_mode: redirect::mode("inbound-mode", args.inbound_mode.as_deref())?,
            outbound_listen: listener(
                "outbound-listen",
                args.outbound_listen.as_deref(),
                LOOPBACK,
            )?,
            probes_apart: probes_apart(text(args.probes.as_deref()))?,
            stats_listen: listener("stats-listen", args.stats_listen.as_deref(), EVERYWHERE)?,
            admin_listen: listener("admin-listen", args.admin_listen.as_deref(), LOOPBACK)?,
            health_listen: listener("health-listen", args.health_listen.as_deref(), EVERYWHERE)?,
            app_metrics: app_metrics::read_all(&sources)?,
            app_metrics_max_bytes: size(
                "app-metrics-max-bytes",
                text(args.app_metrics_max_bytes.as_deref()),
                1 << 30,
            )?,
            app_probes: app_probes::read(text(args.app_probes.as_deref()))?,
            app_process: app_process(text(args.app_process.as_deref()))?,
            dialects: dialects.0,
            custom_dialects: dialects.1,
            paths: paths(&args)?,
            envoy: EnvoyNames::read(
                text(args.envoy_cluster_name.as_deref()),
                items(&args.envoy_label),
            )?,
            identity: identity(&args)?,
            limits: limits(&args)?,
            opaque_ports: Ports::of(ports("opaque-ports", &args.opaque_ports)?).ranges().to_vec(),
            workers: count("workers", text(args.workers.as_deref()), 256)?,
            drain_timeout: duration(
                "drain-timeout",
                text(args.drain_timeout.as_deref()),
                Duration::ZERO..=A_YEAR,
            )?,
            linger: duration("linger", text(args.linger.as_deref()), Duration::ZERO..=A_YEAR)?,
            max_series: count("max-series", text(args.max_series.as_deref()), 1_000_000)?,
            series_idle_timeout: match text(args.series_idle_timeout.as_deref()) {
                "off" => None,
                text => Some(duration("series-idle-timeout", text, A_SCRAPE..=A_YEAR)?),
            },
            extras: extras(&args)?,
            log: log(args.log_level.as_deref(), args.log_format.as_deref())?,
        };
        config.check_addresses(text(args.admin_listen.as_deref()))?;
        Ok(config)
    }

    /// Refuses what each setting may be but not all of them together. What is missing is said
    /// last, so that a mistyped value is named first.
    fn check_addresses(&self, admin: &str) -> Result<(), ConfigError> {
        if self.admin_listen.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(ConfigError::AdminNotLoopback { value: shown(admin) });
        }
        let own: Vec<(&'static str, SocketAddr)> = [
            ("inbound-listen", self.inbound_listen),
            ("outbound-listen", self.outbound_listen),
            ("stats-listen", self.stats_listen),
            ("admin-listen", self.admin_listen),
            ("health-listen", self.health_listen),
        ]
        .into_iter()
        .filter_map(|(setting, address)| Some((setting, address?)))
        .collect();
        forward::check_targets(&self.forwards, &own)?;
        app_metrics::check_loops(&self.app_metrics, &own)?;

        let mut listeners = own;
        listeners.splice(..0, self.forwards.iter().map(|forward| ("forward", forward.listen)));
        for (number, &(first, first_address)) in listeners.iter().enumerate() {
            for &(second, second_address) in &listeners[number + 1..] {
                if address::overlap(first_address, second_address) {
                    return Err(ConfigError::Clash {
                        first,
                        first_address,
                        second,
                        second_address,
                    });
                }
            }
        }
        let carries = self.inbound_listen.or(self.outbound_listen).is_some();
        if self.forwards.is_empty() && !carries { Err(ConfigError::NothingToCarry) } else { Ok(()) }
    }
}

fn probes_apart(text: &str) -> Result<bool, ConfigError> {
    match text {
        "apart" => Ok(true),
        "requests" => Ok(false),
        other => Err(invalid("probes", other, "apart or requests")),
    }
}

/// The dialects that are asked for: built in, and defined by the file.
fn dialects(
    texts: &[String],
    written: Option<&serde_json::Value>,
) -> Result<(Vec<Dialect>, CustomDialects), ConfigError> {
    let custom = CustomDialects::read(written)?;
    let expected = || {
        let mut names: Vec<&str> = Dialect::all().map(Dialect::as_str).collect();
        names.extend(custom.iter().map(|dialect| dialect.name.as_str()));
        format!("one or more of {}", names.join(", "))
    };
    let (mut built_in, mut defined): (Vec<Dialect>, Vec<CustomDialect>) = (Vec::new(), Vec::new());
    for name in items(texts) {
        let known = custom.iter().find(|dialect| dialect.name == name);
        match (Dialect::named(name), known) {
            (Some(dialect), _) if built_in.contains(&dialect) => {}
            (Some(dialect), _) => built_in.push(dialect),
            (None, Some(dialect)) if defined.contains(dialect) => {}
            (None, Some(dialect)) => defined.push(dialect.clone()),
            (None, None) => return Err(invalid("dialect", name, &expected())),
        }
    }
    if built_in.is_empty() && defined.is_empty() {
        return Err(invalid("dialect", &texts.join(","), &expected()));
    }
    let defined = CustomDialects::asked(written, defined, &built_in)?;
    Ok((built_in, defined))
}

fn paths(args: &ProxyArgs) -> Result<PathRules, ConfigError> {
    let named: Vec<&str> = items(&args.path_templates).collect();
    let is_word = |item: &&str| matches!(*item, "auto" | "off");
    let templates: Vec<&str> = named.iter().copied().filter(|item| !is_word(item)).collect();
    if named.contains(&"off") && named.iter().any(|item| *item != "off") {
        let expected = "off alone, or templates, auto, or both";
        return Err(invalid("path-templates", &named.join(","), expected));
    }
    let read = Templates::read(templates).map_err(|error| {
        let expected = error.to_string();
        invalid("path-templates", error.template(), &expected)
    })?;
    let most = count("max-paths", text(args.max_paths.as_deref()), usize::from(MOST_PATHS))?;
    Ok(PathRules {
        templates: read.names().to_vec(),
        learn: named.contains(&"auto"),
        most: u16::try_from(most).unwrap_or(MOST_PATHS),
    })
}

fn identity(args: &ProxyArgs) -> Result<Identity, ConfigError> {
    let label = |setting, value: Option<&str>| {
        let text = text(value);
        if text.len() > LABEL_BYTES || text.contains(char::is_control) {
            let expected = "at most 253 bytes of text without control characters";
            return Err(invalid(setting, text, expected));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    };
    let mut services: Vec<String> = Vec::new();
    for name in items(&args.service) {
        if !address::is_host_name(name) {
            let expected = "names of Services, such as shop or shop.sales.svc.cluster.local";
            return Err(invalid("service", name, expected));
        }
        // Host names are the same in any case (RFC 4343).
        let name = name.to_ascii_lowercase();
        if !services.contains(&name) {
            services.push(name);
        }
    }
    let pod = label("pod", args.pod.as_deref())?;
    let hash = label("pod-template-hash", args.pod_template_hash.as_deref())?;
    let workload = label("workload", args.workload.as_deref())?;
    let of_pod = pod.as_deref().zip(hash.as_deref()).and_then(|(pod, hash)| workload_of(pod, hash));
    Ok(Identity {
        workload: of_pod.or(workload),
        workload_kind: label("workload-kind", args.workload_kind.as_deref())?,
        namespace: label("namespace", args.namespace.as_deref())?,
        pod,
        pod_template_hash: hash,
        app: label("app", args.app.as_deref())?,
        version: label("version-label", args.version_label.as_deref())?,
        services,
        revision: label("revision", args.revision.as_deref())?,
        cluster: label("cluster", args.cluster.as_deref())?,
    })
}

/// The workload that a pod's name names: all before the hash of its template. A long name is cut
/// short by Kubernetes, and then has no whole hash.
fn workload_of(pod: &str, hash: &str) -> Option<String> {
    let (owner, _) = pod.rsplit_once('-')?;
    let workload = owner.strip_suffix(hash)?.strip_suffix('-')?;
    (!workload.is_empty()).then(|| workload.to_owned())
}

fn limits(args: &ProxyArgs) -> Result<Limits, ConfigError> {
    let timeout = |setting, text| duration(setting, text, A_MOMENT..=A_YEAR);
    let idle = match text(args.idle_timeout.as_deref()) {
        "off" => None,
        text => Some(timeout("idle-timeout", text)?),
    };
    // At most 16 MiB, so it fits whatever the width of a usize.
    let head = size("max-head-bytes", text(args.max_head_bytes.as_deref()), 16 << 20)?;
    Ok(Limits {
        max_connections: count(
            "max-connections",
            text(args.max_connections.as_deref()),
            1_000_000,
        )?,
        connect_timeout: timeout("connect-timeout", text(args.connect_timeout.as_deref()))?,
        idle_timeout: idle,
        max_head_bytes: usize::try_from(head).unwrap_or(usize::MAX),
    })
}

fn app_process(name: &str) -> Result<AppProcess, ConfigError> {
    use AppProcess::{Each, Off, Sum};
    let known = [Sum, Each, Off].into_iter().find(|mode| mode.as_str() == name);
    known.ok_or_else(|| invalid("app-process", name, "sum, each or off"))
}

fn extras(args: &ProxyArgs) -> Result<Extras, ConfigError> {
    use NativeHistograms::{Beside, Instead, Off};
    let name = text(args.native_histograms.as_deref());
    let natives = [Beside, Instead, Off].into_iter().find(|natives| natives.as_str() == name);
    let schema = text(args.native_schema.as_deref());
    let most = text(args.native_max_buckets.as_deref());
    Ok(Extras {
        natives: natives
            .ok_or_else(|| invalid("native-histograms", name, "beside, instead or off"))?,
        native_schema: match schema.as_bytes() {
            [digit @ b'0'..=b'8'] => digit - b'0',
            _ => return Err(invalid("native-schema", schema, "a whole number from 0 to 8")),
        },
        native_max_buckets: count("native-max-buckets", most, 65_536)?,
        exemplars: match text(args.exemplars.as_deref()) {
            "on" => true,
            "off" => false,
            other => return Err(invalid("exemplars", other, "on or off")),
        },
    })
}

/// Reads ports and ranges, as they were written.
pub(super) fn ports(
    setting: &'static str,
    texts: &[String],
) -> Result<Vec<RangeInclusive<u16>>, ConfigError> {
    let read = |text| {
        let (first, last) = str::split_once(text, '-').unwrap_or((text, text));
        let range = address::port(first).zip(address::port(last));
        let range = range.filter(|(first, last)| *first > 0 && first <= last);
        range.map(|(first, last)| first..=last).ok_or_else(|| {
            invalid(setting, text, "ports from 1 to 65535 and ranges such as 6000-6010")
        })
    };
    items(texts).map(read).collect()
}

pub(super) fn log(level: Option<&str>, format: Option<&str>) -> Result<Log, ConfigError> {
    let level = text(level);
    if !is_filter(level) {
        let expected = "error, warn, info, debug, trace or off, or levels by module such as \
                        info,podmeter::scrape=debug";
        return Err(invalid("log-level", level, expected));
    }
    let format = match text(format) {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(invalid("log-format", other, "text or json")),
    };
    Ok(Log { level: level.to_owned(), format })
}

/// Whether a filter means what it seems to. The notation itself takes any word alone as a module
/// that is to log everything, so that a mistyped level would turn off all the rest.
fn is_filter(text: &str) -> bool {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_word = |part: &str| part.chars().all(|c| c.is_alphanumeric() || "_-:.".contains(c));
    let is_level = |part: &str| levels.iter().any(|level| part.eq_ignore_ascii_case(level));
    text.split(',').all(|part| !is_word(part.trim()) || is_level(part.trim()))
        && !text.contains(char::is_control)
        && EnvFilter::builder().parse(text).is_ok()
}

/// The text of a setting, without the white space around it.
pub(super) fn text(value: Option<&str>) -> &str {
    value.unwrap_or_default().trim()
}

/// The items of a list whose items hold neither commas nor white space.
pub(super) fn items(texts: &[String]) -> impl Iterator<Item = &str> {
    texts
        .iter()
        .flat_map(|text| text.split(|c: char| c == ',' || c.is_whitespace()))
        .filter(|item| !item.is_empty())
}

fn invalid(setting: &'static str, text: &str, expected: &str) -> ConfigError {
    ConfigError::Invalid { setting, value: shown(text), expected: expected.to_owned() }
}

/// The shortest time-out that is one.
const A_MOMENT: Duration = Duration::from_millis(1);
/// A series that is shown now and then is still shown by every scrape in between.
const A_SCRAPE: Duration = Duration::from_secs(1);
/// More paths than anyone looks at.
const MOST_PATHS: u16 = 10_000;
/// More than anyone waits, and little enough to be added to any point in time.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);
/// The longest name of a Kubernetes object (RFC 1123).
const LABEL_BYTES: usize = 253;
