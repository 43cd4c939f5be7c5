//! Answers probes of the app by asking the app.
//!
//! A connection to an intercepted port is taken by the proxy whether the app is there or not, so a
//! probe that only connects would always be content. The kubelet asks here instead, and the app is
//! asked at the address that the kubelet chose, which no rule intercepts from inside the pod. An app
//! that listens on 127.0.0.1 alone thus stays as unreachable as it is without us, unless a `--forward`
//! leads there: then that is where it is asked.

mod get;
mod place;

use super::http::AskedAt;
use super::reply::{self, Reply};
use crate::config::{AppProbe, Check, Forward};
use get::{Said, get};
use http::header::USER_AGENT;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use place::Place;
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
type Verdict = Result<Well, String>;

/// How well it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Well {
    Fine,
    /// It sends whoever asks elsewhere, of which the kubelet makes an event.
    Redirected(String),
}

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
            Ok(Well::Fine) => reply::text(StatusCode::OK, "ok"),
            // A success with a warning, to every kubelet; it looks for no `Location` there.
            Ok(Well::Redirected(how)) => reply::text(StatusCode::MULTIPLE_CHOICES, how),
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
            match check {
                Check::Connect => connect(address).await.map(|_| Well::Fine),
                Check::Get { tls, target, headers } => {
                    let place = Place { tls: *tls, address, target: target.clone() };
                    get(place, &Said { headers, agent }).await
                }
            }
        };
        let asked = timeout(*patience, asked).await;
        asked.unwrap_or_else(|_| Err(format!("{address} did not answer within {patience:?}")))
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| format!("cannot connect to {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, Uri};
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
            socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        let agent = HeaderValue::from_static("kube-probe/1.31");
        let ask = || probe.ask(address.ip(), Some(&agent));
        // A second connection would wait for an answer until the time was up.
        let (asked, one, two, three) = tokio::join!(app, ask(), ask(), ask());
        assert_eq!((one, two, three), (Ok(Well::Fine), Ok(Well::Fine), Ok(Well::Fine)));
        assert!(asked.starts_with("GET /healthy?a=b HTTP/1.1\r\n"), "{asked}");
        assert_eq!(asked.matches("x-a: 1\r\n").count(), 2, "{asked}");
        assert!(asked.contains("user-agent: kube-probe/1.31\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn an_app_that_is_gone_or_ill_is_said_to_be() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connects = probe(address.port(), Check::Connect);
        assert_eq!(connects.ask(address.ip(), None).await, Ok(Well::Fine));
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

    /// An app that gives one of `answers` after the other, and what it was asked.
    async fn asked(listener: &TcpListener, answers: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(socket.read_buf(&mut asked).await.unwrap(), 0);
            }
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            all.push(String::from_utf8(asked).unwrap());
        }
        all
    }

    #[tokio::test]
    async fn redirects_are_followed_within_the_host_as_the_kubelet_does() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Uri::from_static("/a/b");
        let headers = vec![(http::header::HOST, HeaderValue::from_static("shop.example"))];
        let probe = probe(address.port(), Check::Get { tls: false, target, headers });
        let named = format!("302 Found\r\nLocation: http://{address}/named");
        let away = "301 Moved Permanently\r\nLocation: http://shop.example/".to_owned();
        let more = || "307 Temporary Redirect\r\nLocation: c?d".to_owned();
        let (ok, ill) = ("200 OK".to_owned(), "500 Internal Server Error".to_owned());
        let warned = |how: &str| Ok(Well::Redirected(how.to_owned()));
        for (answers, verdict, paths) in [
            (vec![more(), ok.clone()], Ok(Well::Fine), vec!["/a/b", "/a/c?d"]),
            (vec![more(), ill], Err("answered 500"), vec!["/a/b", "/a/c?d"]),
            (vec![named, more(), ok], Ok(Well::Fine), vec!["/a/b", "/named", "/c?d"]),
            (vec![away], warned("\"http://shop.example/\", another host"), vec!["/a/b"]),
            (vec!["302 Found".to_owned()], warned("answered 302 Found"), vec!["/a/b"]),
            (vec!["304 Not Modified".to_owned()], warned("answered 304"), vec!["/a/b"]),
            (vec!["302 Found\r\nLocation: /a b".to_owned()], Err("leads nowhere"), vec!["/a/b"]),
            (
                vec![more(); 10],
                Err("still redirects after 10 requests"),
                [vec!["/a/b"], vec!["/a/c?d"; 9]].concat(),
            ),
        ] {
            let answers: Vec<_> = answers.iter().map(String::as_str).collect();
            let app = asked(&listener, &answers);
            let (said, told) = tokio::join!(app, probe.ask(address.ip(), None));
            match (told, verdict) {
                (Ok(Well::Fine), Ok(Well::Fine)) => {}
                (Ok(Well::Redirected(told)), Ok(Well::Redirected(part))) => {
                    assert!(told.contains(&part), "{told}");
                }
                (Err(told), Err(part)) => assert!(told.contains(part), "{told}"),
                other => panic!("{other:?} for {answers:?}"),
            }
            for (said, path) in said.iter().zip(&paths) {
                assert!(said.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{said}");
                // The name that the spec gives holds until an app names itself.
                let is_named = paths.contains(&"/named") && *path != "/a/b";
                let host = if is_named { address.to_string() } else { "shop.example".to_owned() };
                assert!(said.contains(&format!("host: {host}\r\n")), "{said}");
            }
            assert_eq!(said.len(), paths.len());
        }
    }
}
