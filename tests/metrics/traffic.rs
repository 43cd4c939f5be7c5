//! The mix of traffic: statuses, gRPC codes, aborts by either side, TCP, TLS, and an app that is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use podmeter::clock::Clock;

use crate::support::app::nobody;
use crate::support::proxy::TestProxy;
use crate::support::script::Step::{self, Close, Expect, ReadToEnd, Reset, Send};
use crate::support::script::{Signals, play};
use crate::told::{Exchange, Port, Tcp, Told};
use crate::wire;

/// A proxy that has carried the whole mix, and what is known of that.
pub(crate) struct Carried {
    pub(crate) proxy: TestProxy,
    pub(crate) ports: [Port; 3],
    pub(crate) told: Vec<Told>,
}

/// What each end of one connection does, and what that comes to.
struct Scene {
    client: Vec<Step>,
    app: Vec<Step>,
    told: Told,
}

/// Plays the mix through a proxy that speaks every dialect, with `more` flags.
pub(crate) fn carry(more: &str) -> Carried {
    let (app, scripts) = actor();
    let (tcp, tcp_scripts) = actor();
    let targets = [app, tcp, nobody()];
    let forwards = targets.map(|target| format!("--forward 127.0.0.1:0={target}")).join(" ");
    let proxy = TestProxy::start(&format!(
        "{forwards} --opaque-ports {} --stats-listen 127.0.0.1:0 --dialect {DIALECTS} --workload \
         shop-v2 --namespace test --pod shop-v2-x --app shop --version-label v2 --cluster here \
         --service {} --path-templates /,/cart,/chat,/a.B/C {more}",
        tcp.port(),
        SERVICES.join(",")
    ));
    let port = |at: usize, opaque| Port { listen: proxy.forwards[at], target: targets[at], opaque };
    let ports = [port(0, false), port(1, true), port(2, false)];
    let (mut told, clock) = (Vec::new(), Clock::start());
    for Scene { client, app, told: mut known } in scenes() {
        match known.port {
            0 => scripts.send(app).unwrap(),
            1 => tcp_scripts.send(app).unwrap(),
            _ => {}
        }
        let begun = clock.now();
        let stream = TcpStream::connect(ports[known.port].listen).unwrap();
        play(stream, &client, &Signals::default());
        known.took = Duration::from_nanos(clock.now().since(begun));
        told.push(known);
    }
    Carried { proxy, ports, told }
}

/// An app that plays one script after the other, a connection each.
fn actor() -> (SocketAddr, Sender<Vec<Step>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let (send, scripts) = channel::<Vec<Step>>();
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        for steps in scripts {
            let (stream, _) = listener.accept().unwrap();
            // Beside the next one, as the client may be done first.
            std::thread::spawn(move || play(stream, &steps, &Signals::default()));
        }
    });
    (addr, send)
}

fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for _ in 0..3 {
        scenes.push(answered("shop", 200, Some(0)));
    }
    scenes.push(answered("till.example.com:8080", 404, Some(1)));
    scenes.push(answered("127.0.0.1", 500, None));
    scenes.push(answered("stranger", 302, None));
    scenes.extend(["0", "5", "13"].map(grpc_web));
    scenes.push(grpc());
    scenes.extend(broken_off());
    scenes.extend([unreadable(), probe(), websocket(), server_first(), opaque(), tls(), refused()]);
    scenes
}

/// A request for `host`, and its answer; `service` says whom that names.
fn answered(host: &str, status: u16, service: Option<usize>) -> Scene {
    let request = format!("POST /cart HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nbook");
    let response = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Length: 6\r\nConnection: close\r\n\r\nthanks"
    );
    let (fault, outcome) = match status {
        200 | 302 => ("none", "answered"),
        404 => ("client", "bad_request"),
        _ => ("app", "error_status"),
    };
    let asked = Exchange { method: "POST", path: "/cart", ..HTTP };
    let exchange = Exchange { service, status, fault, outcome, ..asked };
    whole(request.into_bytes(), response.into_bytes(), exchange)
}

