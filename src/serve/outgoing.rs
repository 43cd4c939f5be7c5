//! The body of an answer as it goes out: compressed if the reader takes that, and in parts.

use super::coding::{Coding, Encoder};
use super::exposed::Exposed;
use super::reply::{Content, Reply};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_ENCODING, HeaderValue, VARY};
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

/// A body that is being sent.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// What is left of one that is all there.
    Whole(Bytes),
    /// One that is written as it is taken.
    Parts(Box<Parts>),
    /// One that nobody will ask for.
    Unmade,
}

/// An exposition that is written, and perhaps compressed, as it is taken.
#[derive(Debug)]
pub(super) struct Parts {
    exposed: Exposed,
    encoder: Option<Encoder>,
    written: Vec<u8>,
    ended: bool,
    /// Whether others had a turn since the last part.
    yielded: bool,
}

/// Compresses an answer, or has it compressed as it goes, and says so in its head.
pub(super) fn compressed(reply: Reply, coding: Coding) -> Response<Outgoing> {
    let (mut head, content) = reply.into_parts();
    let worthwhile = match &content {
        Content::Whole(bytes) => bytes.len() >= WORTHWHILE,
        Content::Parts(_) | Content::Unmade => true,
    };
    let mut applied = None;
    if worthwhile {
        head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        applied = coding.name();
    }
    let coding = if worthwhile { coding } else { Coding::Identity };
    let outgoing = match content {
        Content::Whole(bytes) => Outgoing::Whole(whole(&bytes, coding).unwrap_or_else(|_| {
            applied = None;
            bytes
        })),
        Content::Parts(exposed) => {
            let encoder = coding.encoder().unwrap_or_else(|_| {
                applied = None;
                None
            });
            Outgoing::Parts(Box::new(Parts::new(*exposed, encoder)))
        }
        Content::Unmade => Outgoing::Unmade,
    };
    if let Some(name) = applied {
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Response::from_parts(head, outgoing)
}

fn whole(bytes: &Bytes, coding: Coding) -> io::Result<Bytes> {
    let Some(mut encoder) = coding.encoder()? else { return Ok(bytes.clone()) };
    encoder.push(bytes)?;
    encoder.finish()
}

impl Outgoing {
    /// Bytes that are held until it is taken, where they are not bounded otherwise.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Parts(parts) => parts.exposed.held(),
            Self::Unmade => 0,
        }
    }

    /// From now on its reader may take it, until the token says that this takes too long.
    pub(super) fn give(&mut self, recalled: CancellationToken) {
        if let Self::Parts(parts) = self {
            parts.exposed.give(recalled);
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let part = match self.get_mut() {
            Self::Whole(rest) if !rest.is_empty() => {
                let length = rest.len().min(PART);
                Some(Ok(rest.split_to(length)))
            }
            Self::Whole(_) | Self::Unmade => None,
            Self::Parts(parts) => match parts.poll_part(cx) {
                Poll::Ready(part) => part,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Self::Parts(_) | Self::Unmade => SizeHint::default(),
        }
    }
}

impl Parts {
    fn new(exposed: Exposed, encoder: Option<Encoder>) -> Self {
        Self { exposed, encoder, written: Vec::new(), ended: false, yielded: true }
    }

    /// The next part. Others have a turn before each, since a reader that takes all at once would
    /// keep the thread to itself.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while !self.ended {
            if !std::mem::replace(&mut self.yielded, false) {
                self.yielded = true;
                // Wakes this task once the sockets have been looked at, not merely the tasks that
                // are known to be ready; so it need not be kept.
                return pin!(yield_now()).poll(cx).map(|()| None);
            }
            match self.part() {
                Ok(part) if part.is_empty() => {}
                part => {
                    self.ended |= part.is_err();
                    return Poll::Ready(Some(part));
                }
            }
        }
        Poll::Ready(None)
    }

    fn part(&mut self) -> io::Result<Bytes> {
        self.ended = !self.exposed.advance(PART, &mut self.written);
        let Some(encoder) = &mut self.encoder else {
            return Ok(std::mem::take(&mut self.written).into());
        };
        encoder.push(&self.written)?;
        self.written.clear();
        match self.encoder.take_if(|_| self.ended) {
            Some(encoder) => encoder.finish(),
            None => Ok(self.encoder.as_mut().map(Encoder::take).unwrap_or_default()),
        }
    }
}

/// What is written, compressed and sent in one go.
const PART: usize = 64 * 1024;
/// Shorter bodies are sent as they are.
const WORTHWHILE: usize = 256;
