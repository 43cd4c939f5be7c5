//! Where a connection is carried, and in whose name.

use super::circle::{Arrival, Departure};
use crate::redirect::MARK;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};

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
        arrival: Arrival,
        client: Option<SocketAddr>,
    ) -> Self {
        Self {
            address,
            intercepted: Some(Box::new(Intercepted {
                arrival,
                departure: None,
                is_circle: false,
                client,
            })),
        }
    }

    /// Connects to it.
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        let Some(intercepted) = &mut self.intercepted else {
            return TcpStream::connect(self.address).await;
        };
        let app = match intercepted.client {
            None => TcpStream::connect(self.address).await?,
            Some(client) => connect_as(client, &intercepted.arrival, self.address).await?,
        };
        let departure = intercepted.arrival.departed(app.local_addr()?);
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

/// Connects so that the app sees `client` for its client, though from another port: that of the
/// client's own connection is taken, by that.
async fn connect_as(
    mut client: SocketAddr,
    arrival: &Arrival,
    address: SocketAddr,
) -> io::Result<TcpStream> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for port in arrival.spare_ports(client.ip()).take(TRIES) {
        client.set_port(port);
        outcome = match transparent(client) {
            Ok(socket) => socket.connect(address).await,
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

/// A socket of an address that need not be ours (ip(7), `IP_TRANSPARENT`). It takes `NET_ADMIN`.
fn transparent(client: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if client.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let options = SockRef::from(&socket);
    if client.is_ipv4() {
        options.set_ip_transparent_v4(true)?;
    } else {
        options.set_ip_transparent_v6(true)?;
    }
    // The rules take the app's answers back to us by this.
    options.set_mark(MARK)?;
    // The same address may have connections to several ports of the app.
    socket.set_reuseaddr(true)?;
    socket.bind(client)?;
    Ok(socket)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Ports that are tried before it is given up; the first is free nearly always.
const TRIES: usize = 64;
