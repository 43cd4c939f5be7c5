//! What is on its way: a body is read, and the answer to it taken, within limits of bytes, of time, and
//! of the room that all of them have together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::guests::Guest;
use super::room::{Place, Room, SHARE};

/// Why there is no body, or no room for its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoBody {
    #[error("the body is longer than {} MiB, which no pod is", MOST >> 20)]
    TooLarge,
    #[error("the body did not come within {} s", WITHIN.as_secs())]
    TooSlow,
    #[error("the body ended before its end ({0})")]
    Broken(String),
    #[error("other reviews hold the memory, and for {} s none came free", WITHIN.as_secs())]
    NoRoom,
}

/// A body, and its place in the room if it or its answer is a large one.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) bytes: Vec<u8>,
    place: Option<Place>,
    guest: Arc<Guest>,
    /// When it is to be over.
    until: Instant,
}

impl Room {
    /// Reads a body to its end.
    pub(super) async fn read<B>(
        &self,
        request: Request<B>,
        guest: &Arc<Guest>,
    ) -> Result<Read, NoBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
        // Who does not say may send the most.
        let length = length.map_or(MOST, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let is_long = length > MOST;
        if is_long && request.headers().contains_key(EXPECT) {
            // It waits for leave to send it, and gets none.
            return Err(NoBody::TooLarge);
        }
        let (bytes, place, guest) = (Vec::new(), None, Arc::clone(guest));
        let mut read = Read { bytes, place, guest, until: Instant::now() + WITHIN };
        self.fill(&mut read, request.into_body(), length).await?;
        Ok(read)
    }

    /// What is too long is read all the same, and dropped at once: an answer that comes while a
    /// client still sends is lost on most of them.
    async fn fill<B>(&self, read: &mut Read, mut body: B, length: usize) -> Result<(), NoBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let (mut is_long, mut received) = (length > MOST, 0);
        loop {
            let frame = timeout_at(read.until, body.frame()).await;
            let Some(frame) = frame.map_err(|_| NoBody::TooSlow)? else { break };
            let frame = frame.map_err(|error| NoBody::Broken(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            received += data.len();
            is_long |= received > MOST;
            if received > DRAINED {
                break;
            }
            if is_long {
                (read.bytes, read.place) = (Vec::new(), None);
                continue;
            }
            if received > SMALL && read.place.is_none() {
                let place = length.max(LARGEST_ANSWER);
                let place = self.place(place, &read.guest, read.until).await;
                read.place = Some(place.ok_or(NoBody::NoRoom)?);
                read.bytes.reserve_exact(length.saturating_sub(read.bytes.len()));
            }
            read.bytes.extend_from_slice(&data);
        }
        if is_long { Err(NoBody::TooLarge) } else { Ok(()) }
    }

    /// Waits for room for an answer of so many bytes, which is not there meanwhile.
    pub(super) async fn widen(&self, read: &mut Read, answer: usize) -> Result<(), NoBody> {
        // Who waits holds nothing that another could wait for.
        read.place = None;
        let place = self.place(answer, &read.guest, read.until).await;
        read.place = Some(place.ok_or(NoBody::NoRoom)?);
        Ok(())
    }
}

impl Read {
    /// Whether an answer of so many bytes has room where the body has.
    pub(super) fn holds(&self, answer: usize) -> bool {
        answer <= self.place.as_ref().map_or(SMALL, Place::bytes)
    }

    /// Gives the body's room to its answer: what the answer does not need at once, and the rest when
    /// the last of it has been taken.
    pub(super) fn make_way(self, answer: Vec<u8>) -> Bytes {
        let Self { bytes, mut place, .. } = self;
        drop(bytes);
        if let Some(place) = &mut place {
            place.shrink(answer.len());
        }
        Bytes::from_owner(Held { answer: answer.into_boxed_slice(), _place: place })
    }
}

/// An answer in its place.
struct Held {
    answer: Box<[u8]>,
    _place: Option<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// The most of one body; an API server takes no object of more than 3 MiB.
pub(super) const MOST: usize = SHARE;
/// So much of what is too long is taken, so that the client comes to read the answer.
const DRAINED: usize = 64 << 20;
/// How long a body may take, and the wait for room.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// A body of so many bytes needs no place, nor does such an answer.
const SMALL: usize = 32 << 10;
/// What a body gets at least that needs a place: as much as any answer to it
/// ([`MOST_PATCH`](super::decision::MOST_PATCH) in base64, and a few sentences).
const LARGEST_ANSWER: usize = 3 << 19;

#[cfg(test)]
mod tests {
    use super::super::guests::Guests;
    use super::super::room::ALL;
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A connection of the peer with this number.
    fn guest(peer: usize) -> Arc<Guest> {
        Guests::default().welcome([10, 0, 0, u8::try_from(peer).unwrap()].into())
    }

