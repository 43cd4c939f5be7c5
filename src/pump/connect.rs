//! Finds the app for a client that has just connected, or tells the client that there is none.

use super::{Books, Pump, Scratch, Socket, Target};
use crate::clock::{Clock, Nanos};
use crate::drain::Place;
use crate::observe::{Direction, Ending, Passed};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How connections are carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carriage {
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
}

/// A client's connection and what it takes to carry it.
///
/// Dropped in this order, whenever that happens: whoever sees the end of the connection finds it
/// counted, and whoever finds its place free finds it gone.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) books: Books,
    pub(crate) client: Socket,
    pub(crate) app: Option<Socket>,
    pub(crate) target: Target,
    pub(crate) carriage: Rc<Carriage>,
    pub(crate) scratch: Rc<Scratch>,
    #[expect(dead_code, reason = "it is held, and given back when dropped")]
    pub(crate) place: Place,
}

/// Carries a connection to the app, to its end.
///
/// It comes boxed, as a future that owns what it was given holds it twice.
pub(crate) async fn carry(mut connection: Box<Connection>) {
    let Connection { books, client, app, target, carriage, scratch, .. } = &mut *connection;
    // Apart, as its memory is needed for a moment only.
    match Box::pin(reach(client, target, carriage, books)).await {
        Ok(reached) => {
            let app = app.insert(reached);
            Pump::new(client, app, books, scratch, carriage.idle_timeout).await;
        }
        Err(error) => {
            books.recorder.refused();
            if target.is_circle() {
                books.recorder.circled();
            }
            tracing::debug!(target_addr = %target.address, %error, "the app took no connection");
            Box::pin(refuse(client, books, scratch)).await;
        }
    }
}

/// Connects to the app.
async fn reach(
    client: &Socket,
    target: &mut Target,
    carriage: &Carriage,
    books: &mut Books,
) -> io::Result<Socket> {
    let clock = books.clock;
    let connecting = connect(target, carriage.connect_timeout);
    let (app, asked) = alongside(connecting, client.stream(), &clock).await;
    let app = app?;
    let now = clock.now();
    books.recorder.connected(now.since(books.opened), now);
    books.asked = asked;
    Ok(app)
}

async fn connect(target: &mut Target, timeout: Duration) -> io::Result<Socket> {
    let app = tokio::time::timeout(timeout, target.connect()).await??;
    let app = Socket::new(app);
    if is_own_end(app.stream(), target.address)? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // What the client sent at once shall arrive at once.
    app.stream().set_nodelay(true)?;
    // An app that has closed its end is forgotten by the kernel after a while (`tcp_fin_timeout`),
    // but a client that leaves its own end open would keep the connection here for ever. The
    // kernel answers the first probe after that with a reset, and that is passed on.
    let probes = TcpKeepalive::new().with_time(PROBED_EVERY).with_interval(PROBED_EVERY);
    SockRef::from(app.stream()).set_tcp_keepalive(&probes)?;
    Ok(app)
}

/// Where nobody listens, the kernel can happen to pick the very port that is connected to for our
/// end: such a socket is connected to itself (RFC 9293, 3.5). It would echo what the client sends,
/// and keep the app from listening.
fn is_own_end(app: &TcpStream, target: SocketAddr) -> io::Result<bool> {
    Ok(app.local_addr()? == target)
}

/// Waits for `connecting`, and notes when the client's first bytes were there: its request began
/// then, however long the app takes to accept.
async fn alongside<T>(
    connecting: impl Future<Output = T>,
    client: &TcpStream,
    clock: &Clock,
) -> (T, Option<Nanos>) {
    tokio::pin!(connecting);
    let asked = tokio::select! {
        biased;
        connected = &mut connecting => return (connected, None),
        _ = client.readable() => Some(clock.now()),
    };
    (connecting.await, asked)
}

/// Awaits the first bytes of a client for a moment, to know what was refused, before it is reset as
/// the app itself would have.
async fn refuse(client: &Socket, books: &mut Books, scratch: &Scratch) {
    let client = client.stream();
    books.ending = Some(Ending::Refused);
    let first_bytes = async {
        while !books.watcher.knows_request() && client.readable().await.is_ok() {
            let mut buffer = scratch.buffer();
            match client.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    let now = books.clock.now();
                    let passed = Passed { read: now, written: now };
                    books.data(Direction::Request, &buffer[..read], passed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    // Once the time is over, what is known by then has to do.
    let _ = tokio::time::timeout(FIRST_BYTES, first_bytes).await;
}

/// How often an app that says nothing is asked whether it is still there.
const PROBED_EVERY: Duration = Duration::from_secs(60);
/// How long a refused client's first bytes are awaited.
const FIRST_BYTES: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn a_socket_that_is_connected_to_itself_is_none_to_an_app() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let any: SocketAddr = any.parse().unwrap();
            let socket = if any.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let socket = socket.unwrap();
            socket.bind(any).unwrap();
            let target = socket.local_addr().unwrap();
            let own = socket.connect(target).await.unwrap();
            assert!(is_own_end(&own, target).unwrap());

            let listener = tokio::net::TcpListener::bind(any).await.unwrap();
            let target = listener.local_addr().unwrap();
            let other = TcpStream::connect(target).await.unwrap();
            assert!(!is_own_end(&other, target).unwrap());
        }
    }
}
