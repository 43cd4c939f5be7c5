//! A plain HTTP client for asking the programs under test, one connection per question.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer, its body as it was before `Transfer-Encoding`.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// GETs `path`.
pub(crate) fn get(addr: SocketAddr, path: &str) -> Reply {
    ask(addr, "GET", path, &[])
}

/// Sends one request and reads the answer to its end.
pub(crate) fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    try_ask(addr, method, path, headers)
        .unwrap_or_else(|why| panic!("{method} http://{addr}{path}: {why}"))
}

/// The same, where no answer is no surprise.
pub(crate) fn try_ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Reply, String> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request += "\r\n";
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| error.to_string())?;
    read(&answer, method == "HEAD").ok_or_else(|| {
        format!("no whole answer: {:?}", String::from_utf8_lossy(&answer[..answer.len().min(300)]))
    })
}

fn read(answer: &[u8], is_head: bool) -> Option<Reply> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&answer[..end]).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.into(), value.trim().into())))
        .collect::<Option<_>>()?;
    let mut reply = Reply { status, headers, body: Vec::new() };
    let body = &answer[end + 4..];
    reply.body = if is_head {
        // Whatever comes here should not be there, and the caller shall see it.
        body.to_vec()
    } else if reply.header("transfer-encoding").is_some() {
        unchunked(body)?
    } else if let Some(length) = reply.header("content-length") {
        (body.len() == length.parse::<usize>().ok()?).then(|| body.to_vec())?
    } else {
        body.to_vec()
    };
    Some(reply)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(body);
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
