//! Reads the body of a request within its limits: of bytes, of time, and of what all bodies on their
//! way may hold together.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Why there is no body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoBody {
    #[error("the body is longer than {} MiB, which no pod is", MOST >> 20)]
    TooLarge,
    #[error("the body did not come within {} s", WITHIN.as_secs())]
    TooSlow,
    #[error("the body ended before its end ({0})")]
    Broken(String),
}

/// A body, and its place in the room if it is a large one.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) bytes: Vec<u8>,
    place: Option<SemaphorePermit<'a>>,
}

/// The places for large bodies. One that has its place can come to its end, whatever becomes of the
/// others; the small ones, nearly all of them, wait for nobody.
#[derive(Debug)]
pub(super) struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(LARGE_ONES))
    }
}

impl Room {
    /// Reads a body to its end.
    pub(super) async fn read<B>(&self, request: Request<B>) -> Result<Read<'_>, NoBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
        let is_long = length.is_some_and(|length| length > MOST as u64);
        if is_long && request.headers().contains_key(EXPECT) {
            // It waits for leave to send it, and gets none.
            return Err(NoBody::TooLarge);
        }
        let mut read = Read { bytes: Vec::new(), place: None };
        let whole = timeout(WITHIN, self.fill(&mut read, request.into_body(), is_long)).await;
        whole.unwrap_or(Err(NoBody::TooSlow))?;
        Ok(read)
    }

    /// What is too long is read all the same, and dropped at once: an answer that comes while a
    /// client still sends is lost on most of them.
    async fn fill<'a, B>(
        &'a self,
        read: &mut Read<'a>,
        mut body: B,
        is_long: bool,
    ) -> Result<(), NoBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let (mut is_long, mut received) = (is_long, 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| NoBody::Broken(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            received += data.len();
            is_long |= received > MOST;
            if received > DRAINED {
                break;
            }
            if is_long {
                *read = Read { bytes: Vec::new(), place: None };
                continue;
            }
            if received > SMALL && read.place.is_none() {
                // The semaphore is never closed.
                read.place = self.0.acquire().await.ok();
            }
            read.bytes.extend_from_slice(&data);
        }
        if is_long { Err(NoBody::TooLarge) } else { Ok(()) }
    }
}

/// The most of one body; an API server takes no object of more than 3 MiB.
pub(super) const MOST: usize = 4 << 20;
/// So much of what is too long is taken, so that the client comes to read the answer.
const DRAINED: usize = 64 << 20;
/// How long a body may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A body of so many bytes needs no place.
const SMALL: usize = 64 << 10;
/// How many larger ones may be on their way.
const LARGE_ONES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    async fn read(bytes: usize) -> Result<usize, NoBody> {
        let request = Request::new(Full::new(Bytes::from(vec![b' '; bytes])));
        Room::default().read(request).await.map(|read| read.bytes.len())
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
        let outcome = room.read(unfinished(MOST)).await.map(|_| ());
        assert_eq!(outcome, Err(NoBody::TooSlow));
        assert_eq!(room.0.available_permits(), LARGE_ONES);
    }

    #[tokio::test(start_paused = true)]
    async fn large_ones_that_do_not_end_keep_no_small_one_waiting() {
        let room = Room::default();
        let hold = async { tokio::join!(room.read(unfinished(MOST)), room.read(unfinished(MOST))) };
        let more = async { tokio::join!(room.read(unfinished(MOST)), room.read(unfinished(MOST))) };
        let start = tokio::time::Instant::now();
        let small = async {
            tokio::task::yield_now().await;
            assert_eq!(room.0.available_permits(), 0);
            let request = Request::new(Full::new(Bytes::from(vec![b' '; SMALL])));
            assert_eq!(room.read(request).await.unwrap().bytes.len(), SMALL);
            assert!(start.elapsed().is_zero());
        };
        let ((first, second), _, ()) = tokio::join!(hold, more, small);
        assert!(first.is_err() && second.is_err());
    }
}
