//! Reads what `podmeter redirect` is told: strings become a [`Plan`].

use std::net::IpAddr;

use super::address;
use super::error::{ConfigError, shown};
use super::read::{items, ports, text};
use crate::redirect::{Backend, Cidr, Inbound, Interface, Mode, Outbound, Plan, Ports};

const INBOUND: &str = "Into the pod";
const OUTBOUND: &str = "Out of the pod";
const PROXY: &str = "The proxy";

/// What to intercept, as a person writes it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RedirectArgs {
    /// The app's ports to intercept: ports and ranges such as `80,8080-8090`, or `none`. Without it
    /// all of them.
    #[arg(long, value_name = "PORTS", help_heading = INBOUND)]
    pub include_inbound_ports: Vec<String>,

    /// Ports of the pod to leave alone; these win.
    #[arg(long, value_name = "PORTS", help_heading = INBOUND)]
    pub exclude_inbound_ports: Vec<String>,

    /// Leave ports alone on which nobody listens: the kernel refuses, as without a proxy. A
    /// `tcpSocket` probe then tells the truth, and what was refused is not counted.
    #[arg(long, help_heading = INBOUND)]
    pub only_listening: bool,

    /// How inbound connections come to the proxy: `redirect`, where the app sees the pod's own
    /// address as its client's, or `tproxy`, where it sees its client's real one; for that the
    /// proxy needs `NET_ADMIN` and `--inbound-mode tproxy`.
    #[arg(long, value_name = "MODE", help_heading = INBOUND)]
    pub mode: Option<String>,

    /// Intercept the pod's own connections to others, too. What stays in the pod is left alone.
    #[arg(long, help_heading = OUTBOUND)]
    pub redirect_outbound: bool,

    /// The ports of others to intercept. Without it all of them.
    #[arg(long, value_name = "PORTS", help_heading = OUTBOUND)]
    pub include_outbound_ports: Vec<String>,

    /// Ports of others to leave alone; these win.
    #[arg(long, value_name = "PORTS", help_heading = OUTBOUND)]
    pub exclude_outbound_ports: Vec<String>,

    /// The networks to intercept, such as `10.0.0.0/8,fd00::/8`. Without it all of them.
    #[arg(long, value_name = "CIDRS", help_heading = OUTBOUND)]
    pub include_outbound_cidrs: Vec<String>,

    /// Networks to leave alone; these win.
    #[arg(long, value_name = "CIDRS", help_heading = OUTBOUND)]
    pub exclude_outbound_cidrs: Vec<String>,

    /// Interfaces whose traffic is left alone, both ways, such as `net1`.
    #[arg(long, value_name = "NAMES")]
    pub exclude_interfaces: Vec<String>,

    /// The users whose connections are never intercepted: those the proxy runs as [default: 1337]
    #[arg(long, value_name = "UIDS", help_heading = PROXY)]
    pub proxy_uid: Vec<String>,

    /// The same for groups [default: 1337]
    #[arg(long, value_name = "GIDS", help_heading = PROXY)]
    pub proxy_gid: Vec<String>,

    /// The port of the proxy's `--inbound-listen` [default: 15006]
    #[arg(long, value_name = "PORT", help_heading = PROXY)]
    pub inbound_port: Option<String>,

    /// The port of the proxy's `--outbound-listen` [default: 15001]
    #[arg(long, value_name = "PORT", help_heading = PROXY)]
    pub outbound_port: Option<String>,

    /// The proxy's other ports, which are never intercepted [default: 15000,15021,15090]
    #[arg(long, value_name = "PORTS", help_heading = PROXY)]
    pub proxy_ports: Vec<String>,
}

impl RedirectArgs {
    /// Takes a value for the flag of a name; false where there is none that takes a list or text.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let list = match name {
            "include-inbound-ports" => &mut self.include_inbound_ports,
            "exclude-inbound-ports" => &mut self.exclude_inbound_ports,
            "include-outbound-ports" => &mut self.include_outbound_ports,
            "exclude-outbound-ports" => &mut self.exclude_outbound_ports,
            "include-outbound-cidrs" => &mut self.include_outbound_cidrs,
            "exclude-outbound-cidrs" => &mut self.exclude_outbound_cidrs,
            "exclude-interfaces" => &mut self.exclude_interfaces,
            "proxy-uid" => &mut self.proxy_uid,
            "proxy-gid" => &mut self.proxy_gid,
            "proxy-ports" => &mut self.proxy_ports,
            "inbound-port" | "outbound-port" | "mode" => {
                let text = match name {
                    "inbound-port" => &mut self.inbound_port,
                    "outbound-port" => &mut self.outbound_port,
                    _ => &mut self.mode,
                };
                *text = Some(value.to_owned());
                return true;
            }
            _ => return false,
        };
        list.push(value.to_owned());
        true
    }
}

