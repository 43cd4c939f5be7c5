//! An app that plays a script on each connection and records what it reads.

use super::PATIENCE;
use super::script::{Recording, Signals, Step, play};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// An app on a port of its own.
pub(crate) struct TestApp {
    pub(crate) addr: SocketAddr,
    recordings: Receiver<Recording>,
}

impl TestApp {
    /// On IPv4 loopback; every connection plays `steps`.
    pub(crate) fn start(steps: &[Step], signals: &Arc<Signals>) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), steps, signals)
    }

    /// On `ip`; every connection plays `steps`, each in a thread of its own.
    pub(crate) fn start_on(ip: IpAddr, steps: &[Step], signals: &Arc<Signals>) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, recordings) = channel();
        let (steps, signals): (Arc<[Step]>, _) = (steps.into(), Arc::clone(signals));
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (steps, signals) = (Arc::clone(&steps), Arc::clone(&signals));
                let (stream, tell) = (stream.unwrap(), tell.clone());
                std::thread::spawn(move || tell.send(play(stream, &steps, &signals)));
            }
        });
        Self { addr, recordings }
    }

    /// The recording of the next connection that is over.
    pub(crate) fn recording(&self) -> Recording {
        self.recordings.recv_timeout(PATIENCE).expect("a connection of the app plays to its end")
    }

    /// Whether no connection has reached the app and ended, so far.
    pub(crate) fn is_untouched(&self) -> bool {
        self.recordings.try_recv().is_err()
    }
}

/// An address on which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
