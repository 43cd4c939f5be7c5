//! URLs as sources: asked as the proxy asks, judged by the Content-Type that they send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::{lint, text};

#[test]
fn a_url_is_judged_by_its_content_type() {
    let addr = answering("text/plain; version=0.0.4", "# HELP a x\na 1\n\n# EOF\n");
    let output = lint(&[&format!("http://{addr}/metrics")], b"");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
    let addr = answering("application/openmetrics-text; version=1.0.0", "# HELP a x\na 1\n");
    let output = lint(&[&format!("http://{addr}/metrics")], b"");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(1), "3:1: OpenMetrics ends with the line # EOF\n".to_owned())
    );
    let addr = answering("text/html", "<html>\nnot here\n");
    let output = lint(&[&format!("http://{addr}/")], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("it begins like HTML"));
}

#[test]
fn a_unix_socket_is_a_source_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(&stream, "text/plain", "# HELP a x\na 1\n");
    });
    let output = lint(&[&format!("unix:{}", path.display())], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_url_that_hangs_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let output = lint(&["--timeout", "200ms", &url], b"");
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.starts_with(&format!("podmeter: {url} ")) && said.lines().count() == 1, "{said}");
}

#[test]
fn a_url_that_nobody_answers_or_that_sends_too_much_is_not_read() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = lint(&[&format!("http://{addr}/metrics")], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("connection refused"), "{}", text(&output.stderr));
    let addr = answering("text/plain", &"a 1\n".repeat(1000));
    let output = lint(&["--max-bytes", "1KiB", &format!("http://{addr}/metrics")], b"");
    assert_eq!(output.status.code(), Some(2));
    let output = lint(&["http://me:secret@127.0.0.1:1/metrics"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(!text(&output.stderr).contains("secret"), "{}", text(&output.stderr));
}

#[test]
fn urls_and_files_are_merged_side_by_side() {
    let one = answering("text/plain", "a 1\n");
    let two = answering("application/openmetrics-text", "# TYPE b counter\nb_total 2\n# EOF\n");
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.env_clear().arg("merge").args([
        format!("http://{one}/metrics,name=one,mode=label"),
        format!("http://{two}/metrics"),
    ]);
    let output = program.output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(
        text(&output.stdout),
        "# TYPE a untyped\na{source=\"one\"} 1\n# TYPE b_total counter\nb_total 2\n"
    );
}

/// Answers one request so.
fn answering(content_type: &'static str, body: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let body = body.to_owned();
    std::thread::spawn(move || {
        let (stream, _): (TcpStream, _) = listener.accept().unwrap();
        answer(&stream, content_type, &body);
    });
    addr
}

fn answer<S>(stream: &S, content_type: &str, body: &str)
where
    for<'s> &'s S: Read + Write,
{
    let mut stream = stream;
    let mut head = Vec::new();
    let mut some = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "no whole request");
        head.extend_from_slice(&some[..count]);
    }
    let length = body.len();
    // The client may have had enough of a long body.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
}
