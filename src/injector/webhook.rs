//! The listener that API servers call: TLS, `POST /mutate`, one answer for each review.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::body::NoBody;
use super::decision::{Decision, SAME_VERSION, decide};
use super::guests::{Guest, Guests, HEAD_WITHIN, Heard, Phase};
use super::review::{Review, answer};
use super::room::Room;
use super::state::State;
use crate::config::Policy;
use crate::drain::Drain;
use crate::serve::accept;

type Answer = Response<Full<Bytes>>;

/// What it takes to answer reviews.
#[derive(Debug)]
pub(super) struct Webhook {
    policy: Policy,
    state: Arc<State>,
    room: Room,
    guests: Guests,
}

impl Webhook {
    pub(super) fn new(policy: Policy, state: &Arc<State>) -> Self {
        let (room, guests) = (Room::default(), Guests::default());
        Self { policy, state: Arc::clone(state), room, guests }
    }

    /// Accepts connections until `drain` stops, and answers what is asked on them.
    pub(super) fn serve(self, listener: TcpListener, drain: &Drain) -> io::Result<()> {
        let tls = TlsAcceptor::from(self.state.served.config().map_err(io::Error::other)?);
        let webhook = Arc::new(self);
        accept(listener, MOST_CONNECTIONS, drain, move |socket, peer, drain| {
            let (webhook, tls) = (Arc::clone(&webhook), tls.clone());
            let guest = webhook.guests.welcome(peer.ip().to_canonical());
            async move { webhook.converse(socket, guest, &tls, &drain).await }
        })
    }

