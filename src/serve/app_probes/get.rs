//! Asks an app over HTTP as the kubelet does (Kubernetes, `pkg/probe/http`): any certificate will do,
//! and any status from 200 to 399. Redirects are followed within the host; one that leads to another
//! counts as well, but with a warning.

use super::place::{Place, Way};
use super::{Verdict, Well};
use crate::config::{SourceTls, Trust};
use crate::scrape::{Line, Stream, Tls};
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::net::TcpStream;

/// What is said in each request.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// As the pod's spec has them.
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    /// What the kubelet calls itself.
    pub(super) agent: Option<&'a HeaderValue>,
}

/// Asks, and goes wherever the answers lead.
pub(super) async fn get(first: Place, said: &Said<'_>) -> Verdict {
    let mut place = first;
    // A redirect that names its host is a reason to call it so.
    let mut host_is_given = true;
    for asked in 1.. {
        let answer = ask(&place, said, host_is_given).await?;
        let (address, status) = (place.address, answer.status());
        let Some(location) = answer.headers().get(LOCATION).filter(|_| leads_on(status)) else {
            return match status.as_u16() {
                200..300 => Ok(Well::Fine),
                300..400 => Ok(Well::Redirected(format!("{address} answered {status}"))),
                _ => Err(format!("{address} answered {status}")),
            };
        };
        let location = String::from_utf8_lossy(location.as_bytes());
        let shown: String = location.chars().take(MOST_SHOWN).collect();
        match place.follow(&location) {
            Way::Away => {
                return Ok(Well::Redirected(format!("{address} leads to {shown:?}, another host")));
            }
            Way::Nowhere => {
                return Err(format!("{address} answered {status}, but {shown:?} leads nowhere"));
            }
            Way::Within(_) | Way::Named(_) if asked == MOST_ASKED => break,
            Way::Within(next) => place = next,
            Way::Named(next) => (place, host_is_given) = (next, false),
        }
    }
    Err(format!("{} still redirects after {MOST_ASKED} requests", place.address))
}

fn leads_on(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

async fn ask(
    place: &Place,
    said: &Said<'_>,
    host_is_given: bool,
) -> Result<Response<Incoming>, String> {
    let Place { tls, address, target } = place;
    let stream = super::connect(*address).await?;
    let mut line = line(stream, *tls, place).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = target.clone();
    let usual = [
        (HOST, HeaderValue::try_from(address.to_string()).ok()),
        (USER_AGENT, said.agent.cloned()),
        (ACCEPT, Some(HeaderValue::from_static("*/*"))),
        (CONNECTION, Some(HeaderValue::from_static("close"))),
    ];
    for (name, value) in usual {
        if let Some(value) = value {
            request.headers_mut().insert(name, value);
        }
    }
    let given = said.headers.iter().filter(|(name, _)| host_is_given || name != HOST);
    let given: Vec<_> = given.collect();
    for (index, (name, value)) in given.iter().enumerate() {
        // What is given goes before what is usual, and may itself be given more than once.
        if given[..index].iter().all(|(before, _)| before != name) {
            request.headers_mut().remove(name);
        }
        request.headers_mut().append(name, value.clone());
    }
    let answer = line.ask(request).await;
    answer.map_err(|error| format!("{address} gave no answer: {error}"))
}

async fn line(stream: TcpStream, tls: bool, place: &Place) -> Result<Line, String> {
    let stream: Box<dyn Stream> = if tls {
        let anybody = SourceTls { trust: Trust::Anybody, ..SourceTls::default() };
        let tls = Tls::new(&anybody, &place.address.ip().to_string());
        Box::new(tls.connect(stream).await.map_err(|cause| cause.to_string())?)
    } else {
        Box::new(stream)
    };
    Line::new(stream).await.map_err(|cause| cause.to_string())
}

/// So many requests are sent for one probe.
const MOST_ASKED: u32 = 10;
/// Characters of a `Location` that are shown.
const MOST_SHOWN: usize = 120;
