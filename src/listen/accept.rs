//! Takes connections from one listening socket and has each carried.

use super::intercepted::{Intercepted, Interception, Verdict};
use super::worker::Staff;
use crate::drain::Place;
use crate::meter::{Recorder, RouteId, Shard, Side};
use crate::observe::{Rules, Watcher};
use crate::pump::{Books, Carriage, Connection, Scratch, Socket, Target, carry};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// One listening port, as every worker sees it.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) way: Way,
    pub(crate) carriage: Carriage,
    /// What observers are told; `None` for a port that is never parsed.
    pub(crate) rules: Option<Arc<Rules>>,
}

/// Where its connections go.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// All to one place.
    Forward { route: RouteId, target: SocketAddr },
    /// Each to where it was going before it was intercepted.
    Intercepted(Arc<Interception>),
}

/// What accepting on one port takes.
struct Door {
    port: Port,
    carriage: Rc<Carriage>,
    shard: Rc<Shard>,
    scratch: Rc<Scratch>,
    staff: Staff,
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
    let door = Door { port, carriage, shard, scratch, staff };
    let mut complained = false;
    loop {
        match listener.accept().await {
            Ok((client, _)) => door.welcome(client),
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

impl Door {
    fn welcome(&self, client: TcpStream) {
        match &self.port.way {
            Way::Forward { route, target } => {
                let client = Socket::new(client);
                let Some(place) = self.staff.connections.admit() else {
                    // Dropping the client resets it.
                    return Recorder::overflow(&self.shard, *route);
                };
                let recorder = Recorder::new(&self.shard, *route);
                self.carry(client, Target::plain(*target), recorder, place);
            }
            Way::Intercepted(interception) => self.welcome_intercepted(client, interception),
        }
    }

    fn welcome_intercepted(&self, client: TcpStream, interception: &Interception) {
        let looked = interception.look(&client);
        let client = Socket::new(client);
        // One that is gone already has no addresses any more.
        let Ok(Intercepted { destination, verdict, client: seen_as, arrival, host }) = looked
        else {
            return;
        };
        let Some(arrival) = arrival.filter(|_| verdict != Verdict::Refuse) else {
            tracing::debug!(%destination, "refusing a connection that leads back to podmeter");
            return Recorder::looped(&self.shard);
        };
        let (side, port) = (interception.side, destination.port());
        let Some(place) = self.staff.connections.admit() else {
            return Recorder::overflow_intercepted(&self.shard, side, port);
        };
        let target = Target::intercepted(destination, side == Side::Inbound, arrival, seen_as);
        let recorder = if verdict == Verdict::Bypass {
            Recorder::silent(&self.shard)
        } else if interception.is_opaque(port) {
            let mut recorder = Recorder::intercepted_opaque(&self.shard, side, port, host);
            let watcher = Watcher::opaque(&mut recorder);
            return self.carry_watched(client, target, watcher, recorder, place);
        } else {
            Recorder::intercepted(&self.shard, side, port, host)
        };
        self.carry(client, target, recorder, place);
    }

    fn carry(&self, client: Socket, target: Target, mut recorder: Recorder, place: Place) {
        let watcher = match &self.port.rules {
            Some(rules) if recorder.is_shown() => Watcher::new(rules),
            _ => Watcher::opaque(&mut recorder),
        };
        self.carry_watched(client, target, watcher, recorder, place);
    }

    fn carry_watched(
        &self,
        client: Socket,
        target: Target,
        watcher: Watcher,
        recorder: Recorder,
        place: Place,
    ) {
        let books = Books::open(self.staff.clock, watcher, recorder);
        let (carriage, scratch) = (Rc::clone(&self.carriage), Rc::clone(&self.scratch));
        let connection = Connection { books, client, app: None, target, carriage, scratch, place };
        tokio::task::spawn_local(carry(Box::new(connection)));
    }
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
