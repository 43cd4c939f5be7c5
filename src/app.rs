//! Wires the proxy together: binds, starts, runs until told to stop, and hands the bound addresses
//! back.

use crate::clock::Clock;
use crate::config::{Config, Forward};
use crate::drain::Connections;
use crate::listen::{BindError, Port, Staff, Workers, bind_shared};
use crate::meter::{Bounds, Layout, Meter, Route, RouteId};
use crate::observe::Rules;
use crate::observe::host::{HostId, KnownHosts};
use crate::pump::Carriage;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Why the proxy did not start or stopped.
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
    listening: Vec<SocketAddr>,
}

impl App {
    /// Binds every address that the configuration names, or none.
    pub fn bind(config: Config) -> Result<Self, AppError> {
        let mut sockets: Vec<Vec<TcpListener>> = (0..config.workers).map(|_| Vec::new()).collect();
        let mut listening = Vec::new();
        for forward in &config.forwards {
            let shared = bind_shared("--forward", forward.listen, config.workers)?;
            listening.push(shared[0].local_addr()?);
            for (worker, socket) in sockets.iter_mut().zip(shared) {
                worker.push(socket);
            }
        }
        Ok(Self { config, sockets, listening })
    }

    /// Where each `--forward` listens, in their order.
    pub fn forward_addrs(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Carries traffic until `stop` is ready and the connections have ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), AppError> {
        let connections = Connections::new(self.config.limits.max_connections);
        let meter = Meter::new(layout(&self.config, &self.listening));
        let ports = ports(&self.config);
        let staff = Staff { clock: Clock::start(), connections };
        let workers = Workers::start(self.sockets, &ports, &meter, &staff)?;
        stop.await;
        workers.stop();
        Ok(())
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
        durations: Bounds::union([[1u64].as_slice()]),
        sizes: Bounds::union([[1u64].as_slice()]),
        held: Bounds::union([[1u64].as_slice()]),
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
