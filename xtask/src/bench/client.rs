//! The least of an HTTP/1.1 client: probes, and connections that did one request and idle.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// An answer's status and the size of its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
}

/// Asks for a path on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    ask(&mut connect(address)?, address, path)
}

/// Opens `count` connections, each of which has been used for one request and stays open.
pub(crate) fn open_idle(address: &SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = connect(*address)?;
        let answer = ask(&mut stream, *address, "/")?;
        ensure!(answer.status == 200, "an answer had status {}", answer.status);
        connections.push(stream);
    }
    Ok(connections)
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)
        .with_context(|| format!("could not connect to {address}"))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).context("could not set a time limit")?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, address: SocketAddr, path: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).context("could not send a request")?;
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).context("could not read an answer")?;
        ensure!(read > 0, "the connection was closed before the answer was complete");
        seen.extend_from_slice(&chunk[..read]);
        if let Some((head_bytes, answer)) = parse_head(&seen)
            && seen.len() >= head_bytes + answer.body_bytes
        {
            return Ok(answer);
        }
    }
}

/// The size of a complete head and what it announces; a body without a length counts as none,
/// since only its status is wanted then.
fn parse_head(seen: &[u8]) -> Option<(usize, Answer)> {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&seen[..end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let body_bytes = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    Some((end, Answer { status, body_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 1024\r\n\r\nxx";
        for cut in 0..head.len() - 2 {
            assert!(parse_head(&head[..cut]).is_none());
        }
        let (end, answer) = parse_head(head).unwrap();
        assert_eq!((end, answer.status, answer.body_bytes), (head.len() - 2, 200, 1024));
    }
}
