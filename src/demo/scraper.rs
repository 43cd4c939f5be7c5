//! Asks a sidecar for its metrics as a Prometheus would, and reads nothing else of it.

use super::reading::Reading;
use super::sidecar::{NAMESPACE, Sidecar};
use crate::clock::Clock;
use crate::exposition::{InputFormat, parse};
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why a sidecar's metrics could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not scrape http://{stats}{PATH}: {why}")]
pub(crate) struct ScrapeError {
    stats: SocketAddr,
    why: Box<dyn Error + Send + Sync>,
}

/// Scrapes `sidecar` once.
pub(super) async fn scrape(sidecar: &Sidecar, clock: &Clock) -> Result<Reading, ScrapeError> {
    let failed = |why| ScrapeError { stats: sidecar.stats, why };
    let (headers, body) = timeout(PATIENCE, fetch(sidecar.stats))
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs()).into()))?
        .map_err(failed)?;
    let at = clock.now();
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let exposition = parse(&body, InputFormat::from_content_type(declared));
    Ok(Reading::of(&exposition, NAMESPACE, sidecar.pod.workload, at))
}

async fn fetch(stats: SocketAddr) -> Result<(HeaderMap, Bytes), Box<dyn Error + Send + Sync>> {
    let socket = TcpStream::connect(stats).await?;
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await?;
    let request = Request::get(PATH)
        .header(HOST, stats.to_string())
        .header(ACCEPT, "text/plain;version=0.0.4")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status()).into());
        }
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        Ok((head.headers, body))
    };
    // The answer is all that is wanted: the connection goes as far as that needs.
    let (answered, _) = tokio::join!(exchange, connection);
    answered
}

/// Where a sidecar answers a scrape.
pub(super) const PATH: &str = "/stats/prometheus";
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 16 << 20;
