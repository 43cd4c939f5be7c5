//! Reads a little at a time, so that a source that floods us leaves the thread to others.
//!
//! A task may read so many times before it has to let others run, whatever each read brings. Much
//! can be made of few bytes: an empty chunk takes five of them, an interim answer 25.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of which each read takes little.
#[derive(Debug)]
pub(super) struct Sip<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Sip<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut little = ReadBuf::new(buf.initialize_unfilled_to(buf.remaining().min(SIP)));
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut little))?;
        let read = little.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sip<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Enough for the calls not to matter.
const SIP: usize = 8 << 10;
