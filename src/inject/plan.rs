//! What one pod gets: its settings, read and held against each other.

use super::Refusal;
use super::quantity::{LEAST_MEMORY, Quantity};
use super::settings::Values;
use crate::config::{self, Config, ProxyArgs, RedirectArgs};
use crate::redirect;
use std::net::SocketAddr;

/// What one pod gets, free of contradictions.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) image: String,
    pub(super) pull_policy: Option<String>,
    /// An init container that keeps running, and not an ordinary container.
    pub(super) native: bool,
    /// What `podmeter redirect apply` is told; `None` where nobody is to run it.
    pub(super) redirect: Option<Vec<String>>,
    /// What of the pod's ports comes to the proxy.
    pub(super) intercepted: redirect::Ports,
    /// What the proxy is told besides who it is.
    pub(super) proxy: Vec<String>,
    pub(super) config: Config,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) cpu: Amounts,
    pub(super) memory: Amounts,
    pub(super) share_process_namespace: Option<bool>,
    pub(super) annotations: Annotations,
    pub(super) rewrite_probes: bool,
}

/// What is reserved, and what is the most.
#[derive(Clone, Debug)]
pub(super) struct Amounts {
    pub(super) request: Option<String>,
    pub(super) limit: Option<String>,
}

/// What becomes of `prometheus.io/*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Annotations {
    Rewrite,
    Add,
    Keep,
}

impl Plan {
    /// Reads what a pod and the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, Refusal> {
        let forwards = values.get("forward").is_some();
        let redirected = values.is("redirect", !forwards)?;
        let mut args = ProxyArgs::default();
        let mut proxy = Vec::new();
        for (name, value) in values.proxy() {
            args.set(name, value);
            proxy.push(format!("--{name}={value}"));
        }
        if redirected && forwards && args.inbound_listen.is_none() {
            // The proxy alone would take it that the forward is all there is.
            let everywhere = ProxyArgs::defaults().inbound_listen.unwrap_or_default();
            proxy.push(format!("--inbound-listen={everywhere}"));
            args.inbound_listen = Some(everywhere);
        }
        let outbound = values.is("redirect-outbound", false)?;
        if redirected && outbound && args.outbound_listen.is_none() {
            proxy.push("--outbound-listen=15001".to_owned());
            args.outbound_listen = Some("15001".to_owned());
        }
        // A name is looked up where the proxy runs, and not here.
        let nowhere = |_: &str, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        let config =
            Config::from_args(args, &nowhere).map_err(|error| values.in_its_words(&error))?;
        if redirected && outbound && config.outbound_listen.is_none() {
            let (rules, listener) =
                (values.called("redirect-outbound"), values.called("outbound-listen"));
            return Err(Refusal(format!(
                "{rules} is true, but {listener} is off, so nobody would take the pod's own \
                 connections; leave one of them out"
            )));
        }
        if own_listeners(&config).any(|(_, port)| port == 0) {
            return Err(Refusal("a listener has port 0, which nobody could be told of".to_owned()));
        }
        let (uid, gid) = (id(values, "proxy-uid")?, id(values, "proxy-gid")?);
        let tproxy = config.inbound_mode == redirect::Mode::Tproxy;
        let (redirect, intercepted) = if redirected {
            let (told, plan) = redirect(values, &config, tproxy)?;
            (Some(told), plan.inbound.map(|inbound| inbound.ports).unwrap_or_default())
        } else {
            (None, redirect::Ports::default())
        };
        Ok(Self {
            image: image(values)?,
            pull_policy: pull_policy(values)?,
            native: values.is("native-sidecar", true)?,
            redirect,
            intercepted,
            proxy,
            uid,
            gid,
            cpu: amounts(values, ["cpu-request", "cpu-limit"], "10m", None, None)?,
            memory: amounts(
                values,
                ["memory-request", "memory-limit"],
                "32Mi",
                Some("256Mi"),
                Some(LEAST_MEMORY),
            )?,
            share_process_namespace: match values.get("share-process-namespace") {
                None => None,
                Some(_) => Some(values.is("share-process-namespace", false)?),
            },
            annotations: match values.get("prometheus-annotations") {
                None | Some("rewrite") => Annotations::Rewrite,
                Some("add") => Annotations::Add,
                Some("keep") => Annotations::Keep,
                Some(_) => {
                    return Err(values.refused("prometheus-annotations", "rewrite, add or keep"));
                }
            },
            rewrite_probes: values.is("rewrite-probes", true)?,
            config,
        })
    }

    /// Whether the proxy takes connections with their clients' addresses, for which it has to be root
    /// of its network.
    pub(super) fn tproxy(&self) -> bool {
        self.config.inbound_mode == redirect::Mode::Tproxy
    }

    /// Whether the pod says itself what its workload is.
    pub(super) fn says_workload(&self) -> bool {
        self.config.identity.workload.is_some()
    }

    /// The port on which others find the metrics.
    pub(super) fn stats_port(&self) -> Option<u16> {
        reachable(self.config.stats_listen)
    }

    /// The port on which the kubelet finds us.
    pub(super) fn health_port(&self) -> Option<u16> {
        reachable(self.config.health_listen)
    }

    /// The app's port behind one that a forward takes for it.
    pub(super) fn forwarded(&self, port: u16) -> Option<u16> {
        let forward = self.config.forwards.iter().find(|forward| forward.listen.port() == port);
        forward.map(|forward| forward.target.port())
    }

    /// Every port that the proxy listens on, with the flag that moves it.
    pub(super) fn ports(&self) -> Vec<(&'static str, u16)> {
        own_listeners(&self.config).collect()
    }
}

fn reachable(listen: Option<SocketAddr>) -> Option<u16> {
    listen.filter(|address| !address.ip().is_loopback()).map(|address| address.port())
}

