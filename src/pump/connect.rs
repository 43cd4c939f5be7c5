//! Finds the app for a client that has just connected, or tells the client that there is none.

use super::{Books, Pump, Scratch, Socket};
use crate::clock::{Clock, Nanos};
use crate::observe::{Direction, Ending, Passed};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How connections are carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carriage {
    pub(crate) target: SocketAddr,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
}

/// Carries `client`'s connection to the app, to its end.
pub(crate) async fn carry(
    client: Socket,
    carriage: &Carriage,
    mut books: Books,
    scratch: &Scratch,
) {
    let clock = books.clock;
    let connecting = connect(carriage.target, carriage.connect_timeout);
    match alongside(connecting, client.stream(), &clock).await {
        (Ok(app), asked) => {
            books.recorder.connected(clock.now().since(books.opened));
            books.asked = asked;
            Pump::new(&client, &app, books, scratch, carriage.idle_timeout).await;
        }
        (Err(error), _) => {
            books.recorder.refused();
            tracing::debug!(target_addr = %carriage.target, %error, "the app took no connection");
            refuse(client.stream(), books, scratch).await;
        }
    }
}

async fn connect(target: SocketAddr, timeout: Duration) -> io::Result<Socket> {
    let app = tokio::time::timeout(timeout, TcpStream::connect(target)).await??;
    let app = Socket::new(app);
    if app.stream().local_addr()? == target {
        // Nobody listens there, and the kernel happened to pick the very same port for our end: a
        // socket that is connected to itself (RFC 9293, 3.5) would echo, and keep the app from
        // listening.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // What the client sent at once shall arrive at once.
    app.stream().set_nodelay(true)?;
    Ok(app)
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
async fn refuse(client: &TcpStream, mut books: Books, scratch: &Scratch) {
    books.ending = Some(Ending::Refused);
    let first_bytes = async {
        while !books.watcher.knows_request() && client.readable().await.is_ok() {
            let mut scratch = scratch.borrow_mut();
            match client.try_read(&mut scratch) {
                Ok(0) => break,
                Ok(read) => {
                    let now = books.clock.now();
                    let passed = Passed { read: now, written: now };
                    books.data(Direction::Request, &scratch[..read], passed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    // Once the time is over, what is known by then has to do.
    let _ = tokio::time::timeout(FIRST_BYTES, first_bytes).await;
}

/// How long a refused client's first bytes are awaited.
const FIRST_BYTES: Duration = Duration::from_millis(100);