impl TryFrom<&RedirectArgs> for Plan {
    type Error = ConfigError;

    fn try_from(args: &RedirectArgs) -> Result<Self, ConfigError> {
        let inbound_port = port("inbound-port", args.inbound_port.as_deref(), 15006)?;
        let outbound_port = port("outbound-port", args.outbound_port.as_deref(), 15001)?;
        let mut own = port_set("proxy-ports", &args.proxy_ports)?
            .unwrap_or_else(|| Ports::of([15000..=15000, 15021..=15021, 15090..=15090]));
        let listeners = [inbound_port..=inbound_port, outbound_port..=outbound_port];
        own = Ports::of(own.ranges().iter().cloned().chain(listeners));
        let plan = Self {
            inbound: inbound(args, inbound_port, &own)?,
            outbound: outbound(args, outbound_port)?,
            exclude_interfaces: interfaces(&args.exclude_interfaces)?,
        };
        if plan.inbound.is_none() && plan.outbound.is_none() {
            return Err(ConfigError::NothingToRedirect);
        }
        if plan.inbound.is_some() && plan.outbound.is_some() && inbound_port == outbound_port {
            return Err(ConfigError::SamePort { port: inbound_port });
        }
        Ok(plan)
    }
}

/// Reads `--backend`; `None` is `auto`.
pub fn backend(value: Option<&str>) -> Result<Option<Backend>, ConfigError> {
    match text(value) {
        "" | "auto" => Ok(None),
        "nftables" => Ok(Some(Backend::Nftables)),
        "iptables" => Ok(Some(Backend::Iptables)),
        other => Err(invalid("backend", other, "auto, nftables or iptables")),
    }
}

/// Reads a mode; the default is `redirect`.
pub(super) fn mode(setting: &'static str, value: Option<&str>) -> Result<Mode, ConfigError> {
    match text(value) {
        "" | "redirect" => Ok(Mode::Redirect),
        "tproxy" => Ok(Mode::Tproxy),
        other => Err(invalid(setting, other, "redirect or tproxy")),
    }
}

fn inbound(args: &RedirectArgs, to: u16, own: &Ports) -> Result<Option<Inbound>, ConfigError> {
    let mode = mode("mode", args.mode.as_deref())?;
    let included = match &*args.include_inbound_ports {
        [one] if one.trim() == "none" => None,
        texts => Some(port_set("include-inbound-ports", texts)?.unwrap_or_else(Ports::all)),
    };
    let excluded = port_set("exclude-inbound-ports", &args.exclude_inbound_ports)?;
    let ports = included.map(|ports| ports.without(&excluded.unwrap_or_default()).without(own));
    let only_listening = args.only_listening;
    let ports = ports.filter(|ports| !ports.is_empty());
    Ok(ports.map(|ports| Inbound { mode, to, ports, only_listening }))
}

fn outbound(args: &RedirectArgs, to: u16) -> Result<Option<Outbound>, ConfigError> {
    let included = port_set("include-outbound-ports", &args.include_outbound_ports)?;
    let excluded = port_set("exclude-outbound-ports", &args.exclude_outbound_ports)?;
    let outbound = Outbound {
        to,
        ports: included.unwrap_or_else(Ports::all).without(&excluded.unwrap_or_default()),
        include: cidrs("include-outbound-cidrs", &args.include_outbound_cidrs)?,
        exclude: cidrs("exclude-outbound-cidrs", &args.exclude_outbound_cidrs)?,
        uids: ids("proxy-uid", &args.proxy_uid)?,
        gids: ids("proxy-gid", &args.proxy_gid)?,
    };
    if args.redirect_outbound {
        return Ok(Some(outbound).filter(|outbound| !outbound.ports.is_empty()));
    }
    let settings = [
        ("include-outbound-ports", &args.include_outbound_ports),
        ("exclude-outbound-ports", &args.exclude_outbound_ports),
        ("include-outbound-cidrs", &args.include_outbound_cidrs),
        ("exclude-outbound-cidrs", &args.exclude_outbound_cidrs),
    ];
    match settings.into_iter().find(|(_, said)| items(said).next().is_some()) {
        Some((setting, _)) => Err(ConfigError::OutboundIsOff { setting }),
        None => Ok(None),
    }
}

