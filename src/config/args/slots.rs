//! Every setting under its name: how layers are laid over one another without knowing any of them.

use super::ProxyArgs;

/// Where one setting is held.
pub(in crate::config) enum Slot<'a> {
    One(&'a mut Option<String>),
    Many(&'a mut Vec<String>),
}

impl ProxyArgs {
    /// What holds where nothing else is said, in the notation of the flags. A setting that is
    /// missing here has no default.
    pub fn defaults() -> Self {
        let text = |value: &str| Some(value.to_owned());
        Self {
            inbound_listen: text("0.0.0.0:15006"),
            inbound_mode: text("redirect"),
            outbound_listen: text("off"),
            probes: text("apart"),
            workers: text("1"),
            stats_listen: text("0.0.0.0:15090"),
            admin_listen: text("127.0.0.1:15000"),
            health_listen: text("0.0.0.0:15021"),
            dialect: vec!["istio,envoy".to_owned()],
            path_templates: vec!["auto".to_owned()],
            envoy_cluster_name: text("inbound|{port}||"),
            workload_kind: text("Deployment"),
            app_metrics_max_bytes: text("16MiB"),
            app_process: text("sum"),
            max_connections: text("10000"),
            connect_timeout: text("10s"),
            idle_timeout: text("off"),
            max_head_bytes: text("64KiB"),
            max_series: text("10000"),
            max_paths: text("200"),
            series_idle_timeout: text("off"),
            native_histograms: text("beside"),
            native_schema: text("3"),
            native_max_buckets: text("160"),
            exemplars: text("on"),
            drain_timeout: text("30s"),
            linger: text("0s"),
            log_level: text("info"),
            log_format: text("text"),
            ..Self::default()
        }
    }

    /// Fills in what this layer does not say from the `lower` one. Lists are not joined: the
    /// upper one holds.
    pub(in crate::config) fn fill_from(&mut self, mut lower: Self) {
        for ((_, mine), (_, theirs)) in self.slots().into_iter().zip(lower.slots()) {
            match (mine, theirs) {
                (Slot::One(mine @ None), Slot::One(theirs)) => *mine = theirs.take(),
                (Slot::Many(mine), Slot::Many(theirs)) if mine.is_empty() => {
                    *mine = std::mem::take(theirs);
                }
                _ => {}
            }
        }
        self.custom_dialects = self.custom_dialects.take().or(lower.custom_dialects);
    }

    /// The name of every setting, in the order of the help.
    pub fn names() -> Vec<&'static str> {
        Self::default().slots().map(|(name, _)| name).into()
    }

    /// Takes a value for the setting of a name; false where there is none.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let slot = self.slots().into_iter().find(|(known, _)| *known == name);
        match slot {
            Some((_, Slot::One(slot))) => *slot = Some(value.to_owned()),
            Some((_, Slot::Many(slot))) => slot.push(value.to_owned()),
            None => return false,
        }
        true
    }

    /// What this layer says, as pairs of a flag's name and its values.
    pub(in crate::config) fn said(mut self) -> Vec<(&'static str, Vec<String>)> {
        let taken = self.slots().map(|(name, slot)| match slot {
            Slot::One(value) => (name, value.take().into_iter().collect()),
            Slot::Many(values) => (name, std::mem::take(values)),
        });
        taken.into_iter().filter(|(_, values): &(_, Vec<_>)| !values.is_empty()).collect()
    }

    /// Every setting under its flag's name, in the order of the help.
    pub(in crate::config) fn slots(&mut self) -> [(&'static str, Slot<'_>); 43] {
        use Slot::{Many, One};
        // Taken apart by name, so that a setting that is missing below does not compile.
        let Self {
            forward,
            inbound_listen,
            inbound_mode,
            outbound_listen,
            probes,
            opaque_ports,
            workers,
            stats_listen,
            admin_listen,
            health_listen,
            app_probes,
            dialect,
            // What is no flag has no slot.
            custom_dialects: _,
            path_templates,
            envoy_cluster_name,
            envoy_label,
            app_metrics,
            app_metrics_max_bytes,
            app_process,
            workload,
            workload_kind,
            namespace,
            pod,
            pod_template_hash,
            app,
            version_label,
            service,
            revision,
            cluster,
            max_connections,
            connect_timeout,
            idle_timeout,
            max_head_bytes,
            max_series,
            max_paths,
            series_idle_timeout,
            native_histograms,
            native_schema,
            native_max_buckets,
            exemplars,
            drain_timeout,
            linger,
            log_level,
            log_format,
        } = self;
        [
            ("forward", Many(forward)),
            ("inbound-listen", One(inbound_listen)),
            ("inbound-mode", One(inbound_mode)),
            ("outbound-listen", One(outbound_listen)),
            ("probes", One(probes)),
            ("opaque-ports", Many(opaque_ports)),
            ("workers", One(workers)),
            ("stats-listen", One(stats_listen)),
            ("admin-listen", One(admin_listen)),
            ("health-listen", One(health_listen)),
            ("app-probes", One(app_probes)),
            ("dialect", Many(dialect)),
            ("path-templates", Many(path_templates)),
            ("envoy-cluster-name", One(envoy_cluster_name)),
            ("envoy-label", Many(envoy_label)),
            ("app-metrics", Many(app_metrics)),
            ("app-metrics-max-bytes", One(app_metrics_max_bytes)),
            ("app-process", One(app_process)),
            ("workload", One(workload)),
            ("workload-kind", One(workload_kind)),
            ("namespace", One(namespace)),
            ("pod", One(pod)),
            ("pod-template-hash", One(pod_template_hash)),
            ("app", One(app)),
            ("version-label", One(version_label)),
            ("service", Many(service)),
            ("revision", One(revision)),
            ("cluster", One(cluster)),
            ("max-connections", One(max_connections)),
            ("connect-timeout", One(connect_timeout)),
            ("idle-timeout", One(idle_timeout)),
            ("max-head-bytes", One(max_head_bytes)),
            ("max-series", One(max_series)),
            ("max-paths", One(max_paths)),
            ("series-idle-timeout", One(series_idle_timeout)),
            ("native-histograms", One(native_histograms)),
            ("native-schema", One(native_schema)),
            ("native-max-buckets", One(native_max_buckets)),
            ("exemplars", One(exemplars)),
            ("drain-timeout", One(drain_timeout)),
            ("linger", One(linger)),
            ("log-level", One(log_level)),
            ("log-format", One(log_format)),
        ]
    }
}
