//! The proxies that are compared and the server behind them, each started as its best self.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

use super::load::Load;
use super::machine::Cores;
use super::process::Running;
use crate::workspace::command;

/// A proxy that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Podmeter,
    /// podmeter told not to look: the floor that observing is measured from.
    Pump,
    Nginx,
    Haproxy,
}

/// A contender that answers requests.
pub(crate) struct Proxy {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Podmeter, Self::Pump, Self::Nginx, Self::Haproxy];

    /// Whether it is this project's binary.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Podmeter | Self::Pump)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Podmeter => "podmeter",
            Self::Pump => "pump",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Whether it can do what is asked: nginx asks no app in HTTP/2.
    pub(crate) fn takes(self, load: Load) -> bool {
        load.streams.is_none() || self != Self::Nginx
    }

    /// Starts the proxy on its core and waits until it has passed on a first request, or listens
    /// where it speaks HTTP/2: what comes then is checked by the load.
    pub(crate) fn start(self, place: &Place, backend: &Backend, load: Load) -> Result<Proxy> {
        let address = free_address()?;
        let is_http2 = load.streams.is_some();
        let target = if is_http2 { backend.h2_address } else { backend.address };
        let mut proxy = match self {
            Self::Podmeter => podmeter(place, address, target, &[])?,
            Self::Pump => {
                podmeter(place, address, target, &["--opaque-ports", &target.port().to_string()])?
            }
            Self::Nginx => nginx(place, self.name(), place.cores.proxy, |folder| {
                nginx_as_proxy(folder, address, target)
            })?,
            Self::Haproxy => haproxy(place, address, target, is_http2)?,
        };
        if is_http2 {
            proxy.wait_until_listening(address)?;
        } else {
            proxy.wait_until_answering(address, "/")?;
        }
        Ok(Proxy { process: proxy, address })
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Contender {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|contender| contender.name() == name) {
            Some(contender) => Ok(contender),
            None => bail!("there is no contender {name}: podmeter, pump, nginx or haproxy"),
        }
    }
}

/// Where a benchmark keeps its files and which cores it uses.
pub(crate) struct Place {
    target: PathBuf,
    /// Configurations and logs, overwritten by the next benchmark.
    folder: PathBuf,
    pub(crate) cores: Cores,
}

impl Place {
    pub(crate) fn prepare(target: PathBuf, cores: Cores) -> Result<Self> {
        let folder = target.join("bench");
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        Ok(Self { target, folder, cores })
    }

    /// Writes a file into the folder and says where it is.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program under test, as `cargo build --release` makes it.
    pub(crate) fn podmeter(&self) -> PathBuf {
        self.target.join("release/podmeter")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

/// The nginx that answers every request with 1 KB from memory.
pub(crate) struct Backend {
    address: SocketAddr,
    /// The same in HTTP/2.
    h2_address: SocketAddr,
    _process: Running,
}

impl Backend {
    /// Size of each answer's body.
    pub(crate) const BODY_BYTES: usize = 1024;

    pub(crate) fn start(place: &Place) -> Result<Self> {
        let (address, h2_address) = (free_address()?, free_address()?);
        let mut process = nginx(place, "backend", place.cores.load, |folder| {
            nginx_config(
                folder,
                &format!(
                    "server {{ listen {address} backlog=2048; listen {h2_address} http2 backlog=2048; \
                     location / {{ return 200 \"{}\"; }} }}",
                    "x".repeat(Self::BODY_BYTES)
                ),
            )
        })?;
        process.wait_until_answering(address, "/")?;
        Ok(Self { address, h2_address, _process: process })
    }
}

fn podmeter(
    place: &Place,
    address: SocketAddr,
    target: SocketAddr,
    more: &[&str],
) -> Result<Running> {
    let stats = free_address()?;
    let mut program = command(place.podmeter());
    program
        .args(["proxy", "--forward", &format!("{address}={target}")])
        .args(["--stats-listen", &stats.to_string()])
        .args(["--admin-listen", "off", "--health-listen", "off", "--workers", "1"])
        .args(more);
    // A variable left over in the shell is a setting, and would be measured too.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PODMETER_") {
            program.env_remove(variable);
        }
    }
    let name = if more.is_empty() { "podmeter" } else { "pump" };
    let mut running = Running::start(name, place.cores.proxy, &program, &place.log(name))?;
    running.wait_until_answering(stats, "/ready")?;
    Ok(running)
}

/// Starts an nginx with a configuration of its own, in one process without a master: then its
/// memory and time are its alone, and one signal ends it.
fn nginx(
    place: &Place,
    name: &'static str,
    core: usize,
    config: impl FnOnce(&Path) -> String,
) -> Result<Running> {
    let file = place.write(&format!("{name}.conf"), &config(&place.folder))?;
    let mut program = command("nginx");
    program.args(["-e", "stderr", "-p"]).arg(&place.folder).arg("-c").arg(file);
    Running::start(name, core, &program, &place.log(name))
}

/// Upstream connections are kept, as many as could be asked for; an answer of 1 KB fits the
/// buffer that its head was read into, and is passed on in one write.
fn nginx_as_proxy(folder: &Path, address: SocketAddr, target: SocketAddr) -> String {
    nginx_config(
        folder,
        &format!(
            r#"upstream app {{
        server {target};
        keepalive 2048;
        keepalive_requests 1000000000;
        keepalive_time 24h;
        keepalive_timeout 1h;
    }}
    server {{
        listen {address} backlog=2048;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering on;
            proxy_buffer_size 4k;
        }}
    }}"#
        ),
    )
}

/// Room for 2,000 connections on each side and little more: nginx allocates it all at the start,
/// and it counts as memory.
pub(super) fn nginx_config(folder: &Path, servers: &str) -> String {
    let folder = folder.display();
    format!(
        r"daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{
    worker_connections 4096;
    accept_mutex off;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_timeout 1h;
    keepalive_time 24h;
    keepalive_requests 1000000000;
    {servers}
}}
"
    )
}

/// Idle server connections are shared as widely as HAProxy can, and kept; splicing is left for
/// it to choose (it does for large bodies).
fn haproxy(
    place: &Place,
    address: SocketAddr,
    target: SocketAddr,
    is_http2: bool,
) -> Result<Running> {
    let version = if is_http2 { "proto h2" } else { "" };
    let config = format!(
        r"global
    nbthread 1
    maxconn 2048
defaults
    mode http
    no log
    option http-keep-alive
    option splice-auto
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend front
    bind {address} backlog 2048 {version}
    default_backend app
backend app
    server app {target} pool-purge-delay 1h {version}
"
    );
    let file = place.write("haproxy.cfg", &config)?;
    let mut program = command("haproxy");
    program.args(["-db", "-q", "-f"]).arg(file);
    Running::start("haproxy", place.cores.proxy, &program, &place.log("haproxy"))
}

/// A loopback address that nothing listens on. Ports are taken below the range that the kernel
/// gives to outgoing connections, or the load's own connections could take one in between.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (u64::from(std::process::id()) + u64::from(step)) % u64::from(PORTS);
        let port = FIRST_PORT + u16::try_from(offset).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port from {FIRST_PORT} to {} is free", FIRST_PORT + PORTS)
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_free_addresses_differ_and_can_be_bound_at_once() {
        let first = TcpListener::bind(free_address().unwrap()).unwrap();
        let second = TcpListener::bind(free_address().unwrap()).unwrap();
        assert_ne!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[test]
    fn a_contender_is_found_by_the_name_it_prints() {
        for contender in Contender::ALL {
            assert_eq!(contender.to_string().parse::<Contender>().unwrap(), contender);
        }
    }
}
