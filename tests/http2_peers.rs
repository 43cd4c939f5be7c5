//! What real peers of HTTP/2, gRPC, `WebSocket` and TLS do is what is counted, exactly.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what programs said, for those who ask")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use counted::Counted;
use nginx::Nginx;
use peer::{Peer, run};
use process::{Running, free_port, program};
use rustix::process::Signal;
use serde_json::json;
use sidecar::Sidecar;
use skip::skip;

#[path = "http2_peers/counted.rs"]
mod counted;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "http2_peers/grpc.rs"]
mod grpc;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod http;
#[path = "support/nginx.rs"]
mod nginx;
#[path = "http2_peers/peer.rs"]
mod peer;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;
#[path = "http2_peers/websocket.rs"]
mod websocket;

fn sidecar(folder: &Path, app: SocketAddr) -> Sidecar {
    Sidecar::start("podmeter", folder, app, "--service shop.prod.svc.cluster.local")
}

/// nghttpd with a file of 1,000 bytes at `/file`.
fn nghttpd(program: &Path, folder: &Path) -> (Running, SocketAddr) {
    std::fs::write(folder.join("file"), [b'x'; 1000]).unwrap();
    let addr = free_port();
    let mut command = Command::new(program);
    command.args(["--no-tls", "--address=127.0.0.1", "-d"]).arg(folder);
    command.arg(addr.port().to_string());
    let mut running = Running::start("nghttpd", &mut command, folder);
    running.wait_for_port(addr);
    (running, addr)
}

