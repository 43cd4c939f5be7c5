//! Takes connections from one listening socket and has each carried.

use super::worker::Staff;
use crate::meter::{Recorder, RouteId, Shard};
use crate::observe::{Rules, Watcher};
use crate::pump::{Books, Carriage, Connection, Scratch, Socket, carry};
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One metered port, as every worker sees it.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) route: RouteId,
    pub(crate) carriage: Carriage,
    /// What observers are told; `None` for a port that is never parsed.
    pub(crate) rules: Option<Arc<Rules>>,
}

/// Accepts for ever.
pub(super) async fn accept(
    listener: TcpListener,
    port: Port,
    shard: Rc<Shard>,
    scratch: Rc<Scratch>,
    staff: Staff,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot watch a listening socket"),
    };
    let carriage = Rc::new(port.carriage);
    let mut complained = false;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                welcome(Socket::new(client), &port, &carriage, &shard, &scratch, &staff);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: those who wait go on waiting.
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(%error, "cannot accept connections; trying on");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn welcome(
    client: Socket,
    port: &Port,
    carriage: &Rc<Carriage>,
    shard: &Rc<Shard>,
    scratch: &Rc<Scratch>,
    staff: &Staff,
) {
    let Some(place) = staff.connections.admit() else {
        // Dropping the client resets it.
        return Recorder::overflow(shard, port.route);
    };
    let mut recorder = Recorder::new(shard, port.route);
    let watcher = match &port.rules {
        Some(rules) => Watcher::new(rules),
        None => Watcher::opaque(&mut recorder),
    };
    let books = Books::open(staff.clock, watcher, recorder);
    let (carriage, scratch) = (Rc::clone(carriage), Rc::clone(scratch));
    let connection = Connection { books, client, app: None, carriage, scratch, place };
    tokio::task::spawn_local(carry(Box::new(connection)));
}

/// Errors of a connection that was gone before it was accepted (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

const BREATH: Duration = Duration::from_millis(50);
