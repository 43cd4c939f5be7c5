//! Binds listening sockets, one or several to an address.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error("{setting} {addr}: another process listens there already; choose another port")]
    InUse {
        /// The setting that named the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// A port below 1024, most likely.
    #[error("{setting} {addr}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE")]
    NotPermitted {
        /// The setting that named the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// A listener for connections to any address.
    #[error("{setting} {addr}: --inbound-mode tproxy needs the capability NET_ADMIN")]
    NotTransparent {
        /// The setting that named the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// Anything else that the kernel said.
    #[error("{setting} {addr}: cannot listen there: {source}")]
    Other {
        /// The setting that named the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Listens on `addr`, for nobody else to share.
pub(crate) fn bind(setting: &'static str, addr: SocketAddr) -> Result<TcpListener, BindError> {
    open(addr, false, Reach::Own).map_err(|source| BindError::new(setting, addr, source))
}

/// Listens on `addr` with `count` sockets among which the kernel spreads new connections
/// (`SO_REUSEPORT`), after making sure that no other process is there: one more of ours would
/// silently take a share of its connections.
pub(crate) fn bind_shared(
    setting: &'static str,
    addr: SocketAddr,
    count: usize,
    reach: Reach,
) -> Result<Vec<TcpListener>, BindError> {
    let alone = open(addr, false, reach).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied if reach == Reach::Any => {
            BindError::NotTransparent { setting, addr }
        }
        _ => BindError::new(setting, addr, source),
    })?;
    if count <= 1 {
        return Ok(vec![alone]);
    }
    let sockets = || {
        // With port 0 the kernel has chosen one by now, and the others join it.
        let addr = alone.local_addr()?;
        drop(alone);
        (0..count).map(|_| open(addr, true, reach)).collect::<io::Result<Vec<_>>>()
    };
    sockets().map_err(|source| BindError::new(setting, addr, source))
}

/// Whose connections a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those to its own address.
    Own,
    /// Those that TPROXY gives it, whatever their address.
    Any,
}

fn open(addr: SocketAddr, shared: bool, reach: Reach) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the old process's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if addr.is_ipv6() {
        // Its IPv4 sibling is an address of its own.
        socket.set_only_v6(true)?;
    }
    if reach == Reach::Any && addr.is_ipv4() {
        socket.set_ip_transparent_v4(true)?;
    } else if reach == Reach::Any {
        socket.set_ip_transparent_v6(true)?;
    }
    for_every_connection(&socket)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection accepted on `socket` inherits; that costs the connection no call.
fn for_every_connection(socket: &Socket) -> io::Result<()> {
    // What the app sent at once shall arrive at once.
    socket.set_tcp_nodelay(true)?;
    // The app's own keep-alive probes end at us, so neither what holds a NAT entry open nor what
    // finds out that a client vanished would reach the client. Without this, connections of
    // vanished clients would pile up.
    let probes = TcpKeepalive::new()
        .with_time(PROBED_EVERY)
        .with_interval(PROBED_EVERY)
        .with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)
}

impl BindError {
    fn new(setting: &'static str, addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { setting, addr },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { setting, addr },
            _ => Self::Other { setting, addr, source },
        }
    }
}

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Well below the idle time after which load balancers forget a connection (four minutes and more).
const PROBED_EVERY: Duration = Duration::from_secs(60);
/// Unanswered probes after which a client has vanished: late, as the app would never notice if it
/// asked for no probes itself.
const PROBES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[test]
    fn workers_share_one_port() {
        let sockets = bind_shared("--forward", any_port(), 3, Reach::Own).unwrap();
        let ports: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| *port == ports[0]));
    }

    #[test]
    fn connections_inherit_what_is_set_for_them() {
        let listener = bind("--forward", any_port()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), PROBED_EVERY);
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), PROBES);
    }

    #[test]
    fn a_port_that_is_taken_is_refused_even_if_its_owner_would_share() {
        let theirs = bind_shared("--forward", any_port(), 2, Reach::Own).unwrap();
        let addr = theirs[0].local_addr().unwrap();
        let error = bind_shared("--forward", addr, 2, Reach::Own).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("--forward {addr}: another process listens there already; choose another port")
        );
    }
}
