//! What comes in an answer, and what becomes of it.

use super::server::{Peer, Server, ok};
use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::mpsc;

#[tokio::test]
async fn a_source_is_asked_for_openmetrics_first_and_told_how_long_we_wait() {
    let (heads, asked) = mpsc::channel();
    let server = Server::start(move |_, mut peer| {
        heads.send(peer.request().unwrap()).unwrap();
        peer.send(&ok(""));
    });
    let url = format!("http://{}/a%20b?c=d&e", server.address());
    ask_within(&sources(&[&url]), Duration::from_millis(9_500)).await.unwrap();
    let head = asked.recv().unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("GET /a%20b?c=d&e HTTP/1.1"));
    let mut lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    let [encoding, accept, host, agent, timeout] = lines[..] else { panic!("{head}") };
    assert_eq!(accept, format!("accept: {}", Wants::Text.accept()));
    assert!(accept.starts_with("accept: application/openmetrics-text;version=1.0.0;"));
    assert_eq!(encoding, "accept-encoding: zstd, gzip");
    assert_eq!(host, format!("host: {}", server.address()));
    assert_eq!(agent, concat!("user-agent: podmeter/", env!("CARGO_PKG_VERSION")));
    let seconds: f64 =
        timeout.strip_prefix("x-prometheus-scrape-timeout-seconds: ").unwrap().parse().unwrap();
    assert!(seconds > 0.0 && seconds <= 9.5, "{seconds}");
}

#[tokio::test]
async fn content_types_pass_through_whether_they_are_true_or_not() {
    let types = [
        ("Content-Type: text/html\r\n", Some("text/html")),
        ("Content-Type: \u{e4}\r\n", Some("\u{e4}")),
        ("Content-Type: image/png\r\nContent-Type: text/plain\r\n", Some("image/png")),
        ("", None),
    ];
    for (header, expected) in types {
        let server =
            Server::answering(format!("HTTP/1.1 200 OK\r\n{header}Content-Length: 4\r\n\r\na 1\n"));
        let body = ask(&sources(&[&server.url()])).await.unwrap();
        assert_eq!(body.content_type.as_deref(), expected);
        assert_eq!(body.bytes, "a 1\n");
    }
}

#[tokio::test]
async fn every_framing_of_a_body_is_read() {
    let answers: [&[u8]; 8] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n3\r\n 1\n\r\n0\r\nT: t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\na 1\n",
        b"HTTP/1.0 200 OK\r\n\r\na 1\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
        b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.0 200 OK\r\n\r\na 1\n",
        b"HTTP/1.1 200 OK\r\nExpect: 100-continue\r\nContent-Length: 4, 4\r\n\r\na 1\n",
        b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200\r\nContent-Length: 4\r\n\r\na 1\n",
    ];
    for answer in answers {
        let server = Server::start(move |_, mut peer| {
            peer.request();
            peer.send(answer);
        });
        let body = ask(&sources(&[&server.url()])).await.unwrap();
        assert_eq!(body.bytes, "a 1\n", "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn any_status_but_200_is_an_error_with_its_name() {
    let answered = async |status: &str| {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\na 1\n");
        let server = Server::answering(answer);
        let error = ask(&sources(&[&server.url()])).await.unwrap_err();
        error.to_string().replace(&server.url(), "URL")
    };
    assert_eq!(answered("500 Oops").await, "URL: answered 500 Internal Server Error");
    assert_eq!(answered("404 Not Found").await, "URL: answered 404 Not Found");
    assert_eq!(answered("206 Partial Content").await, "URL: answered 206 Partial Content");
    assert_eq!(answered("599 What").await, "URL: answered 599");
    assert_eq!(answered("304 Not Modified").await, "URL: answered 304 Not Modified");
    assert_eq!(answered("204 No Content").await, "URL: answered 204 No Content");
    assert_eq!(answered("101 Nonsense").await, "URL: answered 101 Switching Protocols");
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = Server::answering(ok("a 1\n"));
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    let server = Server::answering(answer);
    let error = ask(&sources(&[&server.url()])).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: answered 302 Found and redirects to \"{}\", which is not followed; give that URL \
             to --app-metrics if it is the right one",
            server.url(),
            elsewhere.url()
        )
    );
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn what_is_not_http_is_told_so() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..], b"\0\0\0\x0c\x04\0\0\0\0\0\0\0\0\0\0\0\n\n"]
    {
        let error = complaint(bytes).await;
        assert!(error.starts_with("did not answer in HTTP/1 ("), "{error}");
    }
    assert_eq!(complaint(b"").await, "closed the connection without an answer");
    assert_eq!(complaint(b"HTTP/1.1 20").await, "closed the connection without an answer");
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let server = Server::start(|_, mut peer| {
        peer.request();
        peer.send(b"HTTP/1.1 200 OK\r\n");
        while peer.send(&[b"X: ".as_slice(), &[b'x'; 10_000], b"\r\n"].concat()) {}
    });
    let error = ask(&sources(&[&server.url()])).await.unwrap_err().to_string();
    let why = ": did not answer in HTTP/1 (its head is above 64 KiB)";
    assert!(error.ends_with(why), "{error}");
}

