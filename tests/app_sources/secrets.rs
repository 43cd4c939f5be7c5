//! Secrets: passed on where asked, and seen nowhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::http::get;
use crate::{assert_line, scrape, scrape_as, sidecar};

/// An app that answers each connection's request with one sample, `asked{by="..."}`, that says who
/// asked, and a second of its own.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut chunk = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(read @ 1..) => head.extend_from_slice(&chunk[..read]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head);
            let by = head.lines().find_map(|line| line.strip_prefix("authorization: "));
            let body = format!("asked{{by=\"{}\"}} 1\nanother 2\n", by.unwrap_or("nobody"));
            // A reader that has gone is not this side's concern.
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}");
        }
    });
    addr
}

#[test]
fn the_scrapers_authorization_reaches_only_the_sources_that_it_is_meant_for() {
    let (plain, forwarding) = (app(), app());
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        format!("http://{plain}/,name=plain,mode=label"),
        format!("http://{forwarding}/,name=forwarding,mode=label,forward-authorization=true"),
    ];
    let podmeter = sidecar(folder.path(), &sources);
    let lines = scrape_as(podmeter.stats, &[("Authorization", "Bearer of-prometheus")]);
    assert_line(&lines, "asked{by=\"nobody\",source=\"plain\"} 1");
    assert_line(&lines, "asked{by=\"Bearer of-prometheus\",source=\"forwarding\"} 1");
    assert_line(&scrape(podmeter.stats), "asked{by=\"nobody\",source=\"forwarding\"} 1");
}

#[test]
fn no_secret_is_in_the_dump_the_sources_or_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let source = format!(
        "http://{}/,name=shop,bearer-token-file={},header=\"X-Key: s3cret\"",
        crate::process::free_port(),
        token.display()
    );
    let podmeter = sidecar(folder.path(), &[source]);
    assert_line(&scrape(podmeter.stats), "podmeter_app_scrape_up{source=\"shop\"} 0");
    for path in ["/config_dump", "/sources", "/stats", "/stats/prometheus", "/server_info"] {
        let shown = get(podmeter.admin, path);
        assert!(!shown.text().contains("s3cret"), "{path}: {}", shown.text());
    }
    let dump = get(podmeter.admin, "/config_dump");
    assert!(dump.text().contains("x-key: (hidden)"), "{}", dump.text());
    assert!(!podmeter.process.said().contains("s3cret"));
}

#[test]
fn a_source_with_more_samples_than_it_may_have_is_left_out_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (few, many) = (app(), app());
    let sources = [
        format!("http://{few}/,name=few,mode=label,max-samples=2"),
        format!("http://{many}/,name=many,mode=label,max-samples=1"),
    ];
    let podmeter = sidecar(folder.path(), &sources);
    let lines = scrape(podmeter.stats);
    assert_line(&lines, "another{source=\"few\"} 2");
    assert!(!lines.iter().any(|line| line.starts_with("another{source=\"many\"}")), "{lines:?}");
    assert_line(&lines, "podmeter_app_scrape_up{source=\"many\"} 0");
}

#[test]
fn a_file_that_is_not_there_is_refused_before_anything_starts() {
    let refused = |source: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_podmeter"))
            .env_clear()
            .args(["proxy", "--forward", "127.0.0.1:0=127.0.0.1:1", "--app-metrics", source])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{source}");
        String::from_utf8(output.stderr).unwrap()
    };
    let why = "which could not be read (No such file or directory (os error 2))\n";
    assert_eq!(
        refused("9102,bearer-token-file=/none"),
        "podmeter: --app-metrics is \"http://127.0.0.1:9102/metrics,name=127.0.0.1:9102/metrics,\
         bearer-token-file=/none\", but its bearer-token-file= is \"/none\", "
            .to_owned()
            + why
    );
    assert!(refused("https://app/,ca=/none").ends_with(why));
}