#[test]
fn curl_nghttp_and_h2load_are_counted_before_nghttpd() {
    let test = "curl_nghttp_and_h2load_are_counted_before_nghttpd";
    let tools = (program("curl"), program("nghttp"), program("h2load"), program("nghttpd"));
    let (Some(curl), Some(nghttp), Some(h2load), Some(server)) = tools else {
        return skip(test, "curl or nghttp2's programs are missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let (_server, addr) = nghttpd(&server, folder.path());
    let sidecar = sidecar(folder.path(), addr);
    let url = |path| format!("http://{}/{path}", sidecar.inbound);
    for path in ["file", "none"] {
        let answer = run(Command::new(&curl)
            .args(["-s", "--noproxy", "*", "--http2-prior-knowledge", "-o", "/dev/null"])
            .args(["-w", "%{http_version} %{http_code}", &url(path)]));
        assert_eq!(answer, if path == "file" { "2 200" } else { "2 404" });
    }
    // Requests with bodies and without, padded, on streams that depend on each other.
    run(Command::new(&nghttp).args(["-n", "-b", "57", &url("file"), &url("none")]));
    run(Command::new(&nghttp).args(["-n", "-d"]).arg(folder.path().join("file")).arg(url("file")));
    let said = run(Command::new(&h2load).args(["-n", "500", "-c", "4", "-m", "20", &url("file")]));
    assert!(said.contains("500 succeeded"), "{said}");
    let counted = Counted::when_drained(&sidecar);
    counted.has(&[("http 200 -", 503), ("http 404 -", 2)]);
    assert_eq!(counted.tcp_connections, 0);
    assert_eq!(counted.connections["http2"], 8);
    assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
}

#[test]
fn an_upgrade_from_http1_is_one_exchange_with_its_final_status() {
    let test = "an_upgrade_from_http1_is_one_exchange_with_its_final_status";
    let tools = (program("curl"), program("nghttp"), program("nghttpx"), program("nghttpd"));
    let (Some(curl), Some(nghttp), Some(proxy), Some(server)) = tools else {
        return skip(test, "curl or nghttp2's programs are missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let (_server, behind) = nghttpd(&server, folder.path());
    let addr = free_port();
    let mut command = Command::new(proxy);
    command.arg(format!("--frontend=127.0.0.1,{};no-tls", addr.port()));
    command.arg(format!("--backend=127.0.0.1,{};;proto=h2", behind.port()));
    command.args(["--workers=1", "--conf=/dev/null"]);
    let mut proxy = Running::start("nghttpx", &mut command, folder.path());
    proxy.wait_for_port(addr);
    let sidecar = sidecar(folder.path(), addr);
    let url = |path| format!("http://{}/{path}", sidecar.inbound);
    for (path, expected) in [("file", "2 200"), ("none", "2 404")] {
        let answer = run(Command::new(&curl)
            .args(["-s", "--noproxy", "*", "--http2", "-o", "/dev/null"])
            .args(["-w", "%{http_version} %{http_code}", &url(path)]));
        assert_eq!(answer, expected);
    }
    run(Command::new(&nghttp).args(["-n", "-u", &url("file"), &url("none")]));
    let counted = Counted::when_drained(&sidecar);
    counted.has(&[("http 200 -", 2), ("http 404 -", 2)]);
    assert_eq!(counted.tcp_connections, 0);
    assert_eq!(counted.connections["http1"], 3);
}

#[test]
fn what_nginx_leaves_out_when_it_goes_away_is_not_counted() {
    let test = "what_nginx_leaves_out_when_it_goes_away_is_not_counted";
    let (Some(nginx), Some(h2load)) = (program("nginx"), program("h2load")) else {
        return skip(test, "nginx or h2load is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let http = format!("http2 on; access_log {} combined;", log.display());
    let limits = "location / { return 200 hello; } location /404 { return 404; }";
    let Some(mut nginx) = h2_nginx(&nginx, folder.path(), &http, limits) else {
        return skip(test, "this nginx speaks no HTTP/2 without TLS");
    };
    let sidecar = sidecar(folder.path(), nginx.addr);
    // Each connection may ask 300 times; the client has up to 20 streams more under way then.
    let urls = ["", "404", ""].map(|path| format!("http://{}/{path}", sidecar.inbound));
    run(Command::new(&h2load).args(["-n", "2000", "-c", "3", "-m", "20"]).args(urls));
    let counted = Counted::when_drained(&sidecar);
    nginx.process.signal(Signal::QUIT);
    assert!(nginx.process.ended().success());
    let log = std::fs::read_to_string(log).unwrap();
    let logged = |status: &str| log.lines().filter(|line| line.contains(status)).count() as u64;
    let (found, missing) = (logged("\" 200 "), logged("\" 404 "));
    assert!(found + missing >= 900, "{found} and {missing}");
    counted.has(&[("http 200 -", found), ("http 404 -", missing)]);
    assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
}

/// An nginx that speaks HTTP/2 in the clear and ends a connection after 300 requests. The switch
/// for it has changed its place with version 1.25.1.
fn h2_nginx(program: &Path, folder: &Path, http: &str, locations: &str) -> Option<Nginx> {
    let version = Command::new(program).arg("-v").output().unwrap().stderr;
    let version = String::from_utf8(version).unwrap();
    let number = version.split(['/', ' ']).find(|part| part.starts_with("1."))?;
    let minor: u32 = number.split('.').nth(1)?.parse().ok()?;
    let locations = format!("keepalive_requests 300; {locations}");
    if minor >= 26 {
        return Some(Nginx::start(program, folder, http, &locations));
    }
    let http = http.replace("http2 on;", "");
    Some(Nginx::start_with(program, folder, &http, &locations, "http2"))
}

#[test]
fn node_is_counted_with_pushes_resets_tunnels_and_long_heads() {
    let test = "node_is_counted_with_pushes_resets_tunnels_and_long_heads";
    let Some(node) = program("node") else { return skip(test, "node is missing") };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&node, "node_peer.mjs", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let client = Peer::call(&node, "node_peer.mjs", &["call", &sidecar.inbound.to_string()]);
    let counted = Counted::when_drained(&sidecar);
    let counts = client["counts"].as_object().unwrap().iter();
    let mut expected: Vec<_> =
        counts.map(|(what, count)| (format!("http {what}"), count.as_u64().unwrap())).collect();
    expected.sort();
    assert_eq!(counted.exchanges, expected);
    assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
    for (sender, kind, frames) in
        [("client", "text", 9), ("client", "close", 3), ("app", "text", 9), ("app", "close", 3)]
    {
        let labels = [("from", sender), ("type", kind)];
        assert_eq!(counted.value("podmeter_websocket_frames_total", &labels), frames);
    }
    assert_eq!(counted.value("podmeter_websocket_closed_total", &[("code", "1000")]), 3);
}

#[test]
fn a_client_that_is_killed_breaks_off_its_own_streams_and_no_others() {
    let test = "a_client_that_is_killed_breaks_off_its_own_streams_and_no_others";
    let (Some(node), Some(h2load)) = (program("node"), program("h2load")) else {
        return skip(test, "node or h2load is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Peer::serve(&node, "node_peer.mjs", folder.path());
    let sidecar = sidecar(folder.path(), server.addr);
    let address = sidecar.inbound.to_string();
    let mut others = Command::new(h2load);
    others.args(["-n", "1000", "-c", "5", "-m", "10", &format!("http://{address}/trailers/200")]);
    let mut others = Running::start("h2load", &mut others, folder.path());
    let mut client = Peer::start(&node, "node_peer.mjs", &["flow", &address], folder.path());
    client.wait_for("flowing");
    drop(client);
    assert!(others.ended().success());
    assert!(others.said().contains("1000 succeeded"), "{}", others.said());
    let counted = Counted::when_drained(&sidecar);
    counted.has(&[("http 0 DC", 20), ("http 200 -", 1100), ("http 206 DC", 40)]);
    assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
    let ended = json!({
        "echo finished": 100,
        "flow broken off": 40,
        "swallow broken off": 20,
        "trailers finished": 1000,
    });
    assert_eq!(server.said_at_the_end()["ended"], ended);
}

#[test]
fn a_client_of_tls_is_known_by_what_it_asks_for() {
    let test = "a_client_of_tls_is_known_by_what_it_asks_for";
    let Some(openssl) = program("openssl") else { return skip(test, "openssl is missing") };
    let folder = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| folder.path().join(name));
    run(Command::new(&openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-subj", "/CN=shop", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    let addr = free_port();
    let mut command = Command::new(&openssl);
    command.args(["s_server", "-www", "-accept", &addr.to_string(), "-alpn", "h2,spdy/3", "-key"]);
    command.arg(&key).arg("-cert").arg(&certificate);
    let mut server = Running::start("s_server", &mut command, folder.path());
    server.wait_for_port(addr);
    let sidecar = sidecar(folder.path(), addr);
    let connect = ["s_client", "-connect", &sidecar.inbound.to_string()].map(str::to_owned);
    for flags in [
        "-servername shop.prod -alpn h2,http/1.1",
        "-servername shop.prod -alpn h2,http/1.1",
        "-servername another.example -tls1_2",
        "-noservername -no_tls1_3 -alpn spdy/3",
    ] {
        run(Command::new(&openssl).args(&connect).args(flags.split(' ')));
    }
    let counted = Counted::when_drained(&sidecar);
    for (labels, connections) in [
        (["shop.prod.svc.cluster.local", "1.3", "h2"], 2),
        (["unknown", "1.2", ""], 1),
        (["", "1.2", "other"], 1),
    ] {
        let [name, version, alpn] = labels;
        let said = [("sni", name), ("tls_version", version), ("alpn", alpn)];
        let said: Vec<_> = said.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let all = [&said[..], &[("connection_security_policy", "unknown")]].concat();
        for family in ["opened", "closed"] {
            let family = format!("istio_tcp_connections_{family}_total");
            assert!(counted.value(&family, &all) >= connections, "{family} {all:?}");
        }
    }
    assert_eq!(counted.tcp_connections, 4);
    assert_eq!(counted.connections["tls"], 4);
}
