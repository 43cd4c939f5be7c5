//! Wires the proxy together: binds, starts, runs until told to stop, and hands the bound addresses
//! back.

mod doors;

use crate::app_process::AppProcesses;
use crate::aside::Aside;
use crate::clock::Clock;
use crate::config::{Config, PathRules};
use crate::dialect::{Dialects, Subject};
use crate::drain::{Connections, Drain};
use crate::listen::{BindError, Staff, Workers, bind};
use crate::meter::{Meter, Side};
use crate::observe::host::SeenHosts;
use crate::observe::path::{Paths, Templates};
use crate::process::raise_fd_limit;
use crate::scrape::Sources;
use crate::serve::{Admin, Health, Lifecycle, Room, Stats, serve};
use doors::Doors;
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
    doors: Doors,
    forwards: Vec<SocketAddr>,
    stats: Option<TcpListener>,
    admin: Option<TcpListener>,
    health: Option<TcpListener>,
}

impl App {
    /// Binds every address that the configuration names, or none.
    pub fn bind(config: Config) -> Result<Self, AppError> {
        let doors = Doors::bind(&config)?;
        let bind = |setting, addr: Option<SocketAddr>| addr.map(|a| bind(setting, a)).transpose();
        Ok(Self {
            forwards: doors.forwards().map(|(listen, _)| listen).collect(),
            doors,
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
        let clock = Clock::start();
        let layout = self.doors.layout(&self.config, clock.epoch());
        let paths = paths(&self.config.paths).map(Arc::new);
        let meter = Meter::new(layout.clone());
        let staff = Staff { clock, connections: Arc::clone(&connections) };
        let seen = Arc::new(SeenHosts::new(MAX_SEEN_HOSTS));
        let serving = [self.stats_addr(), self.admin_addr(), self.health_addr()];
        let ports = self.doors.ports(&self.config, serving.into_iter().flatten(), &seen, |side| {
            paths.clone().filter(|_| layout.detail(side).path)
        });
        let workers = Workers::start(self.doors.sockets, &ports, &meter, &staff)?;

        let config = Arc::new(self.config);
        let mut registry = Registry::default();
        let max_bytes = config.app_metrics_max_bytes;
        let subject = Subject {
            identity: &config.identity,
            seen: Some(&seen),
            paths: paths.as_ref(),
            envoy: Some(&config.envoy),
        };
        let stats = Arc::new(Stats {
            meter,
            dialects: Dialects::new(&config.dialects, &subject, &layout)
                .and(&config.custom_dialects.asked, &subject)
                .forgetting(config.series_idle_timeout),
            sources: Arc::new(Sources::new(&config.app_metrics, max_bytes, &mut registry)),
            processes: Arc::new(AppProcesses::new(config.app_process, config.app_metrics.len())),
            registry,
            settler: workers.settler(),
            room: Arc::new(Room::default()),
            aside: Aside::default(),
            lifecycle: Arc::clone(&lifecycle),
            clock,
            started: Instant::now(),
        });
        if let Some(listener) = self.stats {
            serve(listener, Arc::clone(&stats), &drain)?;
        }
        if let Some(listener) = self.admin {
            serve(listener, Arc::new(Admin::new(&stats, &config)), &drain)?;
        }
        if let Some(listener) = self.health {
            serve(listener, Arc::new(Health::new(&lifecycle, &config)), &drain)?;
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
        for (listen, target) in self.doors.forwards() {
            tracing::info!(%listen, app = %target, "carrying");
        }
        for side in [Side::Inbound, Side::Outbound] {
            for listen in self.doors.intercepting(side) {
                tracing::info!(%listen, "taking intercepted {} connections", side.as_str());
            }
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

/// The templates of paths, unless all paths are one.
fn paths(rules: &PathRules) -> Option<Paths> {
    // What the configuration holds has been read before.
    let templates = Templates::read(rules.templates.iter().map(String::as_str)).unwrap_or_default();
    let is_any = rules.learn || !templates.is_empty();
    is_any.then(|| Paths::new(templates, rules.learn.then_some(rules.most)))
}

/// Names of others that the pod may ask for before further ones count as unknown.
const MAX_SEEN_HOSTS: u16 = 1000;