/// A call of gRPC-Web with one message each way.
fn grpc_web(status: &'static str) -> Scene {
    let message = wire::message(b"hi");
    let request = [
        b"POST /a.B/C HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/grpc-web+proto\r\n\
          Content-Length: 7\r\n\r\n",
        message.as_slice(),
    ];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nGrpc-Status: {status}\r\n\
         Content-Length: 7\r\nConnection: close\r\n\r\n"
    );
    let (fault, outcome) = match status {
        "0" => ("none", "answered"),
        "5" => ("client", "grpc_refusal"),
        _ => ("app", "grpc_error"),
    };
    let call = Exchange { method: "POST", path: "/a.B/C", messages: [1, 1], ..HTTP };
    let exchange = Exchange { service: Some(0), grpc: Some(status), fault, outcome, ..call };
    whole(request.concat(), [head.as_bytes(), &message].concat(), exchange)
}

/// A call over HTTP/2, of which the frames of its stream count as its bytes.
fn grpc() -> Scene {
    let message = wire::message(b"hello");
    let call = [wire::call(1), wire::data(1, wire::END_STREAM, &message)].concat();
    let answer = [
        wire::status(1, 0, "200"),
        wire::data(1, 0, &message),
        wire::trailers(1, &[("grpc-status", "14")]),
    ]
    .concat();
    let exchange = Exchange {
        service: Some(0),
        grpc: Some("14"),
        method: "POST",
        version: "2",
        request: call.len() as u64,
        response: answer.len() as u64,
        messages: [1, 1],
        fault: "app",
        outcome: "grpc_error",
        ..HTTP
    };
    let request = [wire::hello(), call].concat();
    let response = [wire::hello_back(), answer].concat();
    let mut scene = whole(request, response, exchange);
    scene.told.protocol = "http2";
    scene.told.exchange = Some(exchange);
    scene
}

/// What one side does not bring to its end.
fn broken_off() -> [Scene; 4] {
    let request = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec();
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
    let (asked, came) = (request.len(), half.len());
    let scene = |client: &[Step], app: &[Step], exchange: Exchange, ending| {
        let mut scene = whole(request.clone(), half.clone(), exchange);
        let answered = exchange.response;
        scene.client = client.to_vec();
        scene.app = app.to_vec();
        scene.told.ending = ending;
        scene.told.bytes[1] = answered;
        scene.told.exchange =
            Some(Exchange { service: Some(0), request: asked as u64, ..exchange });
        scene
    };
    let of = |status, flags, response: usize, fault, outcome| Exchange {
        status,
        flags,
        response: response as u64,
        fault,
        outcome,
        ..HTTP
    };
    let ask = Send(request.clone());
    [
        // The client has sent its request when it leaves; whether the app reads it is no matter.
        scene(
            &[ask.clone(), Step::Finish, ReadToEnd],
            &[Expect(asked), ReadToEnd, Close],
            of(0, "DC", 0, "client", "left"),
            "finished",
        ),
        scene(
            &[ask.clone(), Expect(came), Reset],
            &[Expect(asked), Send(half.clone()), ReadToEnd],
            of(200, "DC", came, "client", "left"),
            "client_reset",
        ),
        scene(
            &[ask.clone(), ReadToEnd],
            &[Expect(asked), Close],
            of(503, "UC", 0, "app", "unanswered"),
            "finished",
        ),
        scene(
            &[ask, ReadToEnd],
            &[Expect(asked), Send(half.clone()), Close],
            of(200, "UPE", came, "app", "broken_off"),
            "finished",
        ),
    ]
}

/// What no server should read counts by its answer, and all of it as TCP.
fn unreadable() -> Scene {
    let request = b"GET / HTTP/1.1\r\nno colon\r\n\r\n".to_vec();
    let response = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (received, sent) = (request.len() as u64, response.len() as u64);
    // Its first word can be told, and nothing behind that.
    let asked = Exchange { path: "", version: "", ..HTTP };
    let exchange =
        Exchange { status: 400, flags: "DPE", fault: "client", outcome: "unreadable", ..asked };
    let mut scene = whole(request, response.to_vec(), exchange);
    scene.told.tcp = Some(Tcp { flags: "-", received, sent, tls: None });
    scene.told.unparsed = Some(["http1", "malformed_request"]);
    scene
}

fn probe() -> Scene {
    let request = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nUser-Agent: kube-probe/1.33\r\n\r\n";
    let mut scene = whole(request.to_vec(), OK.to_vec(), HTTP);
    scene.told.probe = true;
    scene.told.exchange = None;
    scene
}

