//! The settings of the injector as a person writes them.

use crate::config::args::Slot;

const REVIEWS: &str = "Reviews";
const FILES: &str = "A certificate in files";
const OWN: &str = "A certificate of our own";
const RUNNING: &str = "Running";

/// What `podmeter injector` was told, setting by setting; what is `None` or empty was not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct InjectorArgs {
    /// Where API servers send reviews, by HTTPS to `/mutate`: an address and port, or a port alone
    /// for every IPv4 address.
    #[arg(long, value_name = "ADDRESS", help_heading = REVIEWS)]
    pub listen: Option<String>,

    /// What becomes of a pod that asks for something that cannot be, such as a misspelt annotation:
    /// `ignore` lets it run without a sidecar, with a warning; `fail` denies it. Give the webhook
    /// configuration the same `failurePolicy`.
    #[arg(long, value_name = "POLICY", help_heading = REVIEWS)]
    pub failure_policy: Option<String>,

    /// What becomes of a pod that says nothing itself, by label or annotation `podmeter.io/inject`:
    /// `inject`, as the selectors of the webhook configuration have chosen it, or `skip`.
    #[arg(long, value_name = "WHAT", help_heading = REVIEWS)]
    pub unmarked: Option<String>,

    /// The image of the sidecar, where a pod names no other.
    #[arg(long, value_name = "IMAGE", help_heading = REVIEWS)]
    pub image: Option<String>,

    /// Something else that holds for each sidecar unless its pod says otherwise: NAME is that of an
    /// annotation without `podmeter.io/`, as in `cpu-request=20m`. Repeat it for more; the variable
    /// has one on each line.
    #[arg(long, value_name = "NAME=VALUE", help_heading = REVIEWS)]
    pub set: Vec<String>,

    /// The certificate to serve, in PEM, and those between it and its authority. It is read again
    /// whenever it changes.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub tls_cert: Option<String>,

    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub tls_key: Option<String>,

    /// The Secret to keep an authority and a certificate in. Both are made and renewed without a
    /// restart; any number of replicas may share them.
    #[arg(long, value_name = "NAME", help_heading = OWN)]
    pub cert_secret: Option<String>,

    /// The MutatingWebhookConfiguration to keep told whom to trust (`caBundle`).
    #[arg(long, value_name = "NAME", help_heading = OWN)]
    pub webhook_config: Option<String>,

    /// The Service that API servers call, for the names in the certificate.
    #[arg(long, value_name = "NAME", help_heading = OWN)]
    pub service: Option<String>,

    /// The namespace of the Secret and of the Service; without it, that of this pod.
    #[arg(long, value_name = "NAME", help_heading = OWN)]
    pub namespace: Option<String>,

    /// The domain of the cluster, for the longest name in the certificate.
    #[arg(long, value_name = "DOMAIN", help_heading = OWN)]
    pub cluster_domain: Option<String>,

    /// How long a certificate is good for. It is renewed when a third of that is left.
    #[arg(long, value_name = "DURATION", help_heading = OWN)]
    pub cert_lifetime: Option<String>,

    /// The same of the authority: at least three times as long.
    #[arg(long, value_name = "DURATION", help_heading = OWN)]
    pub ca_lifetime: Option<String>,

    /// Where the API server is, and who we are; without it as a pod is told, or else as the
    /// variable KUBECONFIG says.
    #[arg(long, value_name = "FILE", help_heading = OWN)]
    pub kubeconfig: Option<String>,

    /// Where the kubelet asks `/healthz` and `/readyz`, and Prometheus scrapes `/metrics`: an
    /// address and port, a port alone for every IPv4 address, or `off`.
    #[arg(long, value_name = "ADDRESS", help_heading = RUNNING)]
    pub stats_listen: Option<String>,

    /// How long reviews are still answered after SIGTERM or SIGINT, so that API servers have time
    /// to learn that others answer now.
    #[arg(long, value_name = "DURATION", help_heading = RUNNING)]
    pub shutdown_delay: Option<String>,

    /// What is logged, on standard error: `error`, `warn`, `info`, `debug`, `trace` or `off`,
    /// for all or by module.
    #[arg(long, value_name = "FILTER", help_heading = RUNNING)]
    pub log_level: Option<String>,

    /// The shape of a line of the log: `text` for people, `json` for machines.
    #[arg(long, value_name = "FORMAT", help_heading = RUNNING)]
    pub log_format: Option<String>,
}

impl InjectorArgs {
    /// What holds where nothing else is said.
    pub fn defaults() -> Self {
        let text = |value: &str| Some(value.to_owned());
        Self {
            listen: text("0.0.0.0:8443"),
            failure_policy: text("ignore"),
            unmarked: text("inject"),
            service: text("podmeter-injector"),
            cluster_domain: text("cluster.local"),
            cert_lifetime: text("2160h"),
            ca_lifetime: text("43800h"),
            stats_listen: text("0.0.0.0:15014"),
            shutdown_delay: text("5s"),
            log_level: text("info"),
            log_format: text("text"),
            ..Self::default()
        }
    }

    /// Fills in what this layer does not say from the `lower` one.
    pub(super) fn fill_from(&mut self, mut lower: Self) {
        for ((_, mine), (_, theirs)) in self.slots().into_iter().zip(lower.slots()) {
            match (mine, theirs) {
                (Slot::One(mine @ None), Slot::One(theirs)) => *mine = theirs.take(),
                (Slot::Many(mine), Slot::Many(theirs)) if mine.is_empty() => {
                    *mine = std::mem::take(theirs);
                }
                _ => {}
            }
        }
    }

    /// What this layer says, as pairs of a flag's name and its values.
    pub(super) fn said(mut self) -> Vec<(&'static str, Vec<String>)> {
        let taken = self.slots().map(|(name, slot)| match slot {
            Slot::One(value) => (name, value.take().into_iter().collect()),
            Slot::Many(values) => (name, std::mem::take(values)),
        });
        taken.into_iter().filter(|(_, values): &(_, Vec<_>)| !values.is_empty()).collect()
    }

    /// Every setting under its flag's name, in the order of the help.
    pub(super) fn slots(&mut self) -> [(&'static str, Slot<'_>); 19] {
        use Slot::{Many, One};
        // Taken apart by name, so that a setting that is missing below does not compile.
        let Self {
            listen,
            failure_policy,
            unmarked,
            image,
            set,
            tls_cert,
            tls_key,
            cert_secret,
            webhook_config,
            service,
            namespace,
            cluster_domain,
            cert_lifetime,
            ca_lifetime,
            kubeconfig,
            stats_listen,
            shutdown_delay,
            log_level,
            log_format,
        } = self;
        [
            ("listen", One(listen)),
            ("failure-policy", One(failure_policy)),
            ("unmarked", One(unmarked)),
            ("image", One(image)),
            ("set", Many(set)),
            ("tls-cert", One(tls_cert)),
            ("tls-key", One(tls_key)),
            ("cert-secret", One(cert_secret)),
            ("webhook-config", One(webhook_config)),
            ("service", One(service)),
            ("namespace", One(namespace)),
            ("cluster-domain", One(cluster_domain)),
            ("cert-lifetime", One(cert_lifetime)),
            ("ca-lifetime", One(ca_lifetime)),
            ("kubeconfig", One(kubeconfig)),
            ("stats-listen", One(stats_listen)),
            ("shutdown-delay", One(shutdown_delay)),
            ("log-level", One(log_level)),
            ("log-format", One(log_format)),
        ]
    }
}
