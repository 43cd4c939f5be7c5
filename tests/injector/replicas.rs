//! Several replicas, and certificates that change under load: at no time is one served that those who
//! ask do not trust.

#![expect(clippy::disallowed_methods, reason = "load is paced")]

use super::api_server::{ApiServer, SECRET};
use super::client::{Client, creation, pod};
use super::hook::Hook;
use super::own_authority::ask;
use super::process::eventually;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

fn roots(bundle: &str) -> usize {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).count()
}

#[test]
fn replicas_that_start_together_end_with_one_authority() {
    let server = ApiServer::start();
    let long = ["--cert-lifetime", "1h", "--ca-lifetime", "3h"];
    let hooks = thread::scope(|scope| {
        let starts: Vec<_> = ["one", "two", "three"]
            .into_iter()
            .map(|name| scope.spawn(|| Hook::with_authority(name, &server, &long)))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    for hook in &hooks {
        hook.await_ready();
    }
    let bundle = server.bundle();
    assert_eq!(roots(&bundle), 1);
    assert_eq!(server.answered("POST", 201), 1, "one has made the Secret");
    for hook in &hooks {
        ask(hook, &bundle).unwrap();
    }
}

#[test]
fn of_two_that_make_the_secret_at_once_the_second_takes_the_firsts() {
    let theirs = {
        let other = ApiServer::start();
        let hook = Hook::with_authority(
            "other",
            &other,
            &["--cert-lifetime", "1h", "--ca-lifetime", "3h"],
        );
        hook.await_ready();
        other.object(SECRET).unwrap()
    };
    let server = ApiServer::start();
    let put = theirs.clone();
    server.before("POST /api", move |objects| objects.put(SECRET, put));
    let hook =
        Hook::with_authority("hook", &server, &["--cert-lifetime", "1h", "--ca-lifetime", "3h"]);
    hook.await_ready();
    assert_eq!(server.object(SECRET).unwrap()["data"], theirs["data"]);
    assert_eq!(server.answered("POST", 409), 1);
    ask(&hook, &server.bundle()).unwrap();
}

/// Somebody who asks all the time, each time on a new connection, trusting what the configuration
/// says at that moment, as an API server does.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(server: &Arc<ApiServer>, hooks: &[&Hook]) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let addrs: Vec<SocketAddr> = hooks.iter().map(|hook| hook.addr).collect();
        let (server, stopping, counted) =
            (Arc::clone(server), Arc::clone(&stop), Arc::clone(&calls));
        let thread = thread::spawn(move || {
            let review = creation(&pod()).to_string();
            let mut failed = Vec::new();
            let mut addrs = addrs.iter().cycle();
            while !stopping.load(Ordering::Relaxed) {
                let addr = *addrs.next().unwrap();
                let bundle = server.bundle();
                let outcome = Client::connect(addr, &bundle)
                    .and_then(|mut client| client.post(review.as_bytes()))
                    .map(|answer| assert_eq!(answer.response()["allowed"], true));
                counted.fetch_add(1, Ordering::Relaxed);
                failed.extend(outcome.err().map(|error| error.to_string()));
                thread::sleep(Duration::from_millis(10));
            }
            failed
        });
        Self { stop, calls, thread }
    }

    /// Ends it; gives the number of calls, and how those went wrong that did.
    fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.thread.join().unwrap();
        (self.calls.load(Ordering::Relaxed), failed)
    }
}

#[test]
fn no_call_fails_while_certificates_and_authorities_change() {
    let server = Arc::new(ApiServer::start());
    // Renewed after twenty seconds, so that a busy machine has ten for it.
    let flags = ["--cert-lifetime", "30s", "--ca-lifetime", "90s"];
    let (mut one, two) = (
        Hook::with_authority("one", &server, &flags),
        Hook::with_authority("two", &server, &flags),
    );
    one.await_ready();
    two.await_ready();
    let load = Load::start(&server, &[&one, &two]);
    let first = server.object(SECRET).unwrap()["data"].clone();
    // A new authority is asked for, by taking the old one away.
    server.change(|objects| objects.remove(SECRET));
    let changed = |key: &str, from: &serde_json::Value| {
        let secret = server.object(SECRET);
        secret.is_some_and(|secret| secret["data"][key] != from[key])
    };
    let wait = |what: &str, key: &str, from: &serde_json::Value| {
        eventually(what, || if changed(key, from) { Ok(()) } else { Err("not yet".to_owned()) });
    };
    wait("there is a new authority", "ca.key", &first);
    wait("it has signed", "tls.crt", &first);
    let second = server.object(SECRET).unwrap()["data"].clone();
    assert_eq!(roots(&server.bundle()), 2, "the old one is trusted still");
    wait("that certificate is renewed in its turn", "tls.crt", &second);
    // Both take it up.
    let current = server.object(SECRET).unwrap();
    for hook in [&one, &two] {
        eventually("it serves the last one", || {
            let loads = hook.metric(&["certificate_loads_total", "loaded"]);
            if loads > 2.5 { Ok(()) } else { Err(format!("{loads} loads")) }
        });
    }
    let (calls, failed) = load.end();
    assert!(failed.is_empty(), "{} of {calls}: {:?}", failed.len(), failed.first());
    assert!(calls > 100, "{calls}");
    drop(current);
    one.await_log("serving a certificate");
}
