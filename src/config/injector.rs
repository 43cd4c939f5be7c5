//! What `podmeter injector` is told: flags and variables become an [`InjectorConfig`].

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Log;
use super::address::{self, EVERYWHERE};
use super::args::{Slot, described};
use super::error::{ConfigError, shown};
use super::layers::{LoadError, Origin, Surroundings};
use super::quantity::duration;
use super::read::{log, text};
use crate::inject::{Consent, Sidecar};

mod args;

pub use args::InjectorArgs;

/// Everything that `podmeter injector` can be told, ready for use.
#[derive(Clone, Debug)]
pub struct InjectorConfig {
    /// Where reviews are answered.
    pub listen: SocketAddr,
    /// Where the kubelet and Prometheus are answered; `None` is off.
    pub stats_listen: Option<SocketAddr>,
    /// Whether somebody has said so. Nobody is told to end for want of what nobody asked for.
    pub stats_listen_is_asked_for: bool,
    /// What is said to reviews.
    pub policy: Policy,
    /// Where the certificate comes from.
    pub certificates: Certificates,
    /// How long reviews are answered still, once it was told to stop.
    pub shutdown_delay: Duration,
    /// What is logged, and how.
    pub log: Log,
}

/// What is said to reviews.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What is added.
    pub sidecar: Sidecar,
    /// Whether a pod that says nothing itself gets a sidecar.
    pub consent: Consent,
    /// Whether a pod that asks for something that cannot be is denied; it runs without a sidecar
    /// otherwise.
    pub deny: bool,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Files that somebody else writes.
    Files {
        /// The certificate, with those between it and the authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// An authority of our own.
    OwnAuthority(OwnAuthority),
}

/// An authority of our own, kept in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAuthority {
    /// Where the API server is.
    pub cluster: ClusterAt,
    /// The namespace of the Secret and of the Service.
    pub namespace: String,
    /// The Secret that holds authority and certificate.
    pub secret: String,
    /// The `MutatingWebhookConfiguration` whose webhooks are told whom to trust.
    pub webhook_config: String,
    /// The Service that API servers call.
    pub service: String,
    /// The domain of the cluster.
    pub cluster_domain: String,
    /// How long a certificate is good for.
    pub lifetime: Duration,
    /// How long an authority is good for, at least three times as long.
    pub authority_lifetime: Duration,
}

/// Where an API server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterAt {
    /// Where every pod is told that it is.
    Pod {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// The folder of the service account.
        account: PathBuf,
    },
    /// Where a kubeconfig says.
    Kubeconfig(PathBuf),
}

impl OwnAuthority {
    /// The names by which the Service can be called, shortest first.
    pub fn names(&self) -> Vec<String> {
        let Self { service, namespace, cluster_domain, .. } = self;
        vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{cluster_domain}"),
        ]
    }
}

/// The variable of a flag of the injector: `cert-secret` is `PODMETER_INJECTOR_CERT_SECRET`.
pub fn injector_variable(flag: &str) -> String {
    format!("PODMETER_INJECTOR_{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// Adds to the help of each flag of the injector its variable and its default.
pub fn describe_injector(command: clap::Command) -> clap::Command {
    described(command, &InjectorArgs::defaults().said(), injector_variable)
}

/// Makes an [`InjectorConfig`] of the flags and, below them, the variables and the defaults. A
/// variable that is empty counts as not set.
pub fn load_injector(
    flags: InjectorArgs,
    surroundings: Surroundings<'_>,
) -> Result<InjectorConfig, LoadError> {
    let ask = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let mut args = flags;
    let mut from_variables = Vec::new();
    for (setting, slot) in args.slots() {
        let variable = injector_variable(setting);
        let Some(value) = ask(&variable) else { continue };
        let Ok(text) = value.into_string() else {
            return Err(LoadError::VariableIsNotText { variable });
        };
        match slot {
            Slot::One(known @ None) => *known = Some(text),
            Slot::Many(known) if known.is_empty() => {
                known.extend(text.lines().map(str::to_owned));
            }
            _ => continue,
        }
        from_variables.push(setting);
    }
    config(args, &ask, surroundings).map_err(|error| {
        let origin = Origin::variables(&error.settings(), &from_variables, injector_variable);
        LoadError::Setting { error, origin }
    })
}

fn config(
    mut args: InjectorArgs,
    ask: &dyn Fn(&str) -> Option<OsString>,
    surroundings: Surroundings<'_>,
) -> Result<InjectorConfig, ConfigError> {
    let stats_listen_is_asked_for = args.stats_listen.is_some();
    args.fill_from(InjectorArgs::defaults());
    let listener = |setting, value: &Option<String>| {
        address::listener(setting, text(value.as_deref()), EVERYWHERE, surroundings.resolve)
    };
    let listen = listener("listen", &args.listen)?
        .ok_or_else(|| invalid("listen", "off", "an address and port such as 0.0.0.0:8443"))?;
    let stats_listen = listener("stats-listen", &args.stats_listen)?;
    if let Some(stats) = stats_listen.filter(|stats| address::overlap(listen, *stats)) {
        return Err(ConfigError::Clash {
            first: "listen",
            first_address: listen,
            second: "stats-listen",
            second_address: stats,
        });
    }
    Ok(InjectorConfig {
        listen,
        stats_listen,
        stats_listen_is_asked_for,
        policy: policy(&args)?,
        certificates: certificates(&args, ask)?,
        shutdown_delay: duration(
            "shutdown-delay",
            text(args.shutdown_delay.as_deref()),
            Duration::ZERO..=Duration::from_secs(3_600),
        )?,
        log: log(args.log_level.as_deref(), args.log_format.as_deref())?,
    })
}

fn policy(args: &InjectorArgs) -> Result<Policy, ConfigError> {
    let mut settings = Vec::new();
    for pair in &args.set {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            invalid("set", pair, "NAME=VALUE, such as cpu-request=20m or dialect=istio,http")
        })?;
        settings.push((name.trim().to_owned(), value.to_owned()));
    }
    settings.extend(args.image.iter().map(|image| ("image".to_owned(), image.clone())));
    let sidecar = Sidecar::new(settings)
        .map_err(|refusal| ConfigError::Sidecar { sentence: refusal.to_string() })?;
    let consent = match text(args.unmarked.as_deref()) {
        "inject" => Consent::Given,
        "skip" => Consent::Needed,
        other => return Err(invalid("unmarked", other, "inject or skip")),
    };
    let deny = match text(args.failure_policy.as_deref()) {
        word if word.eq_ignore_ascii_case("ignore") => false,
        word if word.eq_ignore_ascii_case("fail") => true,
        other => return Err(invalid("failure-policy", other, "ignore or fail")),
    };
    Ok(Policy { sidecar, consent, deny })
}

