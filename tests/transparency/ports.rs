//! Every kind of port: IPv4 and IPv6, several of them, several workers, never parsed.

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::proxy::TestProxy;
use crate::support::script::Step::{Expect, Finish, ReadToEnd, Send, Signal};
use crate::support::script::{End, Signals, play};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::Arc;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An app that answers with its name.
fn app_called(name: &'static str, ip: impl Into<IpAddr>) -> TestApp {
    let steps = [Expect(GET.len()), Send(name.as_bytes().to_vec()), ReadToEnd];
    TestApp::start_on(ip.into(), &steps, &Arc::new(Signals::default()))
}

fn ask(addr: std::net::SocketAddr, answer: &str) {
    let steps = [Send(GET.to_vec()), Expect(answer.len()), Finish, ReadToEnd];
    let seen = play(TcpStream::connect(addr).unwrap(), &steps, &Signals::default());
    assert_eq!((seen.received.as_slice(), seen.end), (answer.as_bytes(), End::Finished));
}

#[test]
fn ipv4_and_ipv6_meet_in_every_combination() {
    let (four, six) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let (app_four, app_six) = (app_called("four", four), app_called("six", six));
    for listen in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        for (app, answer) in [(&app_four, "four"), (&app_six, "six")] {
            let proxy = TestProxy::start(&format!("--forward {listen}={}", app.addr));
            let mut addr = proxy.addr();
            if addr.ip().is_unspecified() {
                addr.set_ip(if addr.is_ipv4() { four.into() } else { six.into() });
            }
            ask(addr, answer);
        }
    }
}

#[test]
fn each_forward_leads_to_its_own_app() {
    let ip = Ipv4Addr::LOCALHOST;
    let (one, two) = (app_called("one", ip), app_called("two", ip));
    let (to_one, to_two) = (one.addr, two.addr);
    let flags = format!(
        "--forward 127.0.0.1:0={to_one} --forward 127.0.0.1:0={to_two} --forward [::1]:0={to_one}"
    );
    for workers in ["1", "3"] {
        let proxy = TestProxy::start(&format!("{flags} --workers {workers}"));
        for _ in 0..20 {
            for (addr, answer) in proxy.forwards.iter().zip(["one", "two", "one"]) {
                ask(*addr, answer);
            }
        }
    }
}

#[test]
fn an_opaque_port_is_carried_like_any_other() {
    let app = app_called("opaque", Ipv4Addr::LOCALHOST);
    let proxy = TestProxy::before(app.addr, &format!("--opaque-ports {}", app.addr.port()));
    ask(proxy.addr(), "opaque");
}

#[test]
fn clients_do_not_share_connections_to_the_app() {
    let signals = Arc::new(Signals::default());
    let steps = [Expect(1), Signal("read"), ReadToEnd];
    let app = TestApp::start(&steps, &signals);
    let proxy = TestProxy::before(app.addr, "--workers 2");
    for letter in [b"a", b"b", b"c"] {
        let steps = [Send(letter.to_vec()), Finish, ReadToEnd];
        play(TcpStream::connect(proxy.addr()).unwrap(), &steps, &signals);
        assert_eq!(app.recording().received, letter);
    }
    assert!(app.is_untouched());
}

#[test]
fn two_thousand_connections_are_carried_at_once() {
    for workers in ["1", "2"] {
        two_thousand_at_once(&format!("--workers {workers}"));
    }
}

fn two_thousand_at_once(flags: &str) {
    // Each has two ends here and two in the proxy, all in this process.
    let count = 2000_u16;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = TestProxy::before(listener.local_addr().unwrap(), flags);
    let app = std::thread::spawn(move || {
        let accepted: Vec<_> = (0..count).map(|_| listener.accept().unwrap().0).collect();
        for mut stream in accepted {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut number = [0; 2];
            stream.read_exact(&mut number).unwrap();
            stream.write_all(&number).unwrap();
        }
    });
    let mut clients: Vec<_> =
        (0..count).map(|_| TcpStream::connect(proxy.addr()).unwrap()).collect();
    for (client, number) in clients.iter_mut().zip(0..count) {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&number.to_be_bytes()).unwrap();
    }
    for (client, number) in clients.iter_mut().zip(0..count) {
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        assert_eq!(back, number.to_be_bytes());
    }
    app.join().unwrap();
}
