//! The loop that the stats, admin and health listeners share.

use super::coding::Coding;
use super::connections::accept;
use super::outgoing::compressed;
use super::readers::Readers;
use super::reply::Reply;
use crate::drain::Drain;
use http::Request;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderName};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Something that answers requests.
pub(crate) trait Routes: Send + Sync + 'static {
    /// Answers one request.
    fn answer(self: &Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;
}

/// The address of ours that a request came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedAt(pub(super) SocketAddr);

/// Accepts connections until `drain` stops, and has `routes` answer their requests.
pub(crate) fn serve(
    listener: TcpListener,
    routes: Arc<impl Routes>,
    drain: &Drain,
) -> io::Result<()> {
    let readers = Arc::new(Readers::default());
    accept(listener, MAX_CONNECTIONS, drain, move |socket, _, drain| {
        let (routes, readers) = (Arc::clone(&routes), Arc::clone(&readers));
        async move { converse(socket, routes, &drain, readers).await }
    })
}

async fn converse(
    socket: TcpStream,
    routes: Arc<impl Routes>,
    drain: &Drain,
    readers: Arc<Readers>,
) {
    let reader = readers.welcome();
    let answering = Arc::clone(&reader);
    let asked_at = socket.local_addr().ok().map(AskedAt);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(asked_at) = asked_at {
            request.extensions_mut().insert(asked_at);
        }
        let (routes, readers) = (Arc::clone(&routes), Arc::clone(&readers));
        let reader = Arc::clone(&answering);
        async move {
            let coding = Coding::choose(values(request.headers(), ACCEPT_ENCODING));
            let reply = routes.answer(request).await;
            // Last, so that what the routes say of type and body is settled before.
            let reply = compressed(reply, coding);
            Ok::<_, Infallible>(reply.map(|body| readers.hand_out(&reader, body)))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    // How a reader's connection ends is the reader's own affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = drain.stopped() => {}
        () = reader.has_to_go() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_WORDS, connection).await;
}

/// The values of all lines of a header; what is no text says nothing.
pub(crate) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// Connections of readers, for each listener; more wait in the backlog.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may take to send a request, from the last one on: scrapers keep theirs
/// open from one scrape to the next.
const PATIENCE: Duration = Duration::from_secs(310);
/// How long an answer that is being given may take to end once its connection has to go.
const LAST_WORDS: Duration = Duration::from_secs(2);
const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::reply;
    use http::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Hello;

    impl Routes for Hello {
        async fn answer(self: &Arc<Self>, _: Request<Incoming>) -> Reply {
            reply::text(StatusCode::OK, "hello")
        }
    }

    async fn ask(socket: &mut TcpStream) -> String {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello\n") {
            assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn whoever_holds_connections_open_keeps_nobody_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::default();
        serve(listener, Arc::new(Hello), &drain).unwrap();
        let mut held = Vec::new();
        for number in 0..2 * MAX_CONNECTIONS {
            let mut socket = TcpStream::connect(address).await.unwrap();
            match number % 3 {
                0 => {}
                1 => socket.write_all(b"GET / HT").await.unwrap(),
                _ => drop(ask(&mut socket).await),
            }
            held.push(socket);
        }
        let mut reader = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut reader).await.starts_with("HTTP/1.1 200 OK"));
        drain.stop().await;
    }
}
