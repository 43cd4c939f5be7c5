//! Sources at Unix sockets.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

/// Answers each request on each connection with its own head.
fn echo(listener: UnixListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(head) = head(&mut stream) {
                stream.write_all(&server::ok(&head)).unwrap();
            }
        }
    });
}

fn head(stream: &mut UnixStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

#[tokio::test]
async fn a_socket_is_asked_for_its_path_and_query_as_any_other_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    echo(UnixListener::bind(&path).unwrap());
    let sources = sources(&[&format!("unix:{}:/m?x=1", path.display())]);
    for _ in 0..2 {
        let asked = ask(&sources).await.unwrap().bytes;
        let asked = String::from_utf8(asked.to_vec()).unwrap();
        assert!(asked.starts_with("GET /m?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nhost: localhost\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn a_socket_of_the_abstract_namespace_is_found_by_its_name() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("podmeter-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    echo(UnixListener::bind_addr(&address).unwrap());
    let body = ask(&sources(&[&format!("unix:@{name}")])).await.unwrap();
    assert!(body.bytes.starts_with(b"GET /metrics HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_socket_that_is_not_there_or_where_nobody_listens_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let url = format!("unix:{}:/metrics", path.display());
    let told = async || {
        let error = ask(&sources(&[&url])).await.unwrap_err().to_string();
        error.strip_prefix(&format!("{url}: ")).unwrap().to_owned()
    };
    let sentence = "there is no such socket (the app has not made it yet, or elsewhere)";
    assert_eq!(told().await, sentence);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(told().await, "nobody listens there (connection refused)");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "no socket").unwrap();
    assert_eq!(told().await, "nobody listens there (connection refused)");
}

#[tokio::test]
async fn an_app_that_accepts_nothing_more_is_told_so_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let error = ask(&sources(&[&format!("unix:{}", path.display())])).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Busy), "{error}");
}
