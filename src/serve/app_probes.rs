//! Answers probes of the app by asking the app.
//!
//! A connection to an intercepted port is taken by the proxy whether the app is there or not, so a
//! probe that only connects would always be content. The kubelet asks here instead, and the app is
//! asked at the address that the kubelet chose, which no rule intercepts from inside the pod. An app
//! that listens on 127.0.0.1 alone thus stays as unreachable as it is without us, unless a `--forward`
//! leads there: then that is where it is asked.

use super::http::AskedAt;
use super::reply::{self, Reply};
use crate::config::{AppProbe, Check, Forward, SourceTls, Trust};
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
    said: AppProbe,
    /// Where a forward leads to this port of the app.
    target: Option<SocketAddr>,
    /// The answer that is being waited for. Whoever asks meanwhile waits for the same one, so that
    /// however many ask, the app is asked once at a time.
    asking: Mutex<Weak<OnceCell<Verdict>>>,
}

/// Whether the app is well, or why not.
type Verdict = Result<(), String>;

impl AppProbes {
    pub(super) fn new(probes: &[AppProbe], forwards: &[Forward]) -> Self {
        let target = |port| forwards.iter().map(|f| f.target).find(|t| t.port() == port);
        let probe = |probe: &AppProbe| Probe {
            said: probe.clone(),
            target: target(probe.port),
            asking: Mutex::default(),
        };
        Self(probes.iter().map(probe).collect())
    }

    /// The answer to a probe; `None` where it is none of ours.
    pub(super) async fn answer(&self, request: &Request<Incoming>) -> Option<Reply> {
        let path = request.uri().path();
        let probe = self.0.iter().find(|probe| probe.said.path == path)?;
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
        let AppProbe { port, check, timeout: patience, .. } = &self.said;
        let address = self.target.unwrap_or(SocketAddr::new(ip, *port));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn probe(port: u16, check: Check) -> Probe {
        let timeout = Duration::from_secs(30);
        let said = AppProbe { path: "/x".to_owned(), port, check, timeout };
        Probe { said, target: None, asking: Mutex::default() }
    }

    fn plain() -> Check {
        let target = Uri::from_static("/healthy?a=b");
        let header = (HeaderName::from_static("x-a"), HeaderValue::from_static("1"));
        Check::Get { tls: false, target, headers: vec![header.clone(), header] }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_question_to_the_app() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let probe = probe(address.port(), plain());
        let app = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(socket.read_buf(&mut asked).await.unwrap(), 0);
            }
            socket.write_all(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        let agent = HeaderValue::from_static("kube-probe/1.31");
        let ask = || probe.ask(address.ip(), Some(&agent));
        // A second connection would wait for an answer until the time was up.
        let (asked, one, two, three) = tokio::join!(app, ask(), ask(), ask());
        assert_eq!((one, two, three), (Ok(()), Ok(()), Ok(())));
        assert!(asked.starts_with("GET /healthy?a=b HTTP/1.1\r\n"), "{asked}");
        assert_eq!(asked.matches("x-a: 1\r\n").count(), 2, "{asked}");
        assert!(asked.contains("user-agent: kube-probe/1.31\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn an_app_that_is_gone_or_ill_is_said_to_be() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connects = probe(address.port(), Check::Connect);
        assert_eq!(connects.ask(address.ip(), None).await, Ok(()));
        drop(listener.accept().await.unwrap());
        let answers = probe(address.port(), plain());
        let app = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        };
        let ((), verdict) = tokio::join!(app, answers.ask(address.ip(), None));
        assert!(verdict.unwrap_err().contains("answered 404"));
        drop(listener);
        assert!(connects.ask(address.ip(), None).await.unwrap_err().contains("cannot connect"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_that_hangs_is_given_up_when_the_kubelet_would() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let verdict = probe(address.port(), plain()).ask(address.ip(), None).await;
        assert!(verdict.unwrap_err().contains("did not answer within 30s"));
    }
}