fn own_listeners(config: &Config) -> impl Iterator<Item = (&'static str, u16)> {
    let listeners = [
        ("inbound-listen", config.inbound_listen),
        ("outbound-listen", config.outbound_listen),
        ("stats-listen", config.stats_listen),
        ("admin-listen", config.admin_listen),
        ("health-listen", config.health_listen),
    ];
    listeners.into_iter().filter_map(|(name, listen)| Some((name, listen?.port())))
}

/// What `podmeter redirect apply` is told, so that its rules go with the proxy's listeners.
fn redirect(
    values: &Values,
    config: &Config,
    tproxy: bool,
) -> Result<(Vec<String>, redirect::Plan), Refusal> {
    let mut args = RedirectArgs::default();
    let mut told = Vec::new();
    let mut tell = |name: &'static str, value: String| {
        args.set(name, &value);
        told.push(format!("--{name}={value}"));
    };
    if tproxy {
        tell("mode", "tproxy".to_owned());
    }
    for (name, value) in values.redirect() {
        if !FLAGS.contains(&name) {
            tell(name, value.to_owned());
        }
    }
    match config.inbound_listen.map(|address| address.port()) {
        None => tell("include-inbound-ports", "none".to_owned()),
        Some(15006) => {}
        Some(port) => tell("inbound-port", port.to_string()),
    }
    let outbound = config.outbound_listen.map(|address| address.port());
    if let Some(port) = outbound.filter(|port| *port != 15001) {
        tell("outbound-port", port.to_string());
    }
    let forwards = config.forwards.iter().map(|forward| forward.listen.port());
    let others: Vec<u16> = own_listeners(config)
        .filter(|(name, _)| !["inbound-listen", "outbound-listen"].contains(name))
        .map(|(_, port)| port)
        .chain(forwards)
        .collect();
    if others.iter().any(|port| ![15000, 15021, 15090].contains(port)) {
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        tell("proxy-ports", others.join(","));
    }
    for name in FLAGS {
        if values.is(name, false)? {
            told.push(format!("--{name}"));
            match name {
                "only-listening" => args.only_listening = true,
                _ => args.redirect_outbound = true,
            }
        }
    }
    let backend = values.get("backend").filter(|backend| *backend != "auto");
    if let Some(backend) = backend {
        told.push(format!("--backend={backend}"));
    }
    config::backend(backend).map_err(|error| values.in_its_words(&error))?;
    let plan = redirect::Plan::try_from(&args).map_err(|error| values.in_its_words(&error))?;
    Ok((told, plan))
}

fn id(values: &Values, name: &str) -> Result<u32, Refusal> {
    let Some(text) = values.get(name) else { return Ok(PROXY_ID) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    // What Kubernetes takes as a user, root excepted, whom rules would never leave alone.
    let id = text.parse().ok().filter(|id| digits && (1..i32::MAX.unsigned_abs()).contains(id));
    id.ok_or_else(|| values.refused(name, "a number from 1 to 2147483646, such as 1337"))
}

fn image(values: &Values) -> Result<String, Refusal> {
    let Some(image) = values.get("image") else {
        return Ok(concat!("podmeter:", env!("CARGO_PKG_VERSION")).to_owned());
    };
    if image.contains(|c: char| c.is_whitespace() || c.is_control()) || image.len() > 4096 {
        return Err(values.refused("image", "a reference such as registry.example/podmeter:1.0"));
    }
    Ok(image.to_owned())
}

fn pull_policy(values: &Values) -> Result<Option<String>, Refusal> {
    match values.get("image-pull-policy") {
        None => Ok(None),
        Some(policy @ ("Always" | "IfNotPresent" | "Never")) => Ok(Some(policy.to_owned())),
        Some(_) => Err(values.refused("image-pull-policy", "Always, IfNotPresent or Never")),
    }
}

/// Reads what to reserve and what is the most. A default gives way to what is said.
fn amounts(
    values: &Values,
    [request, limit]: [&str; 2],
    usual_request: &str,
    usual_limit: Option<&str>,
    floor: Option<Quantity>,
) -> Result<Amounts, Refusal> {
    let high_enough = |name: &str, quantity: Quantity| match floor {
        Some(floor) if quantity < floor => Err(values.refused(
            name,
            "8Mi or more, such as 64Mi, as the proxy cannot start with less; or none",
        )),
        _ => Ok(quantity),
    };
    let read = |name: &str, usual: Option<&str>| match values.get(name) {
        Some("none") => Ok(None),
        Some(text) => Quantity::read(text)
            .ok_or_else(|| values.refused(name, "a quantity such as 100m, 0.5 or 64Mi, or none"))
            .and_then(|quantity| high_enough(name, quantity))
            .map(|quantity| Some((text.to_owned(), quantity))),
        None => {
            Ok(usual.and_then(|text| Quantity::read(text).map(|amount| (text.to_owned(), amount))))
        }
    };
    let mut least = read(request, Some(usual_request))?;
    let mut most = read(limit, usual_limit)?;
    if let (Some((_, low)), Some((_, high))) = (&least, &most)
        && low > high
    {
        match (values.get(request).is_some(), values.get(limit).is_some()) {
            (true, true) => {
                let (low, high) = (values.called(request), values.called(limit));
                return Err(Refusal(format!("{low} is more than {high}; lower it")));
            }
            (false, _) => least.clone_from(&most),
            (true, false) => most.clone_from(&least),
        }
    }
    Ok(Amounts { request: least.map(|(text, _)| text), limit: most.map(|(text, _)| text) })
}

/// What `redirect apply` takes without a value.
const FLAGS: [&str; 2] = ["only-listening", "redirect-outbound"];
/// The user and group that the rules leave alone.
const PROXY_ID: u32 = 1337;
