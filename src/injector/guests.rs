//! Keeps those who only hold connections open from keeping reviews out.
//!
//! A connection that waits for its next review may wait long, as API servers keep theirs. One that
//! has begun to send a request has to come to the end of its head soon, and one that has an answer to
//! take has to take it. When places run short, one that is not being answered goes: the oldest of the
//! address that has the most.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, mem};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The connections that are open, oldest first.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<VecDeque<Weak<Guest>>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Guest {
    peer: IpAddr,
    gone: CancellationToken,
    phase: watch::Sender<Phase>,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It begins, or sends a head.
    Asking,
    /// It sends a body, or waits for room.
    Sending,
    /// It has sent all of a request, and is being answered.
    Answered,
    /// It has an answer to take.
    Taking,
    /// It waits for its next request.
    Idle,
}

impl Guests {
    /// One more; if places run short, another is told to go.
    pub(super) fn welcome(&self, peer: IpAddr) -> Arc<Guest> {
        let (phase, _) = watch::channel(Phase::Asking);
        let guest = Arc::new(Guest { peer, gone: CancellationToken::new(), phase });
        // Whatever panicked, the list is still one of connections.
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|guest| guest.strong_count() > 0);
        if guests.len() >= MOST_AT_EASE {
            let open: Vec<_> = guests.iter().filter_map(Weak::upgrade).collect();
            let of_peer = |peer| open.iter().filter(|guest| guest.peer == peer).count();
            let dispensable = open.iter().filter(|guest| guest.is_dispensable());
            // The first of these is the oldest.
            if let Some(one) = dispensable.min_by_key(|guest| Reverse(of_peer(guest.peer))) {
                one.tell_to_go();
            }
        }
        guests.push_back(Arc::downgrade(&guest));
        guest
    }
}

impl Guest {
    /// The address at the other end.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether it could go: it is not being answered, nor on its way already.
    pub(super) fn is_dispensable(&self) -> bool {
        !self.gone.is_cancelled() && self.phase() != Phase::Answered
    }

    /// Closes its connection.
    pub(super) fn tell_to_go(&self) {
        self.gone.cancel();
    }

    /// Ready when it has to go.
    pub(super) async fn has_to_go(&self) {
        let mut phases = self.phase.subscribe();
        loop {
            let patience = match *phases.borrow_and_update() {
                Phase::Asking => HEAD_WITHIN,
                Phase::Taking => TAKEN_WITHIN,
                Phase::Idle => IDLE_FOR,
                // A body has a time limit of its own, and an answer is made at once.
                Phase::Sending | Phase::Answered => Duration::MAX,
            };
            tokio::select! {
                () = self.gone.cancelled() => return,
                () = tokio::time::sleep(patience) => return,
                _ = phases.changed() => {}
            }
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|known| mem::replace(known, phase) != phase);
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}

/// A stream that tells when its guest begins to speak, and when it has taken what it was told.
#[derive(Debug)]
pub(super) struct Heard<S> {
    pub(super) stream: S,
    pub(super) guest: Arc<Guest>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.guest.phase() == Phase::Idle && !buf.filled().is_empty() {
            self.guest.enter(Phase::Asking);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    // An answer is then written from where it is: in a copy it would outlive its place in the room.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.guest.phase() == Phase::Taking {
            self.guest.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// From so many connections on another has to go for the next.
const MOST_AT_EASE: usize = 192;
/// How long TLS and the head of a request may take.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long the taking of an answer may last, and not only between two bytes of it.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Longer than the 90 s for which API servers keep theirs: were we first, a review could be on its
/// way already, and be lost.
const IDLE_FOR: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::{Instant, timeout};

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn when_places_run_short_the_oldest_goes_that_is_not_being_answered() {
        let guests = Guests::default();
        let held: Vec<_> = (0..MOST_AT_EASE).map(|_| guests.welcome(PEER)).collect();
        held[0].enter(Phase::Answered);
        held[1].enter(Phase::Sending);
        held[2].enter(Phase::Idle);
        let _more = (guests.welcome(PEER), guests.welcome(PEER));
        let gone: Vec<bool> = held.iter().map(|guest| guest.gone.is_cancelled()).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 2);
        assert!(gone[1] && gone[2]);
    }

    #[test]
    fn who_has_the_most_connections_makes_way_for_the_next() {
        let guests = Guests::default();
        let server = guests.welcome(PEER);
        let stranger = [10, 0, 0, 1].into();
        let held: Vec<_> = (0..2 * MOST_AT_EASE).map(|_| guests.welcome(stranger)).collect();
        let gone = held.iter().filter(|guest| guest.gone.is_cancelled()).count();
        assert_eq!((gone, server.is_dispensable()), (MOST_AT_EASE + 1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_to_come_soon_and_a_next_request_may_be_long_in_coming() {
        let guest = Guests::default().welcome(PEER);
        let start = Instant::now();
        guest.has_to_go().await;
        assert_eq!(start.elapsed(), HEAD_WITHIN);
        guest.enter(Phase::Idle);
        let start = Instant::now();
        guest.has_to_go().await;
        assert_eq!(start.elapsed(), IDLE_FOR);
        guest.enter(Phase::Taking);
        let start = Instant::now();
        guest.has_to_go().await;
        assert_eq!(start.elapsed(), TAKEN_WITHIN);
        guest.enter(Phase::Answered);
        assert!(timeout(10 * IDLE_FOR, guest.has_to_go()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_each_second_does_not_make_a_head() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
        let (mut client, stream) = duplex(64);
        let guest = Guests::default().welcome(PEER);
        let mut heard = Heard { stream, guest: Arc::clone(&guest) };
        guest.enter(Phase::Idle);
        let start = Instant::now();
        let trickle = async {
            loop {
                client.write_all(b"x").await.unwrap();
                heard.read_u8().await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = guest.has_to_go() => assert_eq!(start.elapsed(), HEAD_WITHIN),
            () = trickle => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_an_answer_is_told_to_go_and_its_room_comes_free() {
        use super::super::room::Room;
        use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
        use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
        let room = Room::default();
        let all = room.free();
        for takes in [false, true] {
            let (mut client, stream) = duplex(1024);
            let guest = Guests::default().welcome(PEER);
            let heard = Heard { stream, guest: Arc::clone(&guest) };
            let service = service_fn(|request: hyper::Request<Incoming>| async {
                let mut read = room.read(request, &guest).await.unwrap();
                room.widen(&mut read, 1 << 20).await.unwrap();
                let body = http_body_util::Full::new(read.make_way(vec![b'a'; 1 << 20]));
                guest.enter(Phase::Taking);
                Ok::<_, std::convert::Infallible>(Response::new(body))
            });
            let stream = hyper_util::rt::TokioIo::new(heard);
            let start = Instant::now();
            client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let connection = http1::Builder::new().writev(true).serve_connection(stream, service);
            let serve = async {
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => {}
                    () = guest.has_to_go() => assert_eq!(room.free() < all, !takes),
                }
            };
            let read = async {
                let mut taken = vec![0; 1 << 20];
                if takes {
                    client.read_exact(&mut taken).await.unwrap();
                }
                // Whatever it does now.
                client
            };
            let ((), _client) = tokio::join!(serve, read);
            assert_eq!(room.free(), all);
            assert_eq!(start.elapsed(), if takes { IDLE_FOR } else { TAKEN_WITHIN });
        }
    }
}
