//! Heads that are read, and heads that are not understood.

use super::*;
use crate::observe::host::KnownHosts;
use crate::observe::path::{Paths, Templates};
use std::sync::Arc;

fn rules() -> Rules {
    let paths = Some(Arc::new(Paths::new(Templates::default(), Some(10))));
    let hosts = KnownHosts::new(&["shop"]);
    Rules { hosts, max_head_bytes: 65_536, probes_apart: true, traces: true, paths }
}

fn read(head: &str) -> Result<RequestHead, Reason> {
    assert_eq!(end(head.as_bytes(), 0), Some(head.len()), "one whole head: {head:?}");
    let (read, length) = request(head.as_bytes(), &rules(), true)?;
    assert_eq!(length, head.len(), "{head:?}");
    Ok(read)
}

fn framing(fields: &str) -> Result<Framing, Reason> {
    read(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).map(|head| head.framing)
}

#[test]
fn the_framing_of_a_request_is_read_only_where_all_servers_agree() {
    use Framing::{Chunked, Length, Unsaid};
    let ambiguous = Err(Reason::AmbiguousRequestLength);
    for (fields, expected) in [
        ("", Ok(Unsaid)),
        ("Content-Length: 5\r\n", Ok(Length(5))),
        ("content-LENGTH:\t 003 \r\n", Ok(Length(3))),
        ("Content-Length: 18446744073709551615\r\n", Ok(Length(u64::MAX))),
        ("Content-Length: 18446744073709551616\r\n", ambiguous),
        ("Content-Length: 5, 5\r\n", ambiguous),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", ambiguous),
        ("Content-Length: +5\r\n", ambiguous),
        ("Content-Length: -0\r\n", ambiguous),
        ("Content-Length:\r\n", ambiguous),
        ("Content-Length: 4 2\r\n", ambiguous),
        ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("Transfer-Encoding: gzip, Chunked \r\n", Ok(Chunked)),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("Transfer_Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ambiguous),
        ("Transfer-Encoding: chunked, deflate\r\n", ambiguous),
        ("Transfer-Encoding: identity, chunked, identity, chunked\r\n", ambiguous),
        ("Transfer-Encoding: chunked, chunked\r\n", ambiguous),
        ("Transfer-Encoding: chunkedchunked\r\n", ambiguous),
        ("Transfer-Encoding:\r\n", ambiguous),
    ] {
        assert_eq!(framing(fields), expected, "{fields:?}");
    }
    assert_eq!(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), {
        Err(Reason::AmbiguousRequestLength)
    });
}

#[test]
fn a_head_that_servers_read_differently_is_not_understood() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nA: one\r\n two\r\n\r\n",
        "GET / HTTP/1.1\r\nbaz\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nA: a\rB: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nFo@: a\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET /foo bar HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET foo/bar HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/111\r\n\r\n",
        "GET: / HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(read(head), Err(Reason::MalformedRequest), "{head:?}");
    }
}

#[test]
fn a_head_tells_its_method_host_persistence_and_upgrade() {
    let head = read("GET /a HTTP/1.1\r\nHost: shop:80\r\n\r\n").unwrap();
    assert_eq!((head.method, head.host, head.last), (Method::Get, HostId(0), false));
    assert_eq!((head.path, head.version), (Path::New("/a".into()), Version::Http11));
    assert_eq!(read("GET / HTTP/1.0\r\n\r\n").unwrap().version, Version::Http10);
    assert!(read("GET / HTTP/1.0\r\n\r\n").unwrap().last);
    assert!(!read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().last);
    assert!(read("GET / HTTP/1.1\r\nConnection: te, CLOSE\r\n\r\n").unwrap().last);
    assert_eq!(read("HEAD / HTTP/1.1\r\n\r\n").unwrap().method, Method::Head);
    assert_eq!(read("CONNECT a:443 HTTP/1.1\r\n\r\n").unwrap().method, Method::Connect);
    let upgrade = "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ws\r\n\r\n";
    assert!(read(upgrade).unwrap().upgrade);
    assert!(!read("GET / HTTP/1.1\r\nUpgrade: ws\r\n\r\n").unwrap().upgrade);
    let two_hosts = "GET / HTTP/1.1\r\nHost: shop\r\nHost: evil\r\n\r\n";
    assert_eq!(read(two_hosts).unwrap().host, HostId::UNKNOWN);
    assert!(read("GET http://a?b HTTP/1.1\r\n\r\n").is_ok());
    assert!(read("OPTIONS * HTTP/1.1\r\n\r\n").is_ok());
    assert!(read("GET /\u{e0} HTTP/1.1\r\nA: caf\u{e9}\r\n\r\n").is_ok());
}

#[test]
fn a_status_line_is_read_with_or_without_a_phrase() {
    let status = |line: &str| any_response(format!("{line}\r\n\r\n").as_bytes()).map(|h| h.status);
    for line in ["HTTP/1.1 301", "HTTP/1.1 301 ", "HTTP/1.0 301  Moved", "HTTP/1.1 301 \u{eb}"] {
        assert_eq!(status(line), Ok(301), "{line}");
    }
    for line in [
        "HTP/1.1 200 OK",
        "HTTP/01.1 200 OK",
        "HTTP/1.01 200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 2 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/5.6 200 OK",
        "RTSP/1.0 200 OK",
        "HTTP/1.1 200 O\rK",
    ] {
        assert_eq!(status(line), Err(Reason::MalformedResponse), "{line}");
    }
}

#[test]
fn text_goes_on_to_the_first_control_character() {
    for length in 0..20 {
        for end in [0, b'\n', b'\r', 0x1f, 0x7f] {
            for text in *b"a ~\t\x80\xff\x7e" {
                let mut bytes = vec![text; length];
                assert_eq!(text_length(&bytes), length);
                bytes.extend([end, text, end, text, text, text, text, text, text]);
                assert_eq!(text_length(&bytes), length, "{bytes:?}");
            }
        }
    }
}

#[test]
fn the_framing_of_a_response_follows_what_clients_do() {
    let framing = |fields: &str| {
        any_response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).unwrap().framing
    };
    assert_eq!(framing(""), Ok(Framing::Unsaid));
    assert_eq!(framing("Content-Length: 5, 5\r\n"), Ok(Framing::Length(5)));
    assert_eq!(framing("Transfer-Encoding: gzip\r\n"), Ok(Framing::Unsaid));
    assert_eq!(framing("Transfer-Encoding: chunked, deflate\r\n"), Ok(Framing::Unsaid));
    let ambiguous = Err(Reason::AmbiguousResponseLength);
    assert_eq!(framing("Content-Length: 5, 6\r\n"), ambiguous);
    assert_eq!(framing("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), ambiguous);
    assert_eq!(framing("A : b\r\n"), Err(Reason::MalformedResponse));
}