/// `None` where nothing is said; `*` is every port.
fn port_set(setting: &'static str, texts: &[String]) -> Result<Option<Ports>, ConfigError> {
    if items(texts).next().is_none() {
        return Ok(None);
    }
    let ports = if items(texts).any(|item| item == "*") {
        Ports::all()
    } else {
        Ports::of(ports(setting, texts)?)
    };
    if ports.ranges().len() > MAX_ITEMS {
        return Err(too_many(setting));
    }
    Ok(Some(ports))
}

fn port(setting: &'static str, value: Option<&str>, default: u16) -> Result<u16, ConfigError> {
    let Some(value) = value else { return Ok(default) };
    let port = address::port(text(Some(value))).filter(|port| *port > 0);
    port.ok_or_else(|| invalid(setting, value, "a port from 1 to 65535"))
}

fn cidrs(setting: &'static str, texts: &[String]) -> Result<Vec<Cidr>, ConfigError> {
    let mut cidrs = Vec::new();
    for item in items(texts).filter(|item| *item != "*") {
        let cidr = cidr(item).ok_or_else(|| {
            invalid(setting, item, "networks such as 10.0.0.0/8, fd00::/8 or 192.0.2.7")
        })?;
        if !cidrs.contains(&cidr) {
            cidrs.push(cidr);
        }
    }
    // What is everything needs no rule for each part.
    if items(texts).any(|item| item == "*") {
        cidrs.clear();
        if setting.starts_with("exclude") {
            let all = ["0.0.0.0/0", "::/0"];
            cidrs.extend(all.iter().filter_map(|all| cidr(all)));
        }
    }
    if cidrs.len() > MAX_ITEMS { Err(too_many(setting)) } else { Ok(cidrs) }
}

/// Reads an address, alone or with the length of its network's prefix.
fn cidr(text: &str) -> Option<Cidr> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let prefix = match prefix {
        None if address.is_ipv4() => 32,
        None => 128,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    Cidr::new(address, prefix)
}

fn interfaces(texts: &[String]) -> Result<Vec<Interface>, ConfigError> {
    let mut interfaces = Vec::new();
    for item in items(texts) {
        let interface = Interface::new(item).ok_or_else(|| {
            let expected =
                "names of interfaces such as net1: at most 15 letters, digits, -, _ and .";
            invalid("exclude-interfaces", item, expected)
        })?;
        if !interfaces.contains(&interface) {
            interfaces.push(interface);
        }
    }
    if interfaces.len() > MAX_ITEMS {
        return Err(too_many("exclude-interfaces"));
    }
    Ok(interfaces)
}

fn ids(setting: &'static str, texts: &[String]) -> Result<Vec<u32>, ConfigError> {
    let mut ids = Vec::new();
    for item in items(texts) {
        let digits = item.bytes().all(|byte| byte.is_ascii_digit());
        // The last number means "no change" to the kernel and is nobody's.
        let id = item.parse().ok().filter(|id| digits && *id < u32::MAX);
        let id = id.ok_or_else(|| invalid(setting, item, "numbers such as 1337"))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() > MAX_ITEMS {
        return Err(too_many(setting));
    }
    Ok(if ids.is_empty() { vec![PROXY_ID] } else { ids })
}

fn too_many(setting: &'static str) -> ConfigError {
    ConfigError::TooMany { setting, most: MAX_ITEMS }
}

fn invalid(setting: &'static str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Invalid { setting, value: shown(value), expected: expected.to_owned() }
}

/// The user and group that the sidecar runs as.
const PROXY_ID: u32 = 1337;
/// Each is a rule that every new connection is held against.
const MAX_ITEMS: usize = 256;