fn certificates(
    args: &InjectorArgs,
    ask: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Certificates, ConfigError> {
    let given = |value: &'_ Option<String>| -> Option<String> {
        let text = text(value.as_deref());
        (!text.is_empty()).then(|| text.to_owned())
    };
    let together = |setting, other| ConfigError::Together { setting, other };
    match (given(&args.tls_cert), given(&args.tls_key), given(&args.cert_secret)) {
        (None, None, None) => Err(ConfigError::NoCertificate),
        (Some(_), _, Some(_)) => {
            Err(ConfigError::Either { first: "tls-cert", second: "cert-secret" })
        }
        (_, Some(_), Some(_)) => {
            Err(ConfigError::Either { first: "tls-key", second: "cert-secret" })
        }
        (Some(_), None, None) => Err(together("tls-cert", "tls-key")),
        (None, Some(_), None) => Err(together("tls-key", "tls-cert")),
        (Some(certificate), Some(key), None) => {
            Ok(Certificates::Files { certificate: certificate.into(), key: key.into() })
        }
        (None, None, Some(secret)) => {
            let webhook_config = given(&args.webhook_config)
                .ok_or_else(|| together("cert-secret", "webhook-config"))?;
            let lifetimes = Duration::from_secs(3)..=Duration::from_secs(20 * 365 * 86_400);
            let lifetime = |setting, value: &Option<String>| {
                duration(setting, text(value.as_deref()), lifetimes.clone())
            };
            let own = OwnAuthority {
                cluster: cluster(given(&args.kubeconfig), ask)?,
                namespace: namespace(given(&args.namespace))?,
                secret: name("cert-secret", secret)?,
                webhook_config: name("webhook-config", webhook_config)?,
                service: label("service", given(&args.service).unwrap_or_default())?,
                cluster_domain: name(
                    "cluster-domain",
                    given(&args.cluster_domain).unwrap_or_default(),
                )?,
                lifetime: lifetime("cert-lifetime", &args.cert_lifetime)?,
                authority_lifetime: lifetime("ca-lifetime", &args.ca_lifetime)?,
            };
            if own.authority_lifetime < own.lifetime * 3 {
                let expected = "at least three times --cert-lifetime";
                return Err(invalid("ca-lifetime", text(args.ca_lifetime.as_deref()), expected));
            }
            Ok(Certificates::OwnAuthority(own))
        }
    }
}

fn cluster(
    kubeconfig: Option<String>,
    ask: &dyn Fn(&str) -> Option<OsString>,
) -> Result<ClusterAt, ConfigError> {
    if let Some(path) = kubeconfig {
        return Ok(ClusterAt::Kubeconfig(path.into()));
    }
    let told = |name| ask(name).and_then(|value| value.into_string().ok());
    if let Some(host) = told("KUBERNETES_SERVICE_HOST") {
        let port = told("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok());
        return Ok(ClusterAt::Pod { host, port: port.unwrap_or(443), account: ACCOUNT.into() });
    }
    // Of several the first: they are merged by kubectl alone.
    let first = ask("KUBECONFIG").and_then(|paths| std::env::split_paths(&paths).next());
    first.map(ClusterAt::Kubeconfig).ok_or(ConfigError::NoCluster)
}

fn namespace(given: Option<String>) -> Result<String, ConfigError> {
    let told = || fs::read_to_string(Path::new(ACCOUNT).join("namespace")).ok();
    let namespace = given.or_else(|| told().map(|text| text.trim().to_owned()));
    label("namespace", namespace.ok_or(ConfigError::NoNamespace)?)
}

/// The name of an object (RFC 1123), which becomes a part of a path.
fn name(setting: &'static str, name: String) -> Result<String, ConfigError> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name);
    }
    Err(invalid(setting, &name, "a name of small letters, digits, - and ."))
}

/// The same without dots, and shorter.
fn label(setting: &'static str, text: String) -> Result<String, ConfigError> {
    let label = name(setting, text)?;
    if label.len() <= 63 && !label.contains('.') {
        return Ok(label);
    }
    Err(invalid(setting, &label, "a name of at most 63 small letters, digits and -"))
}

fn invalid(setting: &'static str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Invalid { setting, value: shown(value), expected: expected.to_owned() }
}

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[cfg(test)]
mod tests;
