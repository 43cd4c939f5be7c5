//! One HTTP/1 connection to a source, which works only while somebody waits for it.

use super::connect::Stream;
use super::error::Cause;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Context;

/// A connection to a source. Nothing runs beside it: dropping it closes it.
#[derive(Debug)]
pub(crate) struct Line {
    requests: SendRequest<Empty<Bytes>>,
    /// Moves the bytes when polled; `None` once it is over.
    connection: Option<Moving>,
}

type Moving = Connection<TokioIo<Box<dyn Stream>>, Empty<Bytes>>;

impl Line {
    /// Speaks HTTP/1 on a stream.
    pub(crate) async fn new(stream: Box<dyn Stream>) -> Result<Self, Cause> {
        let mut builder = Builder::new();
        let (requests, connection) = builder
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Cause::of_asking(&error))?;
        Ok(Self { requests, connection: Some(connection) })
    }

    /// Sends a request and waits for the head of the answer. The body follows with
    /// [`Line::frame`].
    pub(crate) async fn ask(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        let answer = self.requests.send_request(request);
        alongside(&mut self.connection, answer).await
    }

    /// Waits for the next piece of a body; `None` is its end.
    pub(super) async fn frame(
        &mut self,
        body: &mut Incoming,
    ) -> Option<hyper::Result<Frame<Bytes>>> {
        alongside(&mut self.connection, body.frame()).await
    }

    /// The line itself if it can carry one more request, as far as can be known without waiting.
    pub(super) async fn if_reusable(mut self) -> Option<Self> {
        // One look at the socket notices what has come, the end of the connection above all.
        alongside(&mut self.connection, ready(())).await;
        (self.connection.is_some() && self.requests.is_ready()).then_some(self)
    }
}

/// Waits for `work` while the connection moves the bytes that it waits for.
async fn alongside<T>(connection: &mut Option<Moving>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut poll = |cx: &mut Context<'_>| {
        if let Some(running) = connection
            && Pin::new(running).poll(cx).is_ready()
        {
            // Whether it ended well is told to the work, too, and there it has a meaning.
            *connection = None;
        }
        work.as_mut().poll(cx)
    };
    poll_fn(|cx| poll(cx)).await
}

/// The most that the head of an answer may take, and that is read ahead of a body.
const HEAD_BYTES: usize = 64 << 10;