#[tokio::test]
async fn half_a_body_is_no_body() {
    let half = "Content-Length: 100\r\n\r\na 1\nb 1";
    for (answer, received) in [
        (format!("HTTP/1.1 200 OK\r\n{half}"), 7),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n".to_owned(), 4),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na 1\nb".to_owned(), 5),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\nzz\r\n".to_owned(), 4),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\nxx0\r\n\r\n".to_owned(),
            4,
        ),
    ] {
        let error = complaint(answer.clone().leak().as_bytes()).await;
        let told =
            format!("broke off after {received} bytes of its answer, none of which are used");
        assert!(error.starts_with(&told), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn a_gigabyte_costs_no_more_than_the_limit() {
    let too_large = |error: FetchError| {
        let error = error.to_string();
        assert!(error.ends_with(": sent more than 1 MiB (--app-metrics-max-bytes)"), "{error}");
    };
    let heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
    ];
    for head in heads {
        let (sent, told) = mpsc::channel();
        let server = Server::start(move |_, mut peer| {
            peer.request();
            peer.send(head.as_bytes());
            sent.send(blocks_sent(&mut peer)).unwrap();
        });
        too_large(ask(&sources(&[&server.url()])).await.unwrap_err());
        // What the kernel took on the way comes on top of the limit.
        let blocks = told.recv_timeout(PLENTY).unwrap();
        assert!(blocks < 1_000, "{blocks} blocks of 64 KB after {head:?}");
    }
}

/// How many blocks of 64 KB of a gigabyte the client takes.
fn blocks_sent(peer: &mut Peer) -> usize {
    let block = b"a_metric_with_a_name 1\n".repeat(2_783);
    (0..15_625).take_while(|_| peer.send(&block)).count()
}

#[tokio::test]
async fn lengths_that_cannot_be_are_no_answer() {
    for lengths in ["4\r\nContent-Length: 5", "-1", "four", "99999999999999999999"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\na 1\n");
        let error = complaint(answer.leak().as_bytes()).await;
        assert!(error.starts_with("did not answer in HTTP/1 ("), "{lengths}: {error}");
    }
}

#[tokio::test]
async fn an_app_that_only_ever_says_continue_costs_the_deadline() {
    let server = Server::start(|_, mut peer| {
        peer.request();
        while peer.send(b"HTTP/1.1 100 Continue\r\n\r\n") {}
    });
    let error = ask_within(&sources(&[&server.url()]), SHORT).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn a_page_of_html_is_a_body_like_any_other_until_it_is_read() {
    let page = "<!DOCTYPE html><html><body>It works!</body></html>";
    let server = Server::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    ));
    let body = ask(&sources(&[&server.url()])).await.unwrap();
    assert_eq!((body.bytes, body.content_type.as_deref()), (page.into(), Some("text/html")));
}

