//! Answers probes of the app by asking the app.
//!
//! A connection to an intercepted port is taken by the proxy whether the app is there or not, so a
//! probe that only connects would always be content. The kubelet asks here instead, and the app is
//! asked at the address that the kubelet chose, which no rule intercepts from inside the pod. An app
//! that listens on 127.0.0.1 alone thus stays as unreachable as it is without us.

use super::http::AskedAt;
use super::reply::{self, Reply};
use crate::config::{AppProbe, Check, SourceTls, Trust};
use crate::scrape::{Line, Stream, Tls};
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// The probes that the proxy answers.
#[derive(Debug)]
pub(super) struct AppProbes(Vec<Probe>);

#[derive(Debug)]
struct Probe {
    probe: AppProbe,
    /// The answer that is being waited for. Whoever asks meanwhile waits for the same one, so that
    /// however many ask, the app is asked once at a time.
    asking: Mutex<Weak<OnceCell<Verdict>>>,
}

/// Whether the app is well, or why not.
type Verdict = Result<(), String>;

impl AppProbes {
    pub(super) fn new(probes: &[AppProbe]) -> Self {
        let probe = |probe: &AppProbe| Probe { probe: probe.clone(), asking: Mutex::default() };
        Self(probes.iter().map(probe).collect())
    }

    /// The answer to a probe; `None` where it is none of ours.
    pub(super) async fn answer(&self, request: &Request<Incoming>) -> Option<Reply> {
        let path = request.uri().path();
        let probe = self.0.iter().find(|probe| probe.probe.path == path)?;
        if let Some(refusal) = reply::unless_read(request.method()) {
            return Some(refusal);
        }
        let asked_at = request.extensions().get::<AskedAt>();
        let Some(AskedAt(address)) = asked_at else {
            return Some(reply::text(StatusCode::INTERNAL_SERVER_ERROR, "nobody knows where"));
        };
        let agent = request.headers().get(USER_AGENT);
        Some(match probe.ask(address.ip().to_canonical(), agent).await {
            Ok(()) => reply::text(StatusCode::OK, "ok"),
            Err(why) => reply::text(StatusCode::SERVICE_UNAVAILABLE, why),
        })
    }
}

impl Probe {
    async fn ask(&self, ip: IpAddr, agent: Option<&HeaderValue>) -> Verdict {
        let verdict = {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.upgrade().unwrap_or_else(|| {
                let fresh = Arc::new(OnceCell::new());
                *asking = Arc::downgrade(&fresh);
                fresh
            })
        };
        // Where the one who asks goes away, the next of those who wait takes over.
        verdict.get_or_init(|| self.ask_now(ip, agent)).await.clone()
    }

    async fn ask_now(&self, ip: IpAddr, agent: Option<&HeaderValue>) -> Verdict {
        let AppProbe { port, check, timeout: patience, .. } = &self.probe;
        let address = SocketAddr::new(ip, *port);
        let asked = async {
            let connected = TcpStream::connect(address).await;
            let stream =
                connected.map_err(|error| format!("cannot connect to {address}: {error}"))?;
            match check {
                Check::Connect => Ok(()),
                Check::Get { tls, target, headers } => {
                    get(stream, address, *tls, target, headers, agent).await
                }
            }
        };
        let asked = timeout(*patience, asked).await;
        asked.unwrap_or_else(|_| Err(format!("{address} did not answer within {patience:?}")))
    }
}

/// Asks as the kubelet does: any certificate will do, and any status from 200 to 399.
async fn get(
    stream: TcpStream,
    address: SocketAddr,
    tls: bool,
    target: &Uri,
    headers: &[(HeaderName, HeaderValue)],
    agent: Option<&HeaderValue>,
) -> Verdict {
    let stream: Box<dyn Stream> = if tls {
        let anybody = SourceTls { trust: Trust::Anybody, ..SourceTls::default() };
        let tls = Tls::new(&anybody, &address.ip().to_string());
        Box::new(tls.connect(stream).await.map_err(|cause| cause.to_string())?)
    } else {
        Box::new(stream)
    };
    let mut line = Line::new(stream).await.map_err(|cause| cause.to_string())?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = target.clone();
    let usual = [
        (HOST, HeaderValue::try_from(address.to_string()).ok()),
        (USER_AGENT, agent.cloned()),
        (ACCEPT, Some(HeaderValue::from_static("*/*"))),
        (CONNECTION, Some(HeaderValue::from_static("close"))),
    ];
    for (name, value) in usual {
        if let Some(value) = value {
            request.headers_mut().insert(name, value);
        }
    }
    for (index, (name, value)) in headers.iter().enumerate() {
        // What is given goes before what is usual, and may itself be given more than once.
        if headers[..index].iter().all(|(given, _)| given != name) {
            request.headers_mut().remove(name);
        }
        request.headers_mut().append(name, value.clone());
    }
    let answer = line.ask(request).await;
    let answer = answer.map_err(|error| format!("{address} gave no answer: {error}"))?;
    let status = answer.status();
    if (200..400).contains(&status.as_u16()) {
        Ok(())
    } else {
        Err(format!("{address} answered {status}"))
    }
}
