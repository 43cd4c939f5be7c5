//! Wires the proxy together: binds, starts, runs until told to stop, and hands the bound addresses
//! back.

use crate::clock::Clock;
use crate::config::{Config, Forward};
use crate::dialect::{self, Dialects};
use crate::drain::{Connections, Drain};
use crate::listen::{BindError, Port, Staff, Workers, bind, bind_shared};
use crate::meter::{Layout, Meter, Route, RouteId};
use crate::observe::Rules;
use crate::observe::host::{HostId, KnownHosts};
use crate::process::raise_fd_limit;
use crate::pump::Carriage;
use crate::scrape::Sources;
use crate::serve::{Admin, Health, Lifecycle, Room, Stats, serve};
use prometheus_client::registry::Registry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::time::Instant;

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address that could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The kernel did not give what every program needs.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// A proxy that has its addresses and carries nothing yet.
#[derive(Debug)]
pub struct App {
    config: Config,
    /// Listening sockets of each worker, each in the order of the forwards.
    sockets: Vec<Vec<TcpListener>>,
    forwards: Vec<SocketAddr>,
    stats: Option<TcpListener>,
    admin: Option<TcpListener>,
    health: Option<TcpListener>,
}

impl App {
    /// Binds every address that the configuration names, or none.
    pub fn bind(config: Config) -> Result<Self, AppError> {
        let mut sockets: Vec<Vec<TcpListener>> = (0..config.workers).map(|_| Vec::new()).collect();
        let mut forwards = Vec::new();
        for forward in &config.forwards {
            let shared = bind_shared("--forward", forward.listen, config.workers)?;
            if let Some(socket) = shared.first() {
                forwards.push(socket.local_addr()?);
            }
            for (worker, socket) in sockets.iter_mut().zip(shared) {
                worker.push(socket);
            }
        }
        let bind = |setting, addr: Option<SocketAddr>| addr.map(|a| bind(setting, a)).transpose();
        Ok(Self {
            sockets,
            forwards,
            stats: bind("--stats-listen", config.stats_listen)?,
            admin: bind("--admin-listen", config.admin_listen)?,
            health: bind("--health-listen", config.health_listen)?,
            config,
        })
    }

    /// Where each `--forward` listens, in their order.
    pub fn forward_addrs(&self) -> &[SocketAddr] {
        &self.forwards
    }

    /// Where the stats are served, unless that is off.
    pub fn stats_addr(&self) -> Option<SocketAddr> {
        self.stats.as_ref()?.local_addr().ok()
    }

    /// Where operators are answered, unless that is off.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Where the kubelet is answered, unless that is off.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref()?.local_addr().ok()
    }

    /// Carries traffic until told to stop. `stop` gives what to wait for once more when it has
    /// been waited for once: at first to drain, then to give up what is left.
    pub async fn run<S: Future<Output = ()>>(self, stop: impl Fn() -> S) -> Result<(), AppError> {
        self.announce();
        let max_connections = self.config.limits.max_connections;
        // One more than there are descriptors for would look as if the app had refused it.
        let affordable = raise_fd_limit();
        if affordable < max_connections {
            tracing::info!(
                "--max-connections is {max_connections}, but the limit on file descriptors leaves \
                 room for {affordable}, and more are turned away; raise it (ulimit -n)"
            );
        }
        let (drain, lifecycle) = (Drain::default(), Arc::new(Lifecycle::default()));
        let connections = Connections::new(max_connections.min(affordable));
        let layout = layout(&self.config, &self.forwards);
        let meter = Meter::new(layout.clone());
        let staff = Staff { clock: Clock::start(), connections: Arc::clone(&connections) };
        let workers = Workers::start(self.sockets, &ports(&self.config), &meter, &staff)?;

        let config = Arc::new(self.config);
        let mut registry = Registry::default();
        let max_bytes = config.app_metrics_max_bytes;
        let stats = Arc::new(Stats {
            meter,
            dialects: Dialects::new(&config.dialects, &config.identity, &layout),
            sources: Arc::new(Sources::new(&config.app_metrics, max_bytes, &mut registry)),
            registry,
            settler: workers.settler(),
            room: Arc::new(Room::default()),
            lifecycle: Arc::clone(&lifecycle),
            started: Instant::now(),
        });
        if let Some(listener) = self.stats {
            serve(listener, Arc::clone(&stats), &drain)?;
        }
        if let Some(listener) = self.admin {
            serve(listener, Arc::new(Admin::new(&stats, &config)), &drain)?;
        }
        if let Some(listener) = self.health {
            serve(listener, Arc::new(Health::new(&lifecycle)), &drain)?;
        }

        tokio::select! {
            () = stop() => {}
            () = lifecycle.quit.cancelled() => {}
        }
        lifecycle.drain();
        tracing::info!(connections = connections.open(), "draining");
        let hurried = tokio::select! {
            () = connections.none_left() => false,
            () = tokio::time::sleep(config.drain_timeout) => {
                tracing::warn!(connections = connections.open(), "giving up what is left");
                false
            }
            () = stop() => true,
        };
        workers.stop();
        if !hurried && !config.linger.is_zero() {
            tokio::select! {
                // One last scrape sees the final numbers.
                () = lifecycle.scraped.notified() => {}
                () = tokio::time::sleep(config.linger) => {}
                () = stop() => {}
            }
        }
        drain.stop().await;
        Ok(())
    }

    fn announce(&self) {
        for (forward, listen) in self.config.forwards.iter().zip(&self.forwards) {
            tracing::info!(%listen, app = %forward.target, "carrying");
        }
        let listeners = [
            ("stats", self.stats_addr()),
            ("admin", self.admin_addr()),
            ("health", self.health_addr()),
        ];
        for (name, listen) in listeners {
            if let Some(listen) = listen {
                tracing::info!(%listen, "serving {name}");
            }
        }
    }
}

fn layout(config: &Config, listening: &[SocketAddr]) -> Layout {
    let forwards = config.forwards.iter().zip(listening);
    Layout {
        routes: forwards
            .map(|(forward, &listen)| Route {
                listen,
                target: forward.target,
                opaque: is_opaque(config, forward),
            })
            .collect(),
        first_host: if config.identity.services.is_empty() { HostId::UNKNOWN } else { HostId(0) },
        durations: dialect::duration_bounds(),
        sizes: dialect::size_bounds(),
        held: dialect::held_bounds(),
        shards: config.workers,
        max_series: config.max_series,
    }
}

fn ports(config: &Config) -> Vec<Port> {
    let rules = Arc::new(Rules {
        hosts: KnownHosts::new(&config.identity.services),
        max_head_bytes: config.limits.max_head_bytes,
    });
    let port = |(index, forward): (usize, &Forward)| Port {
        route: RouteId::from_index(index),
        carriage: Carriage {
            target: forward.target,
            connect_timeout: config.limits.connect_timeout,
            idle_timeout: config.limits.idle_timeout,
        },
        rules: (!is_opaque(config, forward)).then(|| Arc::clone(&rules)),
    };
    config.forwards.iter().enumerate().map(port).collect()
}

fn is_opaque(config: &Config, forward: &Forward) -> bool {
    config.opaque_ports.iter().any(|ports| ports.contains(&forward.target.port()))
}