    async fn read(bytes: usize) -> Result<usize, NoBody> {
        let request = Request::new(Full::new(Bytes::from(vec![b' '; bytes])));
        Room::default().read(request, &guest(0)).await.map(|read| read.bytes.len())
    }

    #[tokio::test]
    async fn a_body_may_have_so_many_bytes_and_not_one_more() {
        assert_eq!(read(MOST).await, Ok(MOST));
        assert_eq!(read(MOST + 1).await, Err(NoBody::TooLarge));
        assert_eq!(read(2 * DRAINED).await, Err(NoBody::TooLarge));
    }

    /// Begins, and never ends.
    struct Endless(Option<Bytes>);

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Poll::Pending,
            }
        }
    }

    fn unfinished(bytes: usize) -> Request<Endless> {
        Request::new(Endless(Some(Bytes::from(vec![b' '; bytes]))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_in_time_is_given_up_and_its_place_too() {
        let room = Room::default();
        let outcome = room.read(unfinished(MOST), &guest(0)).await.map(|_| ());
        assert_eq!(outcome, Err(NoBody::TooSlow));
        assert_eq!(room.free(), ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn large_ones_that_do_not_end_keep_no_small_one_waiting() {
        let room = Room::default();
        let [one, two, three, four] = [1, 2, 1, 3].map(guest);
        let large = |guest| room.read(unfinished(MOST), guest);
        let hold = async { tokio::join!(large(&one), large(&two)) };
        let more = async { tokio::join!(large(&three), large(&four)) };
        let start = Instant::now();
        let small = async {
            tokio::task::yield_now().await;
            assert_eq!(room.free(), 0);
            let request = Request::new(Full::new(Bytes::from(vec![b' '; SMALL])));
            assert_eq!(room.read(request, &guest(1)).await.unwrap().bytes.len(), SMALL);
            assert!(start.elapsed().is_zero());
        };
        let ((first, second), _, ()) = tokio::join!(hold, more, small);
        assert!(first.is_err() && second.is_err());
    }

    async fn read_whole(room: &Room, bytes: usize, peer: usize) -> Read {
        let request = Request::new(Full::new(Bytes::from(vec![b' '; bytes])));
        room.read(request, &guest(peer)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_keeps_its_room_until_it_is_dropped_and_no_more_than_it_needs() {
        let room = Room::default();
        let small = read_whole(&room, SMALL, 0).await;
        assert!(small.holds(SMALL) && !small.holds(SMALL + 1));
        let large = read_whole(&room, SMALL + 1, 0).await;
        assert!(large.holds(LARGEST_ANSWER));
        let answer = large.make_way(vec![b'a'; 1000]);
        assert_eq!(room.free(), ALL - 1000);
        let mut rest = answer.clone();
        drop(answer);
        bytes::Buf::advance(&mut rest, 999);
        assert_eq!(room.free(), ALL - 1000);
        drop(rest);
        assert_eq!(room.free(), ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_finds_no_room_in_time_is_not_given() {
        let room = Room::default();
        let mut held = Vec::new();
        for peer in 1..=ALL / LARGEST_ANSWER {
            let mut read = read_whole(&room, 10, peer).await;
            room.widen(&mut read, LARGEST_ANSWER).await.unwrap();
            held.push(read.make_way(vec![b'a'; LARGEST_ANSWER]));
        }
        let mut read = read_whole(&room, 10, 0).await;
        assert_eq!(room.widen(&mut read, LARGEST_ANSWER).await, Err(NoBody::NoRoom));
        let whole = room.read(unfinished(MOST), &guest(0)).await.map(|_| ());
        assert_eq!(whole, Err(NoBody::NoRoom));
        held.pop();
        let mut read = read_whole(&room, 10, 0).await;
        assert_eq!(room.widen(&mut read, LARGEST_ANSWER).await, Ok(()));
    }
}
