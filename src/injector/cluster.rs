//! Speaks with the API server of the cluster: a few objects are read and written, and nothing else.
//!
//! Each question is a connection of its own. There are a few every ten seconds, and so nothing has to
//! be known of connections that have gone stale, and a new token or authority is simply used.

mod access;
mod kubeconfig;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(super) use access::Access;
pub(super) use kubeconfig::KubeconfigError;

/// The way to an API server.
#[derive(Debug)]
pub(super) struct Cluster {
    access: Access,
}

/// Why a question has no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Somebody else has changed the object in the meantime, or made it.
    #[error("{0} was changed by somebody else at the same time")]
    Conflict(String),
    /// There is no such object.
    #[error("there is no {0}")]
    NotFound(String),
    /// The API server refused or failed.
    #[error("the API server answers {method} {path} with {status}: {message}")]
    Status {
        /// What was asked.
        method: Method,
        /// Of which object.
        path: String,
        /// The answer.
        status: StatusCode,
        /// What it says besides.
        message: String,
    },
    /// There was no answer.
    #[error("the API server at {server} {why}")]
    NoAnswer {
        /// Where it is.
        server: String,
        /// What went wrong.
        why: String,
    },
}

impl Cluster {
    pub(super) fn new(access: Access) -> Self {
        Self { access }
    }

    /// Reads an object.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask(Method::GET, path, None).await
    }

    /// Makes an object in the collection at `path`.
    pub(super) async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.ask(Method::POST, path, Some(object)).await
    }

    /// Writes an object that was read, unless somebody has changed it since
    /// (`metadata.resourceVersion`).
    pub(super) async fn replace(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.ask(Method::PUT, path, Some(object)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        object: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let asked = self.exchange(&method, path, object);
        let (status, body) = match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(self.no_answer(why)),
            Err(_) => {
                let why = format!("has not answered within {} s", PATIENCE.as_secs());
                return Err(self.no_answer(why));
            }
        };
        match status {
            status if status.is_success() => serde_json::from_slice(&body)
                .map_err(|error| self.no_answer(format!("answers with no JSON ({error})"))),
            StatusCode::CONFLICT => Err(ApiError::Conflict(path.to_owned())),
            StatusCode::NOT_FOUND => Err(ApiError::NotFound(path.to_owned())),
            status => {
                let told: Option<Value> = serde_json::from_slice(&body).ok();
                let message = told.as_ref().and_then(|told| told["message"].as_str());
                let message = message.unwrap_or("(no reason given)");
                let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
                let message = message.chars().take(MESSAGE_CHARS).collect();
                Err(ApiError::Status { method, path: path.to_owned(), status, message })
            }
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        object: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), String> {
        let server = &self.access.server;
        let body = object.map_or_else(Bytes::new, |object| Bytes::from(object.to_string()));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("{}{path}", server.prefix)
            .parse()
            .map_err(|_| format!("cannot be asked for {path}"))?;
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&server.authority());
        headers.insert(HOST, host.map_err(|_| "has no name for a header".to_owned())?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if object.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = self.access.authorization()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        let stream = TcpStream::connect((server.host.as_str(), server.port))
            .await
            .map_err(|error| format!("cannot be reached ({error})"))?;
        match self.access.tls()? {
            None => converse(stream, request).await,
            Some((config, name)) => {
                let stream = TlsConnector::from(config).connect(name, stream).await;
                let stream = stream.map_err(|error| format!("cannot be trusted ({error})"))?;
                converse(stream, request).await
            }
        }
    }

    fn no_answer(&self, why: String) -> ApiError {
        ApiError::NoAnswer { server: self.access.server.authority(), why }
    }
}

/// One request and its answer on a stream, which then is closed.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String> {
    let failed = |error: hyper::Error| format!("has broken off ({error})");
    let (mut requests, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let exchange = async {
        let answer = requests.send_request(request).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| format!("has broken off its answer ({error})"))?;
        Ok((head.status, body.to_bytes()))
    };
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        answer = &mut exchange => answer,
        // What has come before the end may be the whole answer.
        _ = connection => exchange.await,
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// No object that is read here is larger.
const MOST_BYTES: usize = 4 << 20;
const MESSAGE_CHARS: usize = 300;
const AGENT: &str = concat!("podmeter-injector/", env!("CARGO_PKG_VERSION"));
