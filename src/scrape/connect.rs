//! Finds a source and opens a stream of bytes to it: TCP, TLS over that, or a Unix socket.

use super::error::Cause;
use super::sip::Sip;
use super::tls::Tls;
use crate::config::{AppMetrics, Place};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Bytes to a source and back, whatever is below.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for T {}

/// Where a source is, and how to get there.
#[derive(Debug)]
pub(super) struct Address {
    place: Place,
    tls: Option<Tls>,
}

impl Address {
    pub(super) fn new(source: &AppMetrics) -> Self {
        let place = source.url.place().clone();
        let tls = match (&source.tls, &place) {
            (Some(settings), Place::Network { host, .. }) => Some(Tls::new(settings, host)),
            _ => None,
        };
        Self { place, tls }
    }

    /// Whether the files for TLS are of use, if there are any.
    pub(super) fn check(&self) -> Result<(), Cause> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.config().map(|_| ()))
    }

    /// Connects. A host name is looked up each time, and its addresses are tried in turn, so that
    /// the last of them has been tried at the deadline.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Box<dyn Stream>, Cause> {
        let stream = match &self.place {
            Place::Socket(path) => return Ok(Box::new(Sip(socket(path).await?))),
            Place::Network { host, port } => network(host, *port, deadline).await?,
        };
        stream.set_nodelay(true).map_err(Cause::Unreachable)?;
        match &self.tls {
            Some(tls) => Ok(Box::new(Sip(tls.connect(stream).await?))),
            None => Ok(Box::new(Sip(stream))),
        }
    }
}

async fn network(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Cause> {
    // An address needs no look-up, which would cost a thread.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return TcpStream::connect((ip, port)).await.map_err(Cause::of_connecting);
    }
    let addresses: Vec<SocketAddr> =
        lookup_host((host, port)).await.map_err(Cause::UnknownHost)?.collect();
    let mut failed = Cause::UnknownHost(io::Error::other("the name has no address"));
    for (number, address) in addresses.iter().enumerate() {
        // Each of those that are left has an equal share of the time that is left.
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - number).unwrap_or(u32::MAX);
        let until = now + deadline.saturating_duration_since(now) / left;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = Cause::of_connecting(error),
            Err(_) => failed = Cause::NoConnection(until - now),
        }
    }
    Err(failed)
}

async fn socket(path: &str) -> Result<UnixStream, Cause> {
    // A leading zero byte is what the kernel knows the abstract namespace by (unix(7)).
    let connected = match path.strip_prefix('@') {
        Some(name) => UnixStream::connect(format!("\0{name}")).await,
        None => UnixStream::connect(path).await,
    };
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Cause::NoSocket,
        // The kernel does not wait here.
        io::ErrorKind::WouldBlock => Cause::Busy,
        _ => Cause::of_connecting(error),
    })
}
