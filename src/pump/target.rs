//! Where a connection is carried, and in whose name.

use super::circle::{Arrival, Departure};
use crate::redirect::MARK;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use tokio::net::TcpStream;

/// Where a connection is carried.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) address: SocketAddr,
    /// Apart, as most connections of most proxies have none of it.
    intercepted: Option<Box<Intercepted>>,
}

/// What an intercepted connection has besides.
#[derive(Debug)]
struct Intercepted {
    arrival: Arrival,
    departure: Option<Departure>,
    /// The connection has come back to us.
    is_circle: bool,
    is_inbound: bool,
    /// Whom the app shall take for its client.
    client: Option<SocketAddr>,
}

impl Target {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, intercepted: None }
    }

    /// Where an intercepted connection was going; in the name of `client`, if that is given.
    pub(crate) fn intercepted(
        address: SocketAddr,
        is_inbound: bool,
        arrival: Arrival,
        client: Option<SocketAddr>,
    ) -> Self {
        Self {
            address,
            intercepted: Some(Box::new(Intercepted {
                arrival,
                departure: None,
                is_circle: false,
                is_inbound,
                client,
            })),
        }
    }

    /// Connects to it.
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        let Some(intercepted) = &mut self.intercepted else {
            return TcpStream::connect(self.address).await;
        };
        let (app, departure) = intercepted.connect(self.address).await?;
        // What has come back to us already is no app.
        intercepted.is_circle = departure.is_none();
        intercepted.departure = Some(departure.ok_or(io::ErrorKind::ConnectionRefused)?);
        Ok(app)
    }

    /// Whether the connection to it has come back to us.
    pub(super) fn is_circle(&self) -> bool {
        self.intercepted.as_ref().is_some_and(|intercepted| intercepted.is_circle)
    }
}

impl Intercepted {
    async fn connect(&self, address: SocketAddr) -> io::Result<Connected> {
        if let Some(client) = self.client {
            // From another port than the client's own connection: that is taken, by that.
            return self.connect_from(Source::Client(client), address).await;
        }
        if self.arrival.ports_are_short() {
            return self.connect_from(Source::Own(address.ip()), address).await;
        }
        match self.connect_by(Source::Any.socket(address)?, address).await {
            // The kernel gives no port a second time for a minute after it was closed, though each
            // client would have had ports of its own. It does so where it is asked for that port.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && self.is_inbound => {
                self.arrival.note_short_ports();
                self.connect_from(Source::Own(address.ip()), address).await
            }
            outcome => outcome,
        }
    }

    /// Connects from the first port of `source` that is free.
    async fn connect_from(&self, source: Source, address: SocketAddr) -> io::Result<Connected> {
        let (from, ports) = match source {
            Source::Client(client) => (client, FOREIGN_PORTS),
            Source::Own(ip) => (SocketAddr::new(ip, 0), OWN_PORTS),
            Source::Any => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
        for port in self.arrival.spare_ports(from.ip(), ports).take(TRIES) {
            let mut from = from;
            from.set_port(port);
            let bound = source.socket(address).and_then(|s| s.bind(&from.into()).map(|()| s));
            outcome = match bound {
                Ok(socket) => self.connect_by(socket, address).await,
                Err(error) => Err(error),
            };
            match &outcome {
                // Somebody was there before us.
                Err(error) if is_taken(error) => {}
                _ => break,
            }
        }
        outcome
    }

    /// Connects by this socket, and notes that it does as soon as the kernel has given it an
    /// address: our other end may be waiting to be accepted by then, and must be known when it is.
    async fn connect_by(&self, socket: Socket, address: SocketAddr) -> io::Result<Connected> {
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            outcome => outcome?,
        }
        let app = TcpStream::from_std(socket.into())?;
        let departure = self.arrival.departed(app.local_addr()?);
        app.writable().await?;
        match app.take_error()? {
            None => Ok((app, departure)),
            Some(error) => Err(error),
        }
    }
}

/// A connection, and the note of it; `None` if it has come back to us already.
type Connected = (TcpStream, Option<Departure>);

/// From where a connection is made.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The kernel chooses.
    Any,
    /// An address of the pod.
    Own(IpAddr),
    /// The client's address.
    Client(SocketAddr),
}

impl Source {
    fn socket(self, address: SocketAddr) -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        // One address may have connections to several ports of the app, and old ones that the
        // kernel still remembers.
        socket.set_reuse_address(true)?;
        if let Self::Client(client) = self {
            // Of an address that need not be ours (ip(7), `IP_TRANSPARENT`). It takes `NET_ADMIN`.
            if client.is_ipv4() {
                socket.set_ip_transparent_v4(true)?;
            } else {
                socket.set_ip_transparent_v6(true)?;
            }
            // The rules take the app's answers back to us by this.
            socket.set_mark(MARK)?;
        }
        Ok(socket)
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Where servers may listen without a right up to where hosts begin to choose ports for their own
/// connections by themselves (`net.ipv4.ip_local_port_range`): a client is not likely to open one
/// from there later.
const FOREIGN_PORTS: Range<u16> = 1024..32768;
/// From where the kernel would choose itself.
const OWN_PORTS: Range<u16> = 32768..61000;
/// Ports that are tried before it is given up; the first is free nearly always.
const TRIES: usize = 64;
