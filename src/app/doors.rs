//! The listeners that carry traffic: bound for every worker, and told what to do.

use crate::config::{Config, CustomDialect, NativeHistograms};
use crate::dialect;
use crate::listen::{BindError, Interception, OwnPorts, Port, Reach, Way, bind_shared};
use crate::meter::{Detail, Extras, Layout, Natives, Route, RouteId, Side};
use crate::observe::Rules;
use crate::observe::host::{HostId, KnownHosts, SeenHosts};
use crate::observe::path::Paths;
use crate::pump::{Carriage, Circle};
use crate::redirect::Mode;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Bound listeners, in the order in which the workers have their sockets.
#[derive(Debug)]
pub(super) struct Doors {
    /// Of each worker, each in the order of `doors`.
    pub(super) sockets: Vec<Vec<TcpListener>>,
    doors: Vec<Door>,
}

/// One listener.
#[derive(Clone, Copy, Debug)]
struct Door {
    listen: SocketAddr,
    leads: Leads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    To(SocketAddr),
    Intercepted(Side),
}

impl Doors {
    /// Binds every address that carries traffic, or none.
    pub(super) fn bind(config: &Config) -> Result<Self, BindError> {
        let sockets = (0..config.workers).map(|_| Vec::new()).collect();
        let mut this = Self { sockets, doors: Vec::new() };
        for forward in &config.forwards {
            this.open("--forward", forward.listen, Leads::To(forward.target), Reach::Own)?;
        }
        let reach = if config.inbound_mode == Mode::Tproxy { Reach::Any } else { Reach::Own };
        let intercepted = [
            ("--inbound-listen", config.inbound_listen, Side::Inbound, reach),
            ("--outbound-listen", config.outbound_listen, Side::Outbound, Reach::Own),
        ];
        for (setting, listen, side, reach) in intercepted {
            let Some(listen) = listen else { continue };
            let bound = this.open(setting, listen, Leads::Intercepted(side), reach)?;
            let Some(mut sibling) = sibling(listen) else { continue };
            sibling.set_port(bound.port());
            match this.open(setting, sibling, Leads::Intercepted(side), reach) {
                // A host without IPv6 has no such connections either.
                Err(BindError::Other { source, .. }) if lacks_family(&source) => {}
                outcome => drop(outcome?),
            }
        }
        Ok(this)
    }

    fn open(
        &mut self,
        setting: &'static str,
        listen: SocketAddr,
        leads: Leads,
        reach: Reach,
    ) -> Result<SocketAddr, BindError> {
        let shared = bind_shared(setting, listen, self.sockets.len(), reach)?;
        let bound = shared.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(listen);
        for (worker, socket) in self.sockets.iter_mut().zip(shared) {
            worker.push(socket);
        }
        self.doors.push(Door { listen: bound, leads });
        Ok(bound)
    }

    /// Where each `--forward` listens, and where it leads, in their order.
    pub(super) fn forwards(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.doors.iter().filter_map(|door| match door.leads {
            Leads::To(target) => Some((door.listen, target)),
            Leads::Intercepted(_) => None,
        })
    }

    /// Where intercepted connections come.
    pub(super) fn intercepting(&self, side: Side) -> impl Iterator<Item = SocketAddr> {
        let doors = self.doors.iter().filter(move |door| door.leads == Leads::Intercepted(side));
        doors.map(|door| door.listen)
    }

    /// How the meter is laid out for them.
    /// `epoch` is when the clock read zero, since 1970.
    pub(super) fn layout(&self, config: &Config, epoch: Duration) -> Layout {
        let forwards = self.forwards().map(|(listen, target)| Route {
            side: Side::Inbound,
            listen,
            target,
            opaque: is_opaque(config, target),
        });
        let sides = [Side::Inbound, Side::Outbound].into_iter();
        let others =
            sides.filter(|side| self.intercepting(*side).next().is_some()).map(Route::others);
        let services = &config.identity.services;
        let custom = &config.custom_dialects.asked;
        let usual = dialect::layout(&config.dialects, forwards.chain(others).collect());
        let detail = |side, usual: Detail| {
            custom.iter().map(|dialect| dialect.detail(side)).fold(usual, Detail::or)
        };
        let layout = Layout {
            first_host: if services.is_empty() { HostId::UNKNOWN } else { HostId(0) },
            inbound: detail(Side::Inbound, usual.inbound),
            outbound: detail(Side::Outbound, usual.outbound),
            durations: usual.durations.and(custom.iter().map(CustomDialect::durations)),
            sizes: usual.sizes.and(custom.iter().map(CustomDialect::sizes)),
            shards: config.workers,
            max_series: config.max_series,
            extras: Extras {
                epoch: Some(epoch),
                natives: natives(config),
                exemplars: config.extras.exemplars,
            },
            ..usual
        };
        match config.extras.natives {
            NativeHistograms::Off => layout,
            _ => dialect::with_native(layout, config.extras.native_schema),
        }
    }