#[tokio::test]
async fn a_source_has_limits_of_its_own() {
    let server = Server::answering(ok("a_metric_with_a_name 1\n"));
    let told = async |options: &str| {
        let sources = sources(&[&format!("{}{options}", server.url())]);
        let error = ask(&sources).await.map(|_| sources.parsed(0, 3, None, &[]));
        (error.map_err(|error| error.to_string()), sources.health().remove(0).last_error)
    };
    let (error, _) = told(",max-bytes=22").await;
    assert!(error.unwrap_err().ends_with(": sent more than 22 bytes (max-bytes=)"));
    assert_eq!(told(",max-bytes=23,max-samples=3").await, (Ok(true), None));
    let (merged, error) = told(",max-samples=2").await;
    assert_eq!(merged, Ok(false));
    assert!(error.unwrap().ends_with(": sent more than 2 samples (max-samples=)"));
}

#[tokio::test]
async fn a_sources_own_time_goes_before_the_scrapers() {
    let server = Server::start(|_, mut peer| peer.wait_until_gone());
    let error = ask(&sources(&[&format!("{},timeout=100ms", server.url())])).await.unwrap_err();
    assert!(error.to_string().ends_with(": did not answer within 0.1 s"), "{error}");
}

#[tokio::test]
async fn zstd_is_unpacked_and_what_was_sent_is_told_beside_what_was_in_it() {
    let body = "a_metric_with_a_name 1\n".repeat(10_000);
    let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
    let server = Server::answering(gzipped("zstd", &packed));
    let sources = sources(&[&server.url()]);
    for _ in 0..2 {
        assert_eq!(ask(&sources).await.unwrap().bytes, body);
        assert!(sources.parsed(0, 10_000, None, &[]));
    }
    assert_eq!(server.accepted(), 1);
    let health = sources.health().remove(0);
    assert_eq!((health.bytes, health.wire_bytes), (body.len() as u64, packed.len() as u64));
    assert_eq!(health.content_encoding.as_deref(), Some("zstd"));
}

#[tokio::test]
async fn gzip_up_to_the_end_of_the_connection_is_unpacked_if_it_is_whole() {
    let packed = gzip(b"a 1\n");
    let head = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    for cut in [packed.len(), packed.len() - 1] {
        let answer = [&head[..], &packed[..cut]].concat();
        let server = Server::start(move |_, mut peer| {
            peer.request();
            peer.send(&answer);
        });
        let taken = ask(&sources(&[&server.url()])).await;
        assert_eq!(taken.is_ok(), cut == packed.len(), "{taken:?}");
    }
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let body = "a_metric_with_a_name 1\n".repeat(10_000);
    let server = Server::answering(gzipped("gzip", &gzip(body.as_bytes())));
    let sources = sources(&[&server.url()]);
    assert_eq!(ask(&sources).await.unwrap().bytes, body);
    assert_eq!(ask(&sources).await.unwrap().bytes, body);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_gzip_bomb_costs_no_more_than_the_limit() {
    let server = Server::answering(gzipped("gzip", &gzip(&vec![b'#'; 20 << 20])));
    let error = ask(&sources(&[&server.url()])).await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge(limit) if limit.bytes == LIMIT), "{error}");
}

#[tokio::test]
async fn encodings_that_were_not_asked_for_and_broken_gzip_are_told_so() {
    let asked = async |encoding: &str, body: &[u8]| {
        let server = Server::answering(gzipped(encoding, body));
        let error = ask(&sources(&[&server.url()])).await.unwrap_err();
        error.to_string().replace(&server.url(), "URL")
    };
    assert_eq!(
        asked("br", b"a 1\n").await,
        "URL: answered with Content-Encoding \"br\", but only one of zstd, gzip was asked for"
    );
    let error = asked("gzip", b"a 1\n").await;
    assert!(error.starts_with("URL: sent gzip that cannot be unpacked ("), "{error}");
    let packed = gzip(b"a 1\n");
    let error = asked("gzip", &packed[..packed.len() - 1]).await;
    assert!(error.starts_with("URL: sent gzip that cannot be unpacked ("), "{error}");
}

fn gzipped(encoding: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
