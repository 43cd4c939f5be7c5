//! What the webhook bears: large bodies, slow clients, many connections, and its own end.

use super::client::{Client, creation, pod};
use super::hook::{Files, Hook};
use super::http;
use super::process::eventually;
use rustix::process::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn review() -> Vec<u8> {
    creation(&pod()).to_string().into_bytes()
}

#[test]
fn a_body_that_no_pod_has_is_refused_and_the_next_is_answered() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    let client = || Client::connect(hook.addr, &files.authority.pem).unwrap();
    let mut large = creation(&pod());
    large["request"]["object"]["metadata"]["annotations"]["big"] = json!("x".repeat(5 << 20));
    let answer = client().post(large.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), "the body is longer than 4 MiB, which no pod is\n");

    let mut heavy = creation(&pod());
    heavy["request"]["object"]["metadata"]["a"] = json!(vec![0; 1_000_000]);
    let answer = client().post(heavy.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("more than 50000 values"), "{}", answer.text());

    // As large as an object can be that the API server takes.
    let mut long = creation(&pod());
    long["request"]["object"]["metadata"]["annotations"]["big"] = json!("x".repeat(3 << 20));
    client().post(long.to_string().as_bytes()).unwrap().response();
    assert!(hook.metric(&["process_resident_memory_bytes"]) < 100e6);
}

#[test]
fn whoever_is_slow_is_told_to_go() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    // No TLS at all, half a head, and half a body.
    let mut silent = TcpStream::connect(hook.addr).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut half_head = Client::connect(hook.addr, &files.authority.pem).unwrap();
    half_head.send(b"POST /mutate HTTP/1.1\r\nHost: a\r\n").unwrap();
    let mut half_body = Client::connect(hook.addr, &files.authority.pem).unwrap();
    half_body.send(b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{").unwrap();
    let mut byte = [0];
    assert!(matches!(silent.read(&mut byte), Ok(0) | Err(_)));
    assert!(half_head.is_closed());
    let answer = half_body.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.text(), "the body did not come within 10 s\n");
}

#[test]
fn whoever_holds_connections_open_keeps_no_review_out() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    let mut held = Vec::new();
    for number in 0..400 {
        let mut socket = TcpStream::connect(hook.addr).unwrap();
        if number % 2 == 0 {
            // The beginning of a greeting.
            socket.write_all(b"\x16\x03\x01").unwrap();
        }
        held.push(socket);
    }
    let mut client = Client::connect(hook.addr, &files.authority.pem).unwrap();
    client.post(&review()).unwrap().response();
}

#[test]
fn strangers_with_large_bodies_that_do_not_end_keep_no_large_review_out() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    let mut strangers = Vec::new();
    // From the first of them on, each has more in the line than there is room.
    for number in 0..40 {
        let from = [127, 0, 0, 2 + number % 8].into();
        let mut client = Client::connect_from(from, hook.addr, &files.authority.pem).unwrap();
        let length = 4 << 20;
        let head = format!("POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send(head.as_bytes()).unwrap();
        client.send(&vec![b' '; 100 << 10]).unwrap();
        strangers.push(client);
    }
    let mut large = creation(&pod());
    large["request"]["object"]["metadata"]["annotations"]["big"] = json!("x".repeat(200 << 10));
    let mut client = Client::connect(hook.addr, &files.authority.pem).unwrap();
    client.post(large.to_string().as_bytes()).unwrap().response();
    assert!(hook.metric(&["process_resident_memory_bytes"]) < 100e6);
}

#[test]
fn what_is_no_tls_is_counted_and_a_look_is_not() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &[]);
    drop(TcpStream::connect(hook.addr).unwrap());
    let mut plain = TcpStream::connect(hook.addr).unwrap();
    plain.write_all(b"POST /mutate HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    // Who trusts somebody else breaks off.
    let other = super::hook::TestAuthority::new();
    assert!(Client::connect(hook.addr, &other.pem).is_err());
    eventually("both are counted", || {
        let counted = hook.metric(&["tls_failures_total"]);
        if (counted - 2.0).abs() < 0.1 { Ok(()) } else { Err(format!("{counted}")) }
    });
}

#[test]
fn it_becomes_unready_first_and_answers_what_has_come() {
    let files = Files::new();
    let mut hook = Hook::with_files(&files, &["--shutdown-delay", "60s"]);
    let connect = || Client::connect(hook.addr, &files.authority.pem).unwrap();
    let (mut kept, mut begun) = (connect(), connect());
    kept.post(&review()).unwrap().response();
    hook.program.signal(Signal::TERM);
    eventually("it is unready", || match hook.ready() {
        (503, why) if why == "stopping" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(http::get(hook.status, "/healthz").status, 200);
    assert_eq!(connect().ask("GET /healthz", "", b"").unwrap().status, 200);
    assert_eq!(connect().ask("GET /readyz", "", b"").unwrap().text(), "stopping\n");
    // Those that did not learn of it yet are answered, on old connections and new ones.
    kept.post(&review()).unwrap().response();
    connect().post(&review()).unwrap().response();
    let body = review();
    let head =
        format!("POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    begun.send(head.as_bytes()).unwrap();
    begun.send(&body[..10]).unwrap();
    // The second signal does not wait for the rest of the delay, but for what has begun.
    hook.program.signal(Signal::TERM);
    assert!(kept.is_closed(), "nothing is asked there any more");
    begun.send(&body[10..]).unwrap();
    let answer = begun.answer().unwrap();
    assert!(answer.head.to_lowercase().contains("connection: close"), "{}", answer.head);
    answer.response();
    assert!(hook.program.ended().success());
}

#[test]
fn a_pod_whose_patch_would_be_enormous_goes_without_and_who_sent_it_is_told() {
    let files = Files::new();
    let hook = Hook::with_files(&files, &["--failure-policy", "fail"]);
    let mut large = creation(&pod());
    let container = |n: usize| {
        let probe = json!({ "tcpSocket": { "port": 1000 + n } });
        json!({ "name": format!("c{n}"), "image": "i", "livenessProbe": probe })
    };
    large["request"]["object"]["spec"]["containers"] = (0..5200).map(container).collect();
    let mut client = Client::connect(hook.addr, &files.authority.pem).unwrap();
    let response = client.post(large.to_string().as_bytes()).unwrap().response();
    assert_eq!(response["allowed"], true);
    assert!(response["patch"].is_null());
    let said = "podmeter: no sidecar: its patch would be longer than 1 MiB";
    assert_eq!(response["warnings"], json!([said]));
}