/// The exchange is over with the 101, and what follows is metered as TCP.
fn websocket() -> Scene {
    let request = b"GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\n\r\n";
    let (text, close) = (b"\x81\x02hi", b"\x88\x82\0\0\0\0\x03\xe8");
    let exchange = Exchange {
        service: Some(0),
        path: "/chat",
        status: 101,
        request: request.len() as u64,
        response: head.len() as u64,
        ..HTTP
    };
    let answer = [head.as_slice(), text].concat();
    let mut scene = whole(request.to_vec(), answer.clone(), exchange);
    scene.client = vec![
        Send(request.to_vec()),
        Expect(answer.len()),
        Send(close.to_vec()),
        Step::Finish,
        ReadToEnd,
    ];
    scene.app = vec![Expect(request.len()), Send(answer), ReadToEnd, Close];
    scene.told.exchange = Some(exchange);
    scene.told.bytes[0] += close.len() as u64;
    let (received, sent) = (close.len() as u64, text.len() as u64);
    scene.told.tcp = Some(Tcp { flags: "-", received, sent, tls: None });
    scene
}

fn server_first() -> Scene {
    let mut scene = tcp(b"QUIT\r\n", b"220 mail at your service\r\n", None);
    // It speaks before it has heard anything.
    let Some(Tcp { sent, .. }) = scene.told.tcp else { return scene };
    scene.client.insert(0, Expect(usize::try_from(sent).unwrap()));
    scene.app.remove(0);
    scene.told.protocol = "server_first";
    scene
}

fn opaque() -> Scene {
    let mut scene = tcp(b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x01binary", None);
    scene.told.port = 1;
    scene.told.protocol = "opaque";
    scene
}

/// A real client's hello, to an app that hangs up on it.
fn tls() -> Scene {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let trusts_nobody = rustls::RootCertStore::empty();
    let mut config = config.with_root_certificates(trusts_nobody).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = SERVICES[1].try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut scene = tcp(&hello, b"\x15\x03\x03\0\x02\x02\x28", Some(["1.3", SERVICES[1], "h2"]));
    scene.told.protocol = "tls";
    scene
}

fn tcp(request: &[u8], response: &[u8], tls: Option<[&'static str; 3]>) -> Scene {
    let (received, sent) = (request.len() as u64, response.len() as u64);
    let mut scene = whole(request.to_vec(), response.to_vec(), HTTP);
    scene.told.protocol = "tcp";
    scene.told.exchange = None;
    scene.told.tcp = Some(Tcp { flags: "-", received, sent, tls });
    scene
}

fn refused() -> Scene {
    let request = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec();
    let exchange = Exchange {
        service: Some(0),
        status: 503,
        flags: "UF",
        fault: "app",
        outcome: "refused",
        ..HTTP
    };
    let mut scene = whole(request, Vec::new(), exchange);
    scene.client.truncate(1);
    scene.client.push(ReadToEnd);
    scene.told.port = 2;
    scene.told.reached = false;
    scene.told.ending = "refused";
    scene
}

/// The client asks, the app answers and closes, and both are content.
fn whole(request: Vec<u8>, response: Vec<u8>, exchange: Exchange) -> Scene {
    let (asked, came) = (request.len() as u64, response.len() as u64);
    Scene {
        app: vec![Expect(request.len()), Send(response), Step::Finish, ReadToEnd],
        client: vec![Send(request), ReadToEnd, Close],
        told: Told {
            port: 0,
            protocol: "http1",
            exchange: Some(Exchange { request: asked, response: came, ..exchange }),
            tcp: None,
            probe: false,
            ending: "finished",
            reached: true,
            bytes: [asked, came],
            unparsed: None,
            took: Duration::ZERO,
        },
    }
}

pub(crate) const HTTP: Exchange = Exchange {
    service: None,
    grpc: None,
    method: "GET",
    path: "/",
    version: "1.1",
    status: 200,
    flags: "-",
    request: 0,
    response: 0,
    messages: [0, 0],
    fault: "none",
    outcome: "answered",
};
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const DIALECTS: &str = "istio,envoy,linkerd,osm,http,otel";
pub(crate) const SERVICES: [&str; 2] = ["shop.test.svc.cluster.local", "till.example.com"];
