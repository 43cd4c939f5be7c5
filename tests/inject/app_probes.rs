//! Probes of the app that the proxy answers, by the built program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::{ask, get};
use crate::process::Running;

fn proxy(folder: &Path, probes: &str) -> (Running, SocketAddr) {
    proxy_before(folder, "127.0.0.1:9", probes)
}

fn proxy_before(folder: &Path, target: &str, probes: &str) -> (Running, SocketAddr) {
    let forward = format!("127.0.0.1:0={target}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    command.args(["proxy", "--forward", &forward, "--stats-listen", "off"]);
    command.args(["--admin-listen", "off", "--health-listen", "127.0.0.1:0"]);
    command.args(["--log-format", "json"]).env("PODMETER_APP_PROBES", probes);
    let mut running = Running::start("podmeter", &mut command, folder);
    let health = running.wait_for("it serves health", |running| {
        let said = running.said();
        let line = said.lines().find(|line| line.contains("serving health"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["listen"].as_str()?.parse().ok()
    });
    (running, health)
}

#[test]
fn a_connection_is_tried_at_the_address_that_the_kubelet_chose() {
    let folder = tempfile::tempdir().unwrap();
    let app = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = app.local_addr().unwrap().port();
    let probes = format!(r#"{{"/app-health/db/livez": {{"tcpSocket": {{"port": {port}}}}}}}"#);
    let (_running, health) = proxy(folder.path(), &probes);
    let answer = get(health, "/app-health/db/livez");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    assert_eq!(ask(health, "POST", "/app-health/db/livez", &[]).status, 405);
    assert_eq!(get(health, "/app-health/db/readyz").status, 404);
    assert_eq!(get(health, "/healthz/ready").status, 200);
    drop(app);
    let answer = get(health, "/app-health/db/livez");
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("cannot connect to 127.0.0.1:"), "{}", answer.text());
}

#[test]
fn behind_a_forward_the_app_is_asked_where_that_leads() {
    let folder = tempfile::tempdir().unwrap();
    // An address that the kubelet, which asks at 127.0.0.1, did not choose.
    let app = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    let port = app.local_addr().unwrap().port();
    let probes = format!(r#"{{"/app-health/db/livez": {{"tcpSocket": {{"port": {port}}}}}}}"#);
    let (_running, health) = proxy_before(folder.path(), &format!("127.0.0.2:{port}"), &probes);
    let answer = get(health, "/app-health/db/livez");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

#[test]
fn https_is_asked_without_a_look_at_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (app, asked) = https_app(&["200 OK", "500 Internal Server Error"]);
    let probes = format!(
        r#"{{"/app-health/web/readyz": {{"httpGet": {{"port": {}, "path": "/ready", "scheme": "HTTPS",
            "httpHeaders": [{{"name": "Host", "value": "shop.example"}}]}}, "timeoutSeconds": 20}}}}"#,
        app.port()
    );
    let (_running, health) = proxy(folder.path(), &probes);
    let kubelet = [("User-Agent", "kube-probe/1.31")];
    let answer = ask(health, "GET", "/app-health/web/readyz", &kubelet);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET /ready HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: shop.example\r\n") && head.contains("kube-probe/1.31"), "{head}");
    let answer = ask(health, "GET", "/app-health/web/readyz", &kubelet);
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("answered 500"), "{}", answer.text());
}

/// An app with a certificate of nobody's that gives these answers; tells what it was asked.
fn https_app(answers: &'static [&'static str]) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let certified = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (socket, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, socket);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            tell.send(String::from_utf8(head).unwrap()).unwrap();
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.flush().unwrap();
        }
    });
    (address, asked)
}