    /// What the workers are told of each. `serving` is where this process listens besides.
    pub(super) fn ports(
        &self,
        config: &Config,
        serving: impl IntoIterator<Item = SocketAddr>,
        seen: &Arc<SeenHosts>,
        paths: impl Fn(Side) -> Option<Arc<Paths>>,
    ) -> Vec<Port> {
        let rules = |hosts, paths| {
            Arc::new(Rules {
                hosts,
                max_head_bytes: config.limits.max_head_bytes,
                probes_apart: config.probes_apart,
                paths,
                traces: config.extras.exemplars,
            })
        };
        let inbound = rules(KnownHosts::new(&config.identity.services), paths(Side::Inbound));
        let outbound = rules(KnownHosts::whatever_is_seen(seen), paths(Side::Outbound));
        let own = Arc::new(OwnPorts {
            intercepting: [Side::Inbound, Side::Outbound]
                .into_iter()
                .flat_map(|side| self.intercepting(side))
                .collect(),
            serving: self.forwards().map(|(listen, _)| listen).chain(serving).collect(),
        });
        let circle = Arc::new(Circle::default());
        let carriage = Carriage {
            connect_timeout: config.limits.connect_timeout,
            idle_timeout: config.limits.idle_timeout,
        };
        let port = |(index, door): (usize, &Door)| match door.leads {
            Leads::To(target) => Port {
                // The forwards are the first doors, and the first routes.
                way: Way::Forward { route: RouteId::from_index(index), target },
                carriage,
                rules: (!is_opaque(config, target)).then(|| Arc::clone(&inbound)),
            },
            Leads::Intercepted(side) => Port {
                way: Way::Intercepted(Arc::new(Interception {
                    side,
                    mode: match side {
                        Side::Inbound => config.inbound_mode,
                        Side::Outbound => Mode::Redirect,
                    },
                    listen: door.listen,
                    own: Arc::clone(&own),
                    opaque: match side {
                        Side::Inbound => config.opaque_ports.clone(),
                        // They are ports of the app, and what others have there is theirs.
                        Side::Outbound => Vec::new(),
                    },
                    circle: Arc::clone(&circle),
                    seen: (side == Side::Outbound).then(|| Arc::clone(seen)),
                })),
                carriage,
                rules: Some(Arc::clone(if side == Side::Inbound { &inbound } else { &outbound })),
            },
        };
        self.doors.iter().enumerate().map(port).collect()
    }
}

/// How native histograms are shown to who can take them.
fn natives(config: &Config) -> Option<Natives> {
    let beside = match config.extras.natives {
        NativeHistograms::Beside => true,
        NativeHistograms::Instead => false,
        NativeHistograms::Off => return None,
    };
    Some(Natives { max_buckets: config.extras.native_max_buckets, beside })
}

fn is_opaque(config: &Config, target: SocketAddr) -> bool {
    config.opaque_ports.iter().any(|ports| ports.contains(&target.port()))
}

/// The IPv6 address that goes with an IPv4 one: rules intercept both.
fn sibling(listen: SocketAddr) -> Option<SocketAddr> {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv6Addr::UNSPECIFIED,
        IpAddr::V4(Ipv4Addr::LOCALHOST) => Ipv6Addr::LOCALHOST,
        _ => return None,
    };
    Some(SocketAddr::new(ip.into(), listen.port()))
}

/// Whether there are no such addresses on this host.
fn lacks_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}
