//! The demo's client: a steady, bounded load over connections that it keeps.

use super::sidecar::APP;
use crate::drain::Drain;
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// The load on one sidecar: so many connections, each with a request every so often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Connections, and so the most requests that are in flight.
    connections: u32,
    /// From one request of a connection to the next, unless the answer takes longer.
    period: Duration,
}

impl Load {
    /// 200 requests a second.
    pub(super) const PRIMARY: Self = Self { connections: 8, period: Duration::from_millis(40) };
    /// 100 requests a second.
    pub(super) const CANARY: Self = Self { connections: 16, period: Duration::from_millis(160) };

    /// Sends it to `target` until `drain` stops; each request that was sent is then answered.
    pub(super) fn start(self, target: SocketAddr, drain: &Drain) -> Answers {
        let answers = Answers::default();
        let begin = Instant::now();
        for lane in 0..self.connections {
            // Spread over the period, so that the load is even.
            let first = begin + self.period * lane / self.connections;
            let (own, answers) = (drain.clone(), answers.clone());
            drain.spawn(async move { self.drive(target, first, &own, &answers).await });
        }
        answers
    }

    /// Keeps one connection busy, and makes another when it breaks.
    async fn drive(self, target: SocketAddr, first: Instant, drain: &Drain, answers: &Answers) {
        let mut ticks = interval_at(first, self.period);
        // An answer that was late must not be followed by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sender = None;
        loop {
            tokio::select! {
                biased;
                () = drain.stopped() => return,
                _ = ticks.tick() => {}
            }
            if sender.is_none() {
                sender = connect(target, drain).await;
            }
            let Some(kept) = &mut sender else { continue };
            match timeout(PATIENCE, ask(kept)).await {
                Ok(Some(())) => answers.count(),
                _ => sender = None,
            }
        }
    }
}

/// How many answers the client has had, whatever their status.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<AtomicU64>);

impl Answers {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many until now.
    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

type Sender = SendRequest<Empty<Bytes>>;

async fn connect(target: SocketAddr, drain: &Drain) -> Option<Sender> {
    let socket = timeout(PATIENCE, TcpStream::connect(target)).await.ok()?.ok()?;
    socket.set_nodelay(true).ok()?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await.ok()?;
    // It ends once its sender is dropped.
    drain.spawn(async move { drop(connection.await) });
    Some(sender)
}

/// One request and its answer to the last byte; `None` where there was none.
async fn ask(sender: &mut Sender) -> Option<()> {
    sender.ready().await.ok()?;
    let request = Request::get("/").header(HOST, APP).body(Empty::new()).ok()?;
    let mut body = sender.send_request(request).await.ok()?.into_body();
    while let Some(frame) = body.frame().await {
        frame.ok()?;
    }
    Some(())
}

const PATIENCE: Duration = Duration::from_secs(5);