    async fn converse(
        self: Arc<Self>,
        socket: TcpStream,
        guest: Arc<Guest>,
        tls: &TlsAcceptor,
        drain: &Drain,
    ) {
        // An answer is one write, which nothing follows that it could wait for.
        let _ = socket.set_nodelay(true);
        let stream = tokio::select! {
            stream = timeout(HEAD_WITHIN, tls.accept(socket)) => match stream {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return self.no_tls(&error),
                Err(_) => return self.no_tls(&io::ErrorKind::TimedOut.into()),
            },
            () = guest.has_to_go() => return,
            () = drain.stopped() => return,
        };
        let service = service_fn(|request: Request<Incoming>| {
            let (webhook, guest) = (Arc::clone(&self), Arc::clone(&guest));
            async move { Ok::<_, Infallible>(webhook.answer(request, &guest).await) }
        });
        let stream = TokioIo::new(Heard { stream, guest: Arc::clone(&guest) });
        let mut http = http1::Builder::new();
        // How long a head may take is the guest's affair.
        http.header_read_timeout(None).max_buf_size(MOST_HEAD).writev(true);
        let mut connection = pin!(http.serve_connection(stream, service));
        // How a client's connection ends is the client's own affair.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = guest.has_to_go() => return,
            () = drain.stopped() => {}
        }
        // A review may have come that nobody has looked at yet, and is not to be lost.
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(BREATH) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_WORDS, connection).await;
    }

    fn no_tls(&self, error: &io::Error) {
        // Who connects and goes away again has looked whether somebody listens.
        if error.kind() != io::ErrorKind::UnexpectedEof {
            self.state.measures.tls_failed();
            tracing::debug!(%error, "no TLS came about");
        }
    }

    async fn answer(&self, request: Request<Incoming>, guest: &Arc<Guest>) -> Answer {
        guest.enter(Phase::Sending);
        let answer = match self.review(request, guest).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let first = self.state.measures.bad_request(refusal.reason);
                if refusal.was_review {
                    self.state.measures.failed(refusal.reason);
                }
                let Refusal { status, sentence, .. } = &refusal;
                // Said once for each reason: whoever can connect can send this.
                if first {
                    tracing::warn!(%status, "a request was no review to answer: {sentence}");
                } else {
                    tracing::debug!(%status, "a request was no review to answer: {sentence}");
                }
                refusal.into()
            }
        };
        guest.enter(Phase::Taking);
        answer
    }

    /// The same as on the plain listener, for those who look here.
    fn health(&self, path: &str) -> Answer {
        let unready = if path == "/readyz" { self.state.unready() } else { None };
        let mut answer = text(unready.unwrap_or("ok").to_owned());
        if unready.is_some() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    }

    async fn review(
        &self,
        request: Request<Incoming>,
        guest: &Arc<Guest>,
    ) -> Result<Answer, Refusal> {
        if let "/healthz" | "/readyz" = request.uri().path() {
            return Ok(self.health(request.uri().path()));
        }
        if request.uri().path() != PATH {
            let sentence = format!("not here; reviews are answered at {PATH}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, "path", sentence));
        }
        if request.method() != Method::POST {
            let sentence = "only POST is understood here".to_owned();
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", sentence));
        }
        if let Some(other) = request.headers().get(CONTENT_TYPE).filter(|value| !is_json(value)) {
            let sentence = format!("the body is {other:?}, but only application/json is read");
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", sentence));
        }
        let no_body = |error: NoBody| {
            let (status, reason) = match error {
                NoBody::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
                NoBody::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
                NoBody::Broken(_) => (StatusCode::BAD_REQUEST, "broken"),
                NoBody::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "no_room"),
            };
            Refusal::new(status, reason, error.to_string())
        };
        let mut read = self.room.read(request, guest).await.map_err(no_body)?;
        let started = Instant::now();
        let (review, decision, body) = loop {
            guest.enter(Phase::Answered);
            let made = self.opinion(&read.bytes)?;
            let size = made.2.len();
            if read.holds(size) {
                break made;
            }
            // It is made anew once there is room, as it must not wait for that itself.
            drop(made);
            guest.enter(Phase::Sending);
            self.room.widen(&mut read, size).await.map_err(no_body)?;
        };
        self.state.measures.reviewed(&decision, review.dry_run, started.elapsed());
        let (namespace, pod) = (&review.namespace, &review.name);
        let dry_run = if review.dry_run { " (dry run)" } else { "" };
        match (decision.outcome, decision.reason) {
            ("untouched", _) => tracing::debug!(%namespace, object = %pod, "{}", decision.sentence),
            // It has had its line.
            ("present", SAME_VERSION) => {
                tracing::debug!(%namespace, %pod, "{}{dry_run}", decision.sentence);
            }
            ("refused", _) => tracing::warn!(%namespace, %pod, "{}{dry_run}", decision.sentence),
            _ => tracing::info!(%namespace, %pod, "{}{dry_run}", decision.sentence),
        }
        let mut answer = Response::new(Full::new(read.make_way(body)));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }

    /// What is said to a review, without anything happening besides.
    fn opinion(&self, bytes: &[u8]) -> Result<(Review, Decision, Vec<u8>), Refusal> {
        let review = Review::read(bytes).map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, error.reason(), error.to_string())
        })?;
        let decision = decide(&review, &self.policy);
        let body = answer(&review.uid, &decision.verdict);
        Ok((review, decision, body))
    }
}

/// A request that is no review to answer.
struct Refusal {
    status: StatusCode,
    reason: &'static str,
    sentence: String,
    /// It came to where reviews come, as they do.
    was_review: bool,
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, sentence: String) -> Self {
        let was_review = !["path", "method", "content_type"].contains(&reason);
        Self { status, reason, sentence, was_review }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = text(refusal.sentence);
        *answer.status_mut() = refusal.status;
        if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        answer
    }
}

fn text(sentence: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(sentence + "\n")));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    answer
}

fn is_json(content_type: &HeaderValue) -> bool {
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

const PATH: &str = "/mutate";
/// Connections of API servers, of which there are a handful; more wait in the backlog.
const MOST_CONNECTIONS: usize = 256;
/// Also what of a body is read at once.
const MOST_HEAD: usize = 16 * 1024;
/// How long a review that is being answered may take once we stop.
const LAST_WORDS: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(50);
