//! Writes a [`Config`] back in the notation of the flags, for `/config_dump`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::args::ProxyArgs;
use super::quantity::{show_duration, show_size};
use super::{Config, Extras, Identity, Limits, Log, PathRules, app_probes};

/// The same settings as a person would write them. Reading them again gives the same `Config`.
impl From<&Config> for ProxyArgs {
    fn from(config: &Config) -> Self {
        let text = |value: &dyn ToString| Some(value.to_string());
        let listener = |address: Option<std::net::SocketAddr>| {
            Some(address.map_or_else(|| "off".to_owned(), |address| address.to_string()))
        };
        let Identity {
            workload,
            workload_kind,
            namespace,
            pod,
            pod_template_hash,
            app,
            version,
            services,
            revision,
            cluster,
        } = config.identity.clone();
        let Limits { max_connections, connect_timeout, idle_timeout, max_head_bytes } =
            config.limits;
        let Extras { natives, native_schema, native_max_buckets, exemplars } = config.extras;
        let Log { level, format } = &config.log;
        Self {
            forward: config.forwards.iter().map(ToString::to_string).collect(),
            inbound_listen: listener(config.inbound_listen),
            inbound_mode: text(&config.inbound_mode.as_str()),
            outbound_listen: listener(config.outbound_listen),
            probes: text(&if config.probes_apart { "apart" } else { "requests" }),
            opaque_ports: config
                .opaque_ports
                .iter()
                .map(|ports| match (ports.start(), ports.end()) {
                    (first, last) if first == last => first.to_string(),
                    (first, last) => format!("{first}-{last}"),
                })
                .collect(),
            workers: text(&config.workers),
            stats_listen: listener(config.stats_listen),
            admin_listen: listener(config.admin_listen),
            health_listen: listener(config.health_listen),
            app_probes: app_probes::show(&config.app_probes),
            dialect: dialects(config),
            custom_dialects: config.custom_dialects.written().cloned(),
            path_templates: path_templates(&config.paths),
            envoy_cluster_name: text(&config.envoy.cluster),
            envoy_label: config
                .envoy
                .labels
                .iter()
                .map(|(name, template)| format!("{name}={template}"))
                .collect(),
            app_metrics: config.app_metrics.iter().map(ToString::to_string).collect(),
            app_metrics_max_bytes: Some(show_size(config.app_metrics_max_bytes)),
            app_process: text(&config.app_process.as_str()),
            workload,
            // An empty one is known to be unknown.
            workload_kind: Some(workload_kind.unwrap_or_default()),
            namespace,
            pod,
            pod_template_hash,
            app,
            version_label: version,
            service: services,
            revision,
            cluster,
            max_connections: text(&max_connections),
            connect_timeout: Some(show_duration(connect_timeout)),
            idle_timeout: Some(idle_timeout.map_or_else(|| "off".to_owned(), show_duration)),
            max_head_bytes: Some(show_size(max_head_bytes as u64)),
            max_series: text(&config.max_series),
            max_paths: text(&config.paths.most),
            series_idle_timeout: Some(
                config.series_idle_timeout.map_or_else(|| "off".to_owned(), show_duration),
            ),
            native_histograms: text(&natives.as_str()),
            native_schema: text(&native_schema),
            native_max_buckets: text(&native_max_buckets),
            exemplars: text(&if exemplars { "on" } else { "off" }),
            drain_timeout: Some(show_duration(config.drain_timeout)),
            linger: Some(show_duration(config.linger)),
            log_level: text(level),
            log_format: text(&format.as_str()),
        }
    }
}

fn dialects(config: &Config) -> Vec<String> {
    let custom = config.custom_dialects.asked.iter().map(|dialect| dialect.name.clone());
    config.dialects.iter().map(|dialect| dialect.as_str().to_owned()).chain(custom).collect()
}

fn path_templates(paths: &PathRules) -> Vec<String> {
    let auto = paths.learn.then(|| "auto".to_owned());
    let all: Vec<String> = paths.templates.iter().cloned().chain(auto).collect();
    if all.is_empty() { vec!["off".to_owned()] } else { all }
}

/// One key for each flag that has a value. Counts are numbers, everything else is text or a list
/// of texts.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = [
            ("workers", self.workers),
            ("max-connections", self.limits.max_connections),
            ("max-series", self.max_series),
            ("max-paths", usize::from(self.paths.most)),
            ("native-schema", self.extras.native_schema.into()),
            ("native-max-buckets", self.extras.native_max_buckets),
        ];
        let mut args = ProxyArgs::from(self);
        let mut map = serializer.serialize_map(None)?;
        if let Some(written) = self.custom_dialects.written() {
            map.serialize_entry("custom-dialects", written)?;
        }
        for (name, slot) in args.slots() {
            if let Some((_, count)) = counts.iter().find(|(counted, _)| *counted == name) {
                map.serialize_entry(name, count)?;
                continue;
            }
            match slot {
                super::args::Slot::Many(values) => map.serialize_entry(name, values)?,
                super::args::Slot::One(Some(value)) => map.serialize_entry(name, value)?,
                super::args::Slot::One(None) => {}
            }
        }
        map.end()
    }
}
